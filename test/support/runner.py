"""Runs programs for namespace.ts where it was started itself: a large process such as Node's pays for every fork what a small one does not.

A line of JSON for each program, {id, argv, input, env}, and one back when it has ended, {id, code, stdout, stderr}; many at a time.
"""
import json
import os
import subprocess
import sys
import threading

writing = threading.Lock()


def ran(request):
    try:
        done = subprocess.run(request["argv"], input=request["input"].encode(), capture_output=True, env=request["env"])
    except (OSError, ValueError) as error:
        return {"code": 127, "stdout": "", "stderr": "%s: %s\n" % (request["argv"][0], error)}
    text = lambda octets: octets.decode("utf-8", "replace")
    return {"code": done.returncode if done.returncode >= 0 else 127, "stdout": text(done.stdout), "stderr": text(done.stderr)}


def answer(request):
    line = json.dumps({"id": request["id"], **ran(request)})
    with writing:
        sys.stdout.write(line + "\n")
        sys.stdout.flush()


for line in sys.stdin:
    threading.Thread(target=answer, args=(json.loads(line),), daemon=True).start()
os._exit(0)
