"""Crowds of connections: some that only stand there, some that call as fast as they are answered.

As a program it is one such flood in a process of its own, so that a test's interpreter has time for what it measures:
`crowd.py PORT CONNECTIONS SECONDS PAUSE`, the request on standard input, what came of it as JSON on standard output.
"""
import collections
import contextlib
import json
import select
import socket
import statistics
import subprocess
import sys
import time
from pathlib import Path

SOURCES = 8


class Member:
    """One connection of a crowd."""

    def __init__(self, port, number):
        self.received = b""
        # No answer is left for these times to be compared with; the test asserts on them.
        self.asked = self.closed = None
        self.socket = socket.socket()
        self.socket.setblocking(False)
        # Several addresses, because one has some 28 000 ports only.
        self.socket.bind((f"127.0.0.{2 + number % SOURCES}", 0))
        self.socket.connect_ex(("127.0.0.1", port))

    @property
    def status(self):
        """The status of the first answer, `None` when none has come."""
        return int(self.received.split(b" ", 2)[1]) if b"\r\n" in self.received else None

    def ask(self, data):
        self.asked = time.monotonic()
        self.socket.send(data)

    def read(self):
        """Takes what has come; returns whether the connection is still open."""
        try:
            data = self.socket.recv(65536)
        except BlockingIOError:
            return True
        except OSError:
            data = b""
        self.received += data
        if not data:
            self.closed = time.monotonic()
        return bool(data)


class Crowd:
    """Connections that are opened together; left, they are all closed."""

    def __init__(self, port, number):
        self.port = port
        self.members = []
        self.poll = select.epoll()
        self.by_number = {}
        self.grow(number)

    def grow(self, number, seconds=60):
        """Opens further connections, some hundreds at a time; returns them."""
        grown = []
        end = time.monotonic() + seconds
        while len(grown) < number and time.monotonic() < end:
            batch = [Member(self.port, len(self.members) + len(grown) + i) for i in range(min(500, number - len(grown)))]
            waiting = {m.socket.fileno(): m for m in batch}
            writable = select.epoll()
            for descriptor in waiting:
                writable.register(descriptor, select.EPOLLOUT)
            while waiting and time.monotonic() < end:
                for descriptor, _ in writable.poll(1):
                    writable.unregister(descriptor)
                    waiting.pop(descriptor)
            writable.close()
            assert not waiting, f"{len(waiting)} of {number} connections could not be made"
            grown += batch
        for member in grown:
            self.members.append(member)
            self.by_number[member.socket.fileno()] = member
            self.poll.register(member.socket, select.EPOLLIN)
        return grown

    def listen(self, seconds, until=lambda: False):
        """Reads what comes, for a while or until a condition holds."""
        end = time.monotonic() + seconds
        while not until() and (left := end - time.monotonic()) > 0:
            for descriptor, _ in self.poll.poll(min(left, 0.05)):
                if not self.by_number[descriptor].read():
                    self.poll.unregister(descriptor)
        return until()

    def statuses(self):
        return collections.Counter(m.status for m in self.members)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.poll.close()
        for member in self.members:
            member.socket.close()


def head(path, key=None, **headers):
    """A request without a body, as bytes; names of fields have `_` for `-`."""
    fields = {"Host": "x"} | ({"X-Auth-Token": key} if key else {}) | {n.replace("_", "-"): v for n, v in headers.items()}
    return f"GET {path} HTTP/1.1\r\n{''.join(f'{n}: {v}{chr(13)}{chr(10)}' for n, v in fields.items())}\r\n".encode()


def resident(pid):
    """Bytes of memory that the process has of its own."""
    return int(Path(f"/proc/{pid}/status").read_text().split("RssAnon:")[1].split()[0]) * 1024


@contextlib.contextmanager
def flooding(port, connections, data, seconds=120, pause=0):
    """A flood beside the body, whose members pause after a 503; what the body got as `result` holds what came of it once the body has ended."""
    process = subprocess.Popen(
        [sys.executable, __file__, str(port), str(connections), str(seconds), str(pause)], stdin=subprocess.PIPE,
        stdout=subprocess.PIPE)
    result = {}
    try:
        process.stdin.write(data)
        process.stdin.close()
        yield result
        process.terminate()
        result.update(json.loads(process.stdout.read()))
    finally:
        process.kill()
        process.wait()


def flood(port, connections, seconds, pause, data):
    """Asks on each connection as soon as it is answered, and on a new one when it was closed."""
    import signal
    ended = []
    signal.signal(signal.SIGTERM, lambda *_: ended.append(True))
    statuses, times, broken, opened = collections.Counter(), [], 0, 0
    poll, members, resting = select.epoll(), {}, collections.deque()

    def join():
        nonlocal opened
        opened += 1
        member = Member(port, opened)
        members[member.socket.fileno()] = member
        poll.register(member.socket, select.EPOLLOUT)

    def leave(descriptor):
        poll.unregister(descriptor)
        members.pop(descriptor).socket.close()

    for _ in range(connections):
        join()
    end = time.monotonic() + seconds
    while not ended and time.monotonic() < end:
        while resting and resting[0][0] <= time.monotonic():
            member = resting.popleft()[1]
            if members.get(member.socket.fileno()) is member:
                member.ask(data)
        for descriptor, event in poll.poll(0.01 if resting else 0.1):
            member = members[descriptor]
            if event & select.EPOLLOUT:
                poll.modify(descriptor, select.EPOLLIN)
                try:
                    member.ask(data)
                except OSError:
                    broken += 1
                    leave(descriptor)
                    join()
                continue
            isOpen = member.read()
            first, found, rest = member.received.partition(b"\r\n\r\n")
            length = first.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0]
            whole = bool(found) and len(rest) >= int(length or 0)
            if whole:
                status = member.status
                statuses[status] += 1
                times.append(time.monotonic() - member.asked)
                member.received = b""
            broken += not isOpen and not whole
            if not isOpen or b"connection: close" in first.lower():
                if not isOpen or whole:
                    leave(descriptor)
                    join()
            elif whole and pause and status == 503:
                resting.append((time.monotonic() + pause, member))
            elif whole:
                member.ask(data)
    cuts = statistics.quantiles(times, n=100) if len(times) > 1 else [0] * 99
    print(json.dumps({"statuses": statuses, "broken": broken, "opened": opened, "median": cuts[49], "p99": cuts[98]}))


if __name__ == "__main__":
    flood(int(sys.argv[1]), int(sys.argv[2]), float(sys.argv[3]), float(sys.argv[4]), sys.stdin.buffer.read())
