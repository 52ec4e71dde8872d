"""Guests that talk: `serve PORT...` echoes TCP and UDP on these ports until standard input ends; `ask PROTO IP PORT` sends
a number every 5 ms and reads it back, until a line comes on standard input: then it prints what came of it as JSON
({"sent", "echoed", "lost", "last"}: when the last answer came, in seconds since 1970), and goes on. On port 21 there is enough
of FTP for a helper: PROTO `ftp` asks there for the way to PORT first, and keeps that connection.
"""

import json
import select
import socket
import struct
import sys
import threading
import time

PACE = 0.005
NUMBER = struct.Struct(">I")


def echo_stream(connection):
    try:
        while data := connection.recv(65536):
            connection.sendall(data)
    except OSError:
        pass


def speak_ftp(connection):
    own = connection.getsockname()[0].replace(".", ",")
    connection.sendall(b"220 ready\r\n")
    while data := connection.recv(4096):
        port = int(data.split()[1]) if data.startswith(b"PASV") else 0
        way = f"227 Entering Passive Mode ({own},{port >> 8},{port & 255})\r\n"
        connection.sendall(way.encode() if port else b"230 welcome\r\n")


def ask_ftp(ip, port):
    control = socket.create_connection((ip, 21), timeout=5)
    control.recv(4096)
    for line in (b"USER x\r\n", f"PASV {port}\r\n".encode()):
        control.sendall(line)
        control.recv(4096)
    return control


def accept_all(listener):
    answer = speak_ftp if listener.getsockname()[1] == 21 else echo_stream
    while True:
        connection, _ = listener.accept()
        threading.Thread(target=answer, args=(connection,), daemon=True).start()


def echo_datagrams(sock):
    while True:
        data, peer = sock.recvfrom(2048)
        try:
            sock.sendto(data, peer)
        except OSError:
            pass


def serve(ports):
    for port in ports:
        listener = socket.create_server(("0.0.0.0", port), backlog=256)
        threading.Thread(target=accept_all, args=(listener,), daemon=True).start()
        sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        sock.bind(("0.0.0.0", port))
        threading.Thread(target=echo_datagrams, args=(sock,), daemon=True).start()
    print("ready", flush=True)
    sys.stdin.read()


class Talk:
    def __init__(self, proto, ip, port):
        self.stream = proto in ("tcp", "ftp")
        self.control = ask_ftp(ip, port) if proto == "ftp" else None
        kind = socket.SOCK_STREAM if self.stream else socket.SOCK_DGRAM
        self.sock = socket.socket(socket.AF_INET, kind)
        self.sock.settimeout(5)
        self.sock.connect((ip, port))
        self.sock.setblocking(False)
        self.sent = 0
        self.echoed = 0
        self.last = 0.0
        self.rest = b""

    def say(self):
        try:
            # a number of a stream is written whole: the buffer is large, and numbers are small
            self.sock.send(NUMBER.pack(self.sent))
            self.sent += 1
        except OSError:
            pass

    def hear(self):
        try:
            self.rest += self.sock.recv(65536)
        except OSError:
            return
        whole = len(self.rest) // NUMBER.size
        if whole > 0:
            self.echoed += whole
            self.last = time.time()
        self.rest = self.rest[whole * NUMBER.size :]

    def said(self):
        return {"sent": self.sent, "echoed": self.echoed, "lost": self.sent - self.echoed, "last": self.last}


def ask(proto, ip, port):
    try:
        talk = Talk(proto, ip, port)
    except OSError as failure:
        print(f"failed {failure}", flush=True)
        return
    quiet_until = 0.0
    due = time.monotonic()
    announced = False
    while True:
        readable = select.select([talk.sock, sys.stdin], [], [], max(0.0, due - time.monotonic()))[0]
        if talk.sock in readable:
            talk.hear()
            if not announced:
                announced = True
                print("ready", flush=True)
        if sys.stdin in readable:
            if sys.stdin.readline() == "":
                return
            # what is on its way may still come
            quiet_until = time.monotonic() + 0.3
            while time.monotonic() < quiet_until:
                if select.select([talk.sock], [], [], 0.05)[0]:
                    talk.hear()
            print(json.dumps(talk.said()), flush=True)
            due = time.monotonic()
        if time.monotonic() >= due:
            talk.say()
            due = max(due + PACE, time.monotonic())


if __name__ == "__main__":
    if sys.argv[1] == "serve":
        serve([int(port) for port in sys.argv[2:]])
    else:
        ask(sys.argv[2], sys.argv[3], int(sys.argv[4]))
