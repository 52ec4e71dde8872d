#!/usr/bin/env python3
"""Sends raw Ethernet frames: one line of hex on standard input is one frame and gets one line as answer.

Usage: send-frames.py IFNAME

The answer is `sent`, or the error. Everything runs on one processor, so that the kernel handles the frames in the
order of the lines.
"""

import os
import socket
import sys


def answer(sender, line):
    try:
        sender.send(bytes.fromhex(line))
        return "sent"
    except (OSError, ValueError) as error:
        return f"failed: {error}"


def main():
    os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    sender = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
    sender.bind((sys.argv[1], 0))
    for line in sys.stdin:
        print(answer(sender, line), flush=True)


main()
