# One network namespace of a lab: requests as JSON lines on stdin, answers as JSON lines on stdout.
# It has one thread, so that `renew` moves all of it into a fresh namespace, and it ends with its stdin: however
# Bridgekeeper dies, the kernel then takes the namespace and everything in it away.
import collections
import contextlib
import ctypes
import errno
import json
import os
import selectors
import signal
import socket
import struct
import subprocess
import time
import types

# linux/if_packet.h, linux/if_ether.h, asm-generic/socket.h, linux/sched.h, linux/prctl.h
SOL_PACKET, PACKET_STATISTICS, PACKET_AUXDATA, PACKET_IGNORE_OUTGOING = 263, 6, 8, 23
TP_STATUS_VLAN_VALID, TP_STATUS_VLAN_TPID_VALID = 0x10, 0x40
ETH_P_ALL, ETH_P_8021Q = 0x0003, 0x8100
SO_RCVBUFFORCE, SO_TIMESTAMPNS = 33, 35
CLONE_NEWNET, PR_SET_PDEATHSIG = 0x40000000, 1

RECEIVE_BUFFER = 64 << 20
LONGEST_FRAME = 256 << 10  # segmentation offload hands over more than a link's MTU
READ, WRITE = selectors.EVENT_READ, selectors.EVENT_WRITE

libc = ctypes.CDLL(None, use_errno=True)

# What a suspended request waits for: a file to become ready, or a condition, but not longer than `deadline`.
Wait = collections.namedtuple('Wait', 'deadline file events condition', defaults=(None, READ, None))


class Refused(Exception):
    def __init__(self, code, message):
        super().__init__(message)
        self.code = code


def deadline(request):
    return time.monotonic() + request.get('timeout_ms', 10_000) / 1000


def errno_name(number):
    return errno.errorcode.get(number, str(number))


def ifindex_of(ifname):
    try:
        return socket.if_nametoindex(ifname)
    except OSError as error:  # without a number, in Python's own words
        raise OSError(errno.ENODEV, os.strerror(errno.ENODEV)) from error


class Capture:
    """A packet socket that only receives beside one that only sends, so that nobody captures what he sent himself."""

    def __init__(self, ifname, outgoing):
        self.ifname = ifname
        self.ifindex = ifindex_of(ifname)
        self.buffer = bytearray(LONGEST_FRAME)
        self.transmit = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0)
        # Protocol 0 until it is bound: otherwise frames of other interfaces would come in between.
        self.receive = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0)
        self.receive.setsockopt(SOL_PACKET, PACKET_AUXDATA, 1)
        self.receive.setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE, RECEIVE_BUFFER)
        self.receive.setsockopt(socket.SOL_SOCKET, SO_TIMESTAMPNS, 1)
        self.receive.setblocking(False)
        self.receive.setsockopt(SOL_PACKET, PACKET_IGNORE_OUTGOING, 0 if outgoing else 1)
        self.transmit.bind((self.ifname, 0))
        self.receive.bind((self.ifname, ETH_P_ALL))

    def frames(self):
        while True:
            try:
                length, ancillary, _, _ = self.receive.recvmsg_into([self.buffer], 256)
            except BlockingIOError:
                return
            except OSError as error:
                if error.errno != errno.ENETDOWN:  # the link was set down: said once, then it goes on
                    raise
                continue
            yield whole_frame(bytes(self.buffer[:length]), ancillary)

    def newly_dropped(self):
        """The kernel's counter starts again at every reading."""
        _, drops = struct.unpack('=II', self.receive.getsockopt(SOL_PACKET, PACKET_STATISTICS, 8))
        return drops

    def close(self):
        self.receive.close()
        self.transmit.close()


def whole_frame(frame, ancillary):
    """(microseconds, bytes): the kernel takes the outer VLAN tag off a frame; it goes back where it was."""
    us = 0
    for level, kind, data in ancillary:
        if level == SOL_PACKET and kind == PACKET_AUXDATA:
            status, _, _, _, _, tci, tpid = struct.unpack('=IIIHHHH', data[:20])
            if status & TP_STATUS_VLAN_VALID:
                outer = tpid if status & TP_STATUS_VLAN_TPID_VALID else ETH_P_8021Q
                frame = frame[:12] + struct.pack('!HH', outer, tci) + frame[12:]
        elif level == socket.SOL_SOCKET and kind == SO_TIMESTAMPNS:
            seconds, nanoseconds = struct.unpack('@ll', data[:struct.calcsize('@ll')])
            us = seconds * 1_000_000 + nanoseconds // 1000
    return us, frame


def memory(content=b''):
    """A nameless file: with it in place of a pipe nobody can block on a full one."""
    file = os.fdopen(os.memfd_create('run'), 'w+b')
    file.write(content)
    file.seek(0)
    return file


