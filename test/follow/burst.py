"""Numbered frames from the very moment on at which an interface is there and up, until standard input ends.

burst.py IFNAME PACE FRAME...   as `stream.py send` in test/apply, whose receiver reads them; says `ready` while it still waits.
"""

import errno
import json
import select
import socket
import struct
import sys
import time

MAGIC = b"BKst"
# a minute in which an interface surely comes
LATEST = time.monotonic() + 60
NOT_YET = (errno.ENODEV, errno.ENETDOWN, errno.ENXIO)


def stdin_ended():
    return bool(select.select([sys.stdin], [], [], 0)[0]) and sys.stdin.read(1) == ""


def opened(ifname):
    while time.monotonic() < LATEST:
        raw = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0)
        try:
            raw.bind((ifname, 0))
            return raw
        except OSError as error:
            raw.close()
            if error.errno not in NOT_YET:
                raise
            time.sleep(0.0002)
    return None


def sent(raw, frame):
    try:
        raw.send(frame)
        return True
    except OSError as error:
        if error.errno not in NOT_YET:
            raise
        return False


def main(ifname, pace, frames):
    print("ready", flush=True)
    raw = opened(ifname)
    heads = [bytes.fromhex(frame)[:-12] for frame in frames]
    while raw and not sent(raw, heads[0] + MAGIC + struct.pack(">HxxI", 0, 0)) and time.monotonic() < LATEST:
        time.sleep(0.0002)
    # its first frame was number 0
    number = 1
    begin = time.monotonic()
    over = raw is None
    while not over:
        # what is due then is sent
        over = stdin_ended()
        due = int((time.monotonic() - begin) * pace)
        for number in range(number, due):
            for kind, head in enumerate(heads):
                sent(raw, head + MAGIC + struct.pack(">HxxI", kind, number))
        number = max(number, due)
        time.sleep(0.001)
    print(json.dumps({"sent": number}), flush=True)


if __name__ == "__main__":
    main(sys.argv[1], float(sys.argv[2]), sys.argv[3:])
