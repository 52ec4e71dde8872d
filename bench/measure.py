"""Runs a program and prints what it cost: `measure.py [--until FILE LINES] PROGRAM [ARG...]` -> one line of JSON.

A daemon does not end by itself: with --until it is ended as soon as FILE has so many lines."""
import json
import os
import resource
import signal
import subprocess
import sys
import time

most_seconds = 600


def lines_of(path):
    try:
        with open(path, 'rb') as file:
            return sum(piece.count(b'\n') for piece in iter(lambda: file.read(1 << 20), b''))
    except FileNotFoundError:
        return 0


def wait_until(child, path, lines):
    size = -1
    while time.monotonic() < begin + most_seconds and child.poll() is None:
        time.sleep(0.2)
        now = os.path.getsize(path) if os.path.exists(path) else 0
        if now == size and lines_of(path) >= lines:
            break
        size = now
    child.send_signal(signal.SIGTERM)


words = sys.argv[1:]
until = None
if words[0] == '--until':
    until = (words[1], int(words[2]))
    words = words[3:]
begin = time.monotonic()
# a wrapper around python may have had children of its own
before = resource.getrusage(resource.RUSAGE_CHILDREN)
output = subprocess.PIPE if until is None else subprocess.DEVNULL
child = subprocess.Popen(words, stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.PIPE)
if until is not None:
    wait_until(child, *until)
output, said = child.communicate(timeout=most_seconds)
wall = time.monotonic() - begin
usage = resource.getrusage(resource.RUSAGE_CHILDREN)
print(json.dumps({
    'code': child.returncode,
    'cpuMs': (usage.ru_utime + usage.ru_stime - before.ru_utime - before.ru_stime) * 1000,
    'wallMs': wall * 1000,
    'rssMib': usage.ru_maxrss / 1024,
    'output': (output or b'').decode('utf-8', 'replace')[-2000:],
    'said': (said or b'').decode('utf-8', 'replace')[-2000:],
}))
