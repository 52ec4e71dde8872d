"""Runs a program under the restrictions of a unit, as systemd would: confined.py UNIT STATE PROGRAM [ARGUMENT...]

STATE takes the place of /var/lib/bridgekeeper. Capabilities, file systems, system calls, address families and
namespaces are restricted as the unit says; what it says besides (clock, host name, realtime, suid files, keyring) follows
from the missing capabilities or is not applied. Needs python3-seccomp, and systemd-analyze for the names of sets.
"""
import ctypes
import errno
import os
import subprocess
import sys

import seccomp

libc = ctypes.CDLL(None, use_errno=True)
RDONLY, REMOUNT, BIND, REC, PRIVATE = 1, 32, 4096, 16384, 1 << 18
CLONE_NEWNS = 0x20000
NAMESPACES = (0x00000080, 0x00020000, 0x02000000, 0x04000000, 0x08000000, 0x10000000, 0x20000000, 0x40000000)
FAMILIES = {"AF_UNIX": 1, "AF_INET": 2, "AF_NETLINK": 16}
CAPABILITIES = {"CAP_NET_ADMIN": 12, "CAP_NET_RAW": 13}


def checked(result):
    if result != 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))


def mount(source, target, kind=None, flags=0, data=None):
    code = lambda text: None if text is None else text.encode()
    checked(libc.mount(code(source), code(target), code(kind), flags, code(data)))


def service(path):
    values = {}
    for line in open(path):
        key, found, value = line.strip().partition("=")
        if found and not line.startswith("#"):
            values.setdefault(key, []).append(value)
    return values


def confine_files(unit, state):
    checked(libc.unshare(CLONE_NEWNS))
    mount(None, "/", None, REC | PRIVATE)
    kept = os.open(state, os.O_PATH)
    mount("tmpfs", "/var/lib", "tmpfs")
    os.mkdir("/var/lib/bridgekeeper")
    mount("/proc/self/fd/%d" % kept, "/var/lib/bridgekeeper", None, BIND)
    os.makedirs("/run/bridgekeeper", exist_ok=True)
    if unit["PrivateDevices"] == ["yes"]:
        private_devices()
    if unit["PrivateTmp"] == ["yes"]:
        for place in ("/tmp", "/var/tmp"):
            mount("tmpfs", place, "tmpfs", 0, "mode=1777")
    writable = [path.lstrip("-") for path in unit["ReadWritePaths"][0].split()]
    for path in writable:
        if os.path.exists(path):
            mount(path, path, None, BIND)
    hidden = ["/home", "/root", "/run/user"] if unit["ProtectHome"] == ["yes"] else []
    for path in filter(os.path.isdir, hidden):
        mount("tmpfs", path, "tmpfs", 0, "mode=000")
    assert unit["ProtectSystem"] == ["strict"] and unit["ProtectKernelTunables"] == ["yes"]
    for path in ("/proc/sys", "/proc/sysrq-trigger"):
        if os.path.exists(path):
            mount(path, path, None, BIND)
    for line in list(open("/proc/self/mountinfo")):
        path = line.split()[4]
        spared = writable + ["/dev", "/tmp", "/var/tmp", "/proc"]
        if path not in ("/proc/sys", "/proc/sysrq-trigger") and any((path + "/").startswith(one + "/") for one in spared):
            continue
        options = line.split()[5].split(",")
        keep = sum(flag for name, flag in (("nosuid", 2), ("nodev", 4), ("noexec", 8)) if name in options)
        libc.mount(None, path.encode(), None, REMOUNT | BIND | RDONLY | keep, None)


def private_devices():
    names = ("null", "zero", "full", "random", "urandom", "tty")
    nodes = {name: os.open("/dev/" + name, os.O_PATH) for name in names}
    mount("tmpfs", "/dev", "tmpfs", 0, "mode=755")
    for name, node in nodes.items():
        open("/dev/" + name, "w").close()
        mount("/proc/self/fd/%d" % node, "/dev/" + name, None, BIND)
    os.mkdir("/dev/shm")


def drop_capabilities(unit):
    kept = {CAPABILITIES[name] for name in unit["CapabilityBoundingSet"][0].split()}
    last = int(open("/proc/sys/kernel/cap_last_cap").read())
    for capability in range(last + 1):
        if capability not in kept:
            checked(libc.prctl(24, capability, 0, 0, 0))
    assert unit["NoNewPrivileges"] == ["yes"]
    checked(libc.prctl(38, 1, 0, 0, 0))


def known_sets():
    """Of all sets with one question: each start of systemd-analyze takes as long as the rest of this."""
    printed = subprocess.run(["systemd-analyze", "--no-pager", "syscall-filter"], capture_output=True, text=True, check=True).stdout
    sets = {}
    for line in printed.splitlines():
        if line.startswith("@"):
            inside = sets.setdefault(line.strip(), [])
        elif line.startswith("    ") and not line.strip().startswith("#"):
            inside.append(line.strip())
    return sets


def calls(words, sets):
    names = set()
    for word in words:
        names |= calls(sets[word], sets) if word.startswith("@") else {word}
    return names


def system_call_filters(unit):
    sets = known_sets()
    allowed = calls(["@default"], sets)
    for value in unit["SystemCallFilter"]:
        words = value.lstrip("~").split()
        allowed = allowed - calls(words, sets) if value.startswith("~") else allowed | calls(words, sets)
    first = seccomp.SyscallFilter(seccomp.ERRNO(errno.EPERM))
    for name in allowed:
        try:
            first.add_rule(seccomp.ALLOW, name)
        except (RuntimeError, ValueError):
            pass  # of another architecture
    second = seccomp.SyscallFilter(seccomp.ALLOW)
    families = {FAMILIES[name] for name in unit["RestrictAddressFamilies"][0].split()}
    for family in range(64):
        if family not in families:
            second.add_rule(seccomp.ERRNO(errno.EAFNOSUPPORT), "socket", seccomp.Arg(0, seccomp.EQ, family))
    assert unit["RestrictNamespaces"] == ["yes"]
    for flag in NAMESPACES:
        for name in ("clone", "unshare"):
            second.add_rule(seccomp.ERRNO(errno.EPERM), name, seccomp.Arg(0, seccomp.MASKED_EQ, flag, flag))
    second.add_rule(seccomp.ERRNO(errno.EPERM), "setns")
    return first, second


def main():
    unit = service(sys.argv[1])
    first, second = system_call_filters(unit)
    confine_files(unit, sys.argv[2])
    os.umask(int(unit["UMask"][0], 8))
    os.chdir("/")
    drop_capabilities(unit)
    second.load()
    first.load()
    os.execvp(sys.argv[3], sys.argv[3:])


main()
