"""A guest that talks: echoes TCP and UDP on the ports of its arguments, and does what its standard input says, until that ends.
On port 21 there is enough of FTP for a helper. What it does is printed as JSON, a line each; ID is the caller's.

ask ID PROTO IP PORT   A connection that sends a number every 10 ms and reads it back: {"id"} when the first one came back, or
                       {"id", "failed"}. PROTO is tcp, udp, or ftp: asks on port 21 for the way to PORT first, and keeps
                       that connection.
said ID                What came of it: {"id", "sent", "echoed", "lost", "last"}: when the last answer came, in seconds since
                       1970. What is on its way may still come first.
fresh ID               All connections end at once, without a word to the others: {"id"}.
"""

import json
import os
import selectors
import socket
import struct
import sys
import time

PACE = 0.01
ON_ITS_WAY = 0.3
PATIENCE = 60
NUMBER = struct.Struct(">I")
AT_ONCE = struct.pack("ii", 1, 0)

selector = selectors.DefaultSelector()
talks = {}
accepted = set()


def tell(ident, **words):
    print(json.dumps({"id": ident, **words}), flush=True)


def drop(sock):
    selector.unregister(sock)
    if sock.type == socket.SOCK_STREAM:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, AT_ONCE)
    sock.close()


def watch(sock, heard):
    sock.setblocking(False)
    selector.register(sock, selectors.EVENT_READ, heard)


def accept_from(listener, answer):
    connection, _ = listener.accept()
    accepted.add(connection)
    watch(connection, lambda: hear_guest(connection, answer))


def hear_guest(connection, answer):
    try:
        data = connection.recv(65536)
        if data:
            connection.sendall(answer(connection, data))
            return
    except OSError:
        pass
    accepted.discard(connection)
    drop(connection)


def echo(_connection, data):
    return data


def speak_ftp(connection, data):
    if not data.startswith(b"PASV"):
        return b"230 welcome\r\n"
    own = connection.getsockname()[0].replace(".", ",")
    port = int(data.split()[1])
    return f"227 Entering Passive Mode ({own},{port >> 8},{port & 255})\r\n".encode()


def ask_ftp(ip, port):
    control = socket.create_connection((ip, 21), timeout=PATIENCE)
    for line in (b"USER x\r\n", f"PASV {port}\r\n".encode()):
        control.sendall(line)
        control.recv(4096)
    return control


def echo_datagram(sock):
    data, peer = sock.recvfrom(2048)
    try:
        sock.sendto(data, peer)
    except OSError:
        pass


def serve(port):
    listener = socket.create_server(("0.0.0.0", port), backlog=256)
    answer = speak_ftp if port == 21 else echo
    watch(listener, lambda: accept_from(listener, answer))
    datagrams = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    # SO_RCVBUFFORCE: who stands still for a while loses nothing
    datagrams.setsockopt(socket.SOL_SOCKET, 33, 8 << 20)
    datagrams.bind(("0.0.0.0", port))
    watch(datagrams, lambda: echo_datagram(datagrams))


class Talk:
    def __init__(self, ident, proto, ip, port):
        self.ident = ident
        self.stream = proto != "udp"
        self.control = ask_ftp(ip, port) if proto == "ftp" else None
        kind = socket.SOCK_STREAM if self.stream else socket.SOCK_DGRAM
        self.sock = socket.socket(socket.AF_INET, kind)
        self.sock.setsockopt(socket.SOL_SOCKET, 33, 8 << 20)
        self.sock.settimeout(PATIENCE)
        self.sock.connect((ip, port))
        self.sent = 0
        self.echoed = 0
        self.last = 0.0
        self.rest = b""
        self.asked = None
        watch(self.sock, self.hear)

    def say(self):
        try:
            # a stream that is stuck takes no more after some hundred kilobytes, and numbers are small
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
            if self.echoed == 0:
                tell(self.ident)
            self.echoed += whole
            self.last = time.time()
        self.rest = self.rest[whole * NUMBER.size :]

    def tick(self):
        if self.asked is None:
            self.say()
        elif self.sent == self.echoed or time.monotonic() - self.asked >= ON_ITS_WAY:
            self.asked = None
            lost = self.sent - self.echoed
            tell(self.ident, sent=self.sent, echoed=self.echoed, lost=lost, last=self.last)

    def end(self):
        drop(self.sock)
        if self.control is not None:
            self.control.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, AT_ONCE)
            self.control.close()


def fresh():
    for talk in talks.values():
        talk.end()
    for connection in accepted:
        drop(connection)
    talks.clear()
    accepted.clear()


def obey(words):
    what, ident, *rest = words
    if what == "ask":
        try:
            talks[ident] = Talk(ident, rest[0], rest[1], int(rest[2]))
        except OSError as failure:
            tell(ident, failed=str(failure))
    elif what == "said":
        talks[ident].asked = time.monotonic()
    else:
        fresh()
        tell(ident)


def hear_orders():
    global orders
    data = os.read(0, 65536)
    if data == b"":
        sys.exit()
    *lines, orders = (orders + data.decode()).split("\n")
    for line in lines:
        obey(line.split())


orders = ""
for number in sys.argv[1:]:
    serve(int(number))
selector.register(0, selectors.EVENT_READ, hear_orders)
due = time.monotonic()
tell("ready")
while True:
    for key, _ in selector.select(max(0.0, due - time.monotonic()) if talks else None):
        # whoever was dropped meanwhile is heard no more
        if key.fd == 0 or key.fileobj.fileno() >= 0:
            key.data()
    if talks and time.monotonic() >= due:
        for talk in talks.values():
            talk.tick()
        due = max(due + PACE, time.monotonic())
