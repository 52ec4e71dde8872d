# What of a guest's tagged frames arrives: at another guest, at the host, and at the host's VLAN device on the bridge. Every
# frame has the guest's own addresses, so nothing but its tags is wrong. Network namespaces web, db and host; prints the names of
# what arrived. Argument: how many seconds to wait for it.
import ctypes
import fcntl
import select
import socket
import struct
import sys
import time

libc = ctypes.CDLL(None, use_errno=True)
ETH_P_ALL = 3
PORT = 9
WEB, DB = bytes.fromhex('525400000011'), bytes.fromhex('525400000012')


def enter(name):
    with open(f'/run/netns/{name}') as namespace:
        if libc.setns(namespace.fileno(), 0) != 0:
            raise OSError(ctypes.get_errno(), name)


def checksum(data):
    total = sum(struct.unpack(f'!{len(data) // 2}H', data))
    total = (total >> 16) + (total & 0xffff)
    return ~(total + (total >> 16)) & 0xffff


def udp(to, text):
    payload = text.encode() + b'\0' * (40 - len(text))
    header = struct.pack('!HHHH', 4000, PORT, 8 + len(payload), 0)
    addresses = socket.inet_aton('10.0.0.11') + socket.inet_aton(to)
    fields = struct.pack('!BBHHHBBH', 0x45, 0, 28 + len(payload), 1, 0, 64, 17, 0)
    sum_ = checksum(fields + addresses)
    return fields[:10] + struct.pack('!H', sum_) + addresses + header + payload


def tag(ethertype, vlan):
    return struct.pack('!HH', ethertype, vlan)


IP = struct.pack('!H', 0x0800)
TAGS = {
    'untagged': b'',
    'priority': tag(0x8100, 0),
    'VLAN 5': tag(0x8100, 5),
    'provider VLAN 0': tag(0x88a8, 0),
    'two tags': tag(0x88a8, 0) + tag(0x8100, 0),
}


def receiver(name):
    enter(name)
    raw = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(ETH_P_ALL))
    stack = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    stack.bind(('', PORT))
    return raw, stack


def card(raw, name):
    """The MAC of a card in the socket's namespace (netdevice(7))."""
    return fcntl.ioctl(raw, 0x8927, struct.pack('256s', name))[18:24]


def main():
    wait = float(sys.argv[1])
    at_db, at_host = receiver('db'), receiver('host')
    bridge = card(at_host[0], b'br0')
    enter('web')
    out = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
    out.bind(('eth0', 0))
    for name, tags in TAGS.items():
        out.send(DB + WEB + tags + IP + udp('10.0.0.12', f'<{name} to db>'))
        out.send(bridge + WEB + tags + IP + udp('10.0.0.1', f'<{name} to host>'))
    out.send(bridge + WEB + tag(0x8100, 5) + IP + udp('10.5.0.1', '<VLAN 5 to the VLAN device>'))
    sockets = {at_db[0]: 'card of db', at_db[1]: 'db', at_host[1]: 'host'}
    seen = set()
    end = time.monotonic() + wait
    # what came is read, however late it is
    while arrived := select.select(list(sockets), [], [], max(0, end - time.monotonic()))[0]:
        for ready in arrived:
            data = ready.recv(2048)
            for part in data.split(b'<')[1:]:
                if b'>' in part:
                    seen.add(f'{sockets[ready]}: {part.split(b">")[0].decode()}')
    print('\n'.join(sorted(seen)))


main()