def content_of(file):
    file.seek(0)
    return file.read().decode('utf-8', 'replace')


AGENT = os.getpid()


def die_with_agent():
    libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    # it may have died before that was said
    if os.getppid() != AGENT:
        os._exit(1)


def run(request):
    argv = request['argv']
    with memory(request.get('input', '').encode()) as stdin, memory() as stdout, memory() as stderr:
        try:
            process = subprocess.Popen(argv, stdin=stdin, stdout=stdout, stderr=stderr, start_new_session=True,
                                       preexec_fn=die_with_agent, env={**os.environ, 'LC_ALL': 'C'})
        except OSError as error:
            raise Refused('tool-missing', f'{argv[0]}: {error.strerror}') from error
        pidfd = os.pidfd_open(process.pid)
        try:
            ended = yield Wait(deadline(request), pidfd)
        finally:
            os.close(pidfd)
            # Before the leader is reaped, while its number cannot belong to anybody else.
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
        if not ended:
            raise Refused('command-timeout', f'{" ".join(argv)}: still running after {request.get("timeout_ms")} ms')
        return {'status': process.returncode, 'stdout': content_of(stdout), 'stderr': content_of(stderr)}


def sysctl_path(name):
    """As sysctl(8): the first of `.` and `/` in the name separates, the other one is itself."""
    dot, slash = name.find('.'), name.find('/')
    if slash < 0 or 0 <= dot < slash:
        name = name.translate(str.maketrans('./', '/.'))
    if name.startswith('/') or '..' in name.split('/'):
        raise Refused('unknown-sysctl', f'{name} is no sysctl')
    return '/proc/sys/' + name


def sysctl(request):
    return {'value': use_sysctl(request['name'], None)}


def sysctls(request):
    for name, value in request['values']:
        use_sysctl(name, value)
    return {}


def use_sysctl(name, value):
    path = sysctl_path(name)
    try:
        if value is None:
            with open(path) as file:
                return ' '.join(file.read().split())
        with open(path, 'w') as file:
            file.write(value)
    except FileNotFoundError as error:
        raise Refused('unknown-sysctl', f'the kernel has no sysctl {name}') from error
    except OSError as error:
        what = '' if value is None else f' = {value}'
        raise Refused('sysctl-refused', f'{name}{what}: {error.strerror}') from error


def checksum(data):
    """RFC 1071."""
    total = sum(struct.unpack(f'!{len(data) // 2}H', data[:len(data) & ~1])) + (data[-1] << 8 if len(data) % 2 else 0)
    while total >> 16:
        total = (total & 0xffff) + (total >> 16)
    return ~total & 0xffff


def echo_request(ident, sequence, size):
    payload = bytes(index & 0xff for index in range(size))
    head = struct.pack('!BBHHH', 8, 0, 0, ident, sequence)
    return struct.pack('!BBHHH', 8, 0, checksum(head + payload), ident, sequence) + payload


def is_echo_reply(packet, ident, sequence):
    header = (packet[0] & 15) * 4
    if len(packet) < header + 8:
        return False
    kind, _, _, got_ident, got_sequence = struct.unpack_from('!BBHHH', packet, header)
    return (kind, got_ident, got_sequence) == (0, ident, sequence)


def ping(request):
    address, ident, sequence, end = request['address'], request['ident'], request['sequence'], deadline(request)
    with socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_ICMP) as sock:
        sock.setblocking(False)
        started = time.monotonic_ns()
        try:
            sock.sendto(echo_request(ident, sequence, request.get('size', 56)), (address, 0))
        except OSError as error:  # its own OUTPUT chain or its own routing table said no
            return {'answered': False, 'refused': errno_name(error.errno)}
        while (yield Wait(end, sock)):
            packet, sender = sock.recvfrom(65536)
            if sender[0] == address and is_echo_reply(packet, ident, sequence):
                return {'answered': True, 'rtt_us': (time.monotonic_ns() - started) // 1000}
        return {'answered': False}


CONNECT_RESULTS = {
    0: 'connected',
    errno.ECONNREFUSED: 'refused',
    errno.ETIMEDOUT: 'timeout',
    errno.EHOSTUNREACH: 'unreachable',
    errno.ENETUNREACH: 'unreachable',
}


def tcp_socket(sport):
    sock = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    sock.setblocking(False)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    # Closing resets: one packet, and no TIME_WAIT that would keep the port.
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack('ii', 1, 0))
    if sport:
        sock.bind(('', sport))
    return sock


