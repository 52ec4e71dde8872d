"""delete-flows.py FILE: ends tracked connections by netlink, each by a look-up of its own, where `conntrack -D` goes through
all that the kernel tracks for each of them. FILE holds the same lines as for `conntrack -R`: -D -p 6 -s IP -d IP ...
Exit 0: each of them is gone; 1: something was refused; 2: FILE says something else.
"""

import errno
import socket
import struct
import sys

NETLINK_NETFILTER = 12
CT_DELETE = 1 << 8 | 2
NLM_F_REQUEST_ACK = 5
NLMSG_ERROR = 2
NESTED = 0x8000
TUPLE_ORIG, ZONE = 1, 18
TUPLE_IP, TUPLE_PROTO = 1, 2
BYTE, SHORT = struct.Struct("B"), struct.Struct(">H")

# option -> attribute of CTA_TUPLE_PROTO (linux/netfilter/nfnetlink_conntrack.h)
PROTO = {
    "-p": (1, BYTE),
    "--sport": (2, SHORT),
    "--dport": (3, SHORT),
    "--srckey": (2, SHORT),
    "--dstkey": (3, SHORT),
    "--icmp-id": (4, SHORT),
    "--icmp-type": (5, BYTE),
    "--icmp-code": (6, BYTE),
}


def attribute(kind, payload):
    padded = payload + bytes(-len(payload) % 4)
    return struct.pack("=HH", 4 + len(payload), kind) + padded


def message(words, number):
    # a message without a tuple would delete everything: each of these must be there
    options = dict(zip(words[1::2], words[2::2], strict=True))
    if words[0] != "-D":
        raise ValueError(words[0])
    addresses = [socket.inet_aton(options.pop(end)) for end in ("-s", "-d")]
    zone = int(options.pop("-w"))
    protocol = b"".join(
        attribute(PROTO[name][0], PROTO[name][1].pack(int(value, 0))) for name, value in [("-p", options.pop("-p")), *options.items()]
    )
    ips = b"".join(attribute(index + 1, address) for index, address in enumerate(addresses))
    one = attribute(TUPLE_IP | NESTED, ips) + attribute(TUPLE_PROTO | NESTED, protocol)
    body = struct.pack("=BBH", socket.AF_INET, 0, 0) + attribute(TUPLE_ORIG | NESTED, one)
    if zone:
        body += attribute(ZONE, SHORT.pack(zone))
    return struct.pack("=IHHII", 16 + len(body), CT_DELETE, NLM_F_REQUEST_ACK, number, 0) + body


def refusal(sock):
    answer = sock.recv(65536)
    kind = struct.unpack_from("=IH", answer)[1]
    code = -struct.unpack_from("=i", answer, 16)[0] if kind == NLMSG_ERROR else errno.EPROTO
    return 0 if code == errno.ENOENT else code


def main(path):
    try:
        with open(path, encoding="ascii") as lines:
            messages = [message(line.split(), number + 1) for number, line in enumerate(lines)]
    except (ValueError, KeyError, OSError, struct.error) as fault:
        print(f"{path}: {fault!r}", file=sys.stderr)
        return 2
    sock = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, NETLINK_NETFILTER)
    sock.settimeout(5)
    sock.bind((0, 0))
    failed = 0
    for one in messages:
        sock.send(one)
        code = refusal(sock)
        if code:
            failed = code
    if failed:
        print(errno.errorcode.get(failed, str(failed)), file=sys.stderr)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
