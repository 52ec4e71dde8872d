"""Numbered frames through a bridge: `send` at a steady pace until standard input ends, `receive` notes which arrived.

stream.py send IFNAME PACE FRAME...   PACE frames of each kind a second; each FRAME is hex and ends in 8 octets that are
                                      replaced by its kind and its number. Prints {"sent": N} of each kind.
stream.py receive IFNAME HELLO        HELLO (hex) is sent each second, so that the bridges know where we are. Prints
                                      {"KIND": [[first, last], ...], "dropped": N} with the numbers that arrived.
"""

import json
import select
import socket
import struct
import sys
import time

SO_RCVBUFFORCE = 33
ETH_P_ALL = 3
SOL_PACKET = 263
PACKET_STATISTICS = 6
PACKET_OUTGOING = 4
MAGIC = b"BKst"


def opened(ifname):
    raw = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(ETH_P_ALL))
    raw.setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE, 64 << 20)
    raw.bind((ifname, ETH_P_ALL))
    return raw


def stdin_ended():
    return bool(select.select([sys.stdin], [], [], 0)[0]) and sys.stdin.read(1) == ""


def send(ifname, pace, frames):
    raw = opened(ifname)
    heads = [bytes.fromhex(frame)[:-12] for frame in frames]
    print("ready", flush=True)
    number = 0
    begin = time.monotonic()
    over = False
    while not over:
        # what is due then is sent
        over = stdin_ended()
        due = int((time.monotonic() - begin) * pace)
        for number in range(number, due):
            for kind, head in enumerate(heads):
                raw.send(head + MAGIC + struct.pack(">HxxI", kind, number))
        number = max(number, due)
        time.sleep(0.001)
    print(json.dumps({"sent": number}), flush=True)


def receive(ifname, hello):
    raw = opened(ifname)
    arrived = {}
    raw.send(bytes.fromhex(hello))
    print("ready", flush=True)
    said = time.monotonic()
    while True:
        readable = select.select([raw, sys.stdin], [], [], 0.2)[0]
        if raw in readable:
            frame, (_, _, kind_of_packet, _, _) = raw.recvfrom(2048)
            at = frame.rfind(MAGIC)
            if at >= 0 and kind_of_packet != PACKET_OUTGOING:
                kind, number = struct.unpack(">HxxI", frame[at + 4 : at + 12])
                note(arrived.setdefault(kind, []), number)
        elif sys.stdin in readable:
            break
        if time.monotonic() - said > 1:
            raw.send(bytes.fromhex(hello))
            said = time.monotonic()
    dropped = struct.unpack("II", raw.getsockopt(SOL_PACKET, PACKET_STATISTICS, 8))[1]
    print(json.dumps({**arrived, "dropped": dropped}), flush=True)


def note(ranges, number):
    if ranges and ranges[-1][1] == number - 1:
        ranges[-1][1] = number
    else:
        ranges.append([number, number])


if __name__ == "__main__":
    if sys.argv[1] == "send":
        send(sys.argv[2], float(sys.argv[3]), sys.argv[4:])
    else:
        receive(sys.argv[2], sys.argv[3])