def connect(sock, request):
    number = sock.connect_ex((request['address'], request['port']))
    if number == errno.EINPROGRESS:
        if not (yield Wait(deadline(request), sock, WRITE)):
            return 'timeout'
        number = sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
    if number not in CONNECT_RESULTS:
        raise OSError(number, os.strerror(number))
    return CONNECT_RESULTS[number]


def tcp_connect(request):
    with tcp_socket(request.get('sport')) as sock:
        return {'result': (yield from connect(sock, request))}


def udp_send(request):
    """One datagram; a port-unreachable error comes back as ECONNREFUSED on the connected socket (udp(7))."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK) as sock:
        sock.bind(('0.0.0.0', request['sport']))
        sock.connect((request['address'], request['port']))
        try:
            sock.send(bytes(4))
            if (yield Wait(deadline(request), sock)):
                sock.recv(1)
        except ConnectionRefusedError:
            return {'result': 'refused'}
        except OSError as error:
            if error.errno not in (errno.EPERM, errno.EHOSTUNREACH, errno.ENETUNREACH):
                raise
    return {'result': 'silent'}


class Task:
    """A request that is not answered yet: a generator that yields what it waits for."""

    def __init__(self, agent, ident, steps):
        self.agent, self.ident, self.steps, self.wait = agent, ident, steps, None

    def advance(self, ready):
        try:
            self.release()
            wait = self.steps.send(ready)
            if wait.file is not None:
                self.agent.selector.register(wait.file, wait.events, lambda: self.advance(True))
            self.wait = wait
        except StopIteration as done:
            self.agent.finish(self, done.value)
        except Exception as error:
            self.steps.close()
            self.agent.finish(self, failure(error))

    def release(self):
        if self.wait is not None and self.wait.file is not None:
            self.agent.selector.unregister(self.wait.file)
        self.wait = None

    def advance_if_due(self):
        if self.wait.condition is not None and self.wait.condition():
            self.advance(True)
        elif time.monotonic() >= self.wait.deadline:
            self.advance(False)

    def cancel(self):
        self.release()
        self.steps.close()


def failure(error):
    if isinstance(error, Refused):
        return {'error': str(error), 'code': error.code}
    if isinstance(error, OSError):
        return {'error': error.strerror or str(error), 'code': errno_name(error.errno)}
    return {'error': f'{type(error).__name__}: {error}', 'code': 'bad-request'}


class Agent:
    def __init__(self):
        self.pending = bytearray()
        self.reset()
        self.commands = {
            'open': self.open, 'send': self.send, 'captured': self.captured, 'wait': self.wait, 'run': run,
            'tcp-serve': self.tcp_serve, 'tcp-connect': tcp_connect, 'udp-send': udp_send, 'tcp-flow': self.tcp_flow,
            'tcp-flow-send': self.tcp_flow_send, 'tcp-flow-close': self.tcp_flow_close, 'ping': ping,
            'sysctl': sysctl, 'sysctls': sysctls, 'cancel': self.cancel, 'renew': self.renew,
        }

    def reset(self):
        self.selector = selectors.DefaultSelector()
        self.selector.register(0, READ, self.read_requests)
        self.tasks = {}
        self.captures = {}
        self.frames = []
        self.servers = []
        self.flows = {}
        self.flow_count = 0

    # Requests and answers.

    def serve(self):
        self.answer({'ready': os.getpid()})
        while True:
            for key, _ in self.selector.select(self.patience()):
                # An earlier callback of this round may have closed the file.
                if self.selector.get_map().get(key.fd) is key:
                    key.data()
            for task in list(self.tasks.values()):
                if task.wait is not None:
                    task.advance_if_due()

    def patience(self):
        ends = [task.wait.deadline for task in self.tasks.values() if task.wait is not None]
        return max(0, min(ends) - time.monotonic()) if ends else None

    def read_requests(self):
        chunk = os.read(0, 1 << 20)
        if not chunk:
            self.end()
        *lines, rest = chunk.split(b'\n')
        for line in lines:
            request, self.pending = bytes(self.pending + line), bytearray()
            self.begin(json.loads(request))
        self.pending += rest

    def begin(self, request):
        ident = request['id']
        try:
            result = self.commands[request['command']](request)
        except Exception as error:
            result = failure(error)
        if isinstance(result, types.GeneratorType):
            self.tasks[ident] = Task(self, ident, result)
            self.tasks[ident].advance(None)
        else:
            self.answer({'id': ident, **result})

    def finish(self, task, result):
        del self.tasks[task.ident]
        self.answer({'id': task.ident, **result})

    def answer(self, message):
        rest = memoryview(json.dumps(message).encode() + b'\n')
        try:
            while rest:
                rest = rest[os.write(1, rest):]
        except BrokenPipeError:
            self.end()

    def cancel(self, request):
        task = self.tasks.get(request['task'])
        if task is not None:
            task.cancel()
            self.finish(task, {'error': 'cancelled', 'code': 'cancelled'})
        return {}

    def end(self):
        for task in self.tasks.values():
            task.cancel()
        os._exit(0)

    def renew(self, _request):
        """Leaves the namespace with everything in it for a fresh one: 0.5 ms, where deleting links takes 10 ms each."""
        for ident in list(self.tasks):
            self.cancel({'task': ident})
        for file in [*self.captures.values(), *self.flows.values(), *self.servers, self.selector]:
            file.close()
        self.reset()
        if libc.unshare(CLONE_NEWNET) != 0:
            number = ctypes.get_errno()
            raise OSError(number, f'unshare: {os.strerror(number)}')
        return {}

    # Frames.

    def open(self, request):
        ifname = request['ifname']
        earlier = self.captures.get(ifname)
        try:
            if earlier is not None and earlier.ifindex == ifindex_of(ifname):
                return {}
            capture = Capture(ifname, request.get('outgoing', False))
        except OSError as error:
            raise OSError(error.errno, f'{ifname}: {error.strerror}') from error
        if earlier is not None:  # another interface has the name now
            self.selector.unregister(earlier.receive)
            earlier.close()
        self.captures[ifname] = capture
        self.selector.register(capture.receive, READ, lambda: self.drain(capture))
        return {}

    def drain(self, capture):
        self.frames.extend((us, capture.ifname, frame) for us, frame in capture.frames())

    def captured(self, _request):
        for capture in self.captures.values():
            self.drain(capture)
        frames, self.frames = sorted(self.frames, key=lambda entry: entry[0]), []
        return {
            'frames': [{'ifname': ifname, 'hex': frame.hex(), 'us': us} for us, ifname, frame in frames],
            'dropped': sum(capture.newly_dropped() for capture in self.captures.values()),
        }

    def wait(self, request):
        def enough():
            return len(self.frames) >= request['count']
        if not enough():
            yield Wait(deadline(request), condition=enough)
        return {'count': len(self.frames)}

    def send(self, request):
        gap = request.get('gap_ms', 0) / 1000
        for index, frame in enumerate(request['frames']):
            if gap and index > 0:
                yield Wait(time.monotonic() + gap)
            self.transmit(frame['ifname'], bytes.fromhex(frame['hex']))
        return {}

    def transmit(self, ifname, frame):
        capture = self.captures.get(ifname)
        if capture is None:
            raise Refused('not-open', f'{ifname} was not opened')
        try:
            capture.transmit.send(frame)
        except OSError as error:
            raise OSError(error.errno, f'{ifname}: {error.strerror}') from error

    # TCP.

    def tcp_serve(self, request):
        server = socket.create_server(('', request['port']))
        server.setblocking(False)
        self.servers.append(server)
        self.selector.register(server, READ, lambda: self.accept(server))
        return {'port': server.getsockname()[1]}

    def accept(self, server):
        try:
            client, _ = server.accept()
        except OSError:  # gone again
            return
        client.setblocking(False)
        self.servers.append(client)
        self.selector.register(client, READ, lambda: self.echo(client))

    def echo(self, client):
        try:
            data = client.recv(65536)
            if data and client.send(data) == len(data):
                return
        except OSError:
            pass
        self.selector.unregister(client)
        self.servers.remove(client)
        client.close()

    def tcp_flow(self, request):
        sock = tcp_socket(request.get('sport'))
        kept = False
        try:
            result = yield from connect(sock, request)
            if result != 'connected':
                return {'result': result}
            kept = True
            self.flow_count += 1
            self.flows[self.flow_count] = sock
            return {'result': result, 'flow': self.flow_count, 'sport': sock.getsockname()[1]}
        finally:
            if not kept:
                sock.close()

    def flow(self, request):
        if request['flow'] not in self.flows:
            raise Refused('not-open', f'flow {request["flow"]} is not open')
        return self.flows[request['flow']]

    def tcp_flow_send(self, request):
        """Sends, then reads until as much came back (`tcp-serve` echoes) or the flow or the time is over."""
        sock, data, end, back = self.flow(request), bytes.fromhex(request['hex']), deadline(request), b''
        expected, closed = len(data), False
        try:
            while data and (yield Wait(end, sock, WRITE)):
                data = data[sock.send(data):]
            while len(back) < expected and not closed and (yield Wait(end, sock)):
                chunk = sock.recv(65536)
                back, closed = back + chunk, chunk == b''
        except ConnectionError:
            closed = True
        return {'hex': back.hex(), 'closed': closed}

    def tcp_flow_close(self, request):
        self.flow(request).close()
        del self.flows[request['flow']]
        return {}


if __name__ == '__main__':
    Agent().serve()
