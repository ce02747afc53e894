"""An upstream that misbehaves as each request asks it to, by its field `X-Fault`; without one it tells who called.

The parts of a fault's name are its kind and its arguments: `close:head`, `stall:200000`. What is not named behaves.
"""
import collections
import contextlib
import gzip
import hashlib
import json
import re
import select
import socket
import ssl
import threading
import time
import zlib

from deployment import deployment
from wire import chunks

BIG = 200_000
CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"


def head(length, status="200 OK", more=""):
    return f"HTTP/1.1 {status}\r\nContent-Length: {length}\r\n{more}\r\n".encode()


def whole(body, status="200 OK", more=""):
    return head(len(body), status, more) + body


# Answers that are sent as they are; the connection stays open behind them.
RAW = {
    "half-a-head": b"HTTP/1.1 200 OK\r\nContent-Le",
    "no-length": b"HTTP/1.1 200 OK\r\n\r\nuntil the end",
    "chunk-size-no-number": CHUNKED + b"x\r\n12345\r\n0\r\n\r\n",
    "chunk-size-negative": CHUNKED + b"-5\r\n12345\r\n0\r\n\r\n",
    "chunk-size-overflow": CHUNKED + b"fffffffffffffffff\r\n12345\r\n0\r\n\r\n",
    "chunk-too-long": CHUNKED + b"5\r\n1234567\r\n0\r\n\r\n",
    "length-and-chunks": b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "two-lengths": b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\n123456",
    "negative-length": b"HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\nx",
    "huge-length": b"HTTP/1.1 200 OK\r\nContent-Length: 99999999999999999999\r\n\r\nx",
    "nul-in-field": b"HTTP/1.1 200 OK\r\nX: a\0b\r\nContent-Length: 0\r\n\r\n",
    "bare-newline": b"HTTP/1.1 200 OK\nContent-Length: 0\n\n",
    "folded-field": b"HTTP/1.1 200 OK\r\nX: a\r\n b\r\nContent-Length: 0\r\n\r\n",
    "space-before-colon": b"HTTP/1.1 200 OK\r\nContent-Length : 0\r\n\r\n",
    "two-codings": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
    "204-with-length": b"HTTP/1.1 204 No Content\r\nContent-Length: 5\r\n\r\n12345",
    "204-with-body": b"HTTP/1.1 204 No Content\r\n\r\n12345",
    "101": b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: h2c\r\n\r\nPRI",
    "http-0.9": b"<html>hello</html>\r\n\r\n",
    "http-2": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    "goaway": b"\0\0\x08\x07\0\0\0\0\0\0\0\0\0\0\0\0\0",
    "status-no-number": b"HTTP/1.1 abc OK\r\nContent-Length: 0\r\n\r\n",
    "interim-1000": b"HTTP/1.1 100 Continue\r\n\r\n" * 1000 + whole(b"after all"),
    "interim-endless": b"HTTP/1.1 100 Continue\r\n\r\n" * 10_000,
    "fields-100000": b"HTTP/1.1 200 OK\r\n" + b"".join(b"X-%d: y\r\n" % n for n in range(100_000))
                     + b"Content-Length: 0\r\n\r\n",
    "field-300000": b"HTTP/1.1 200 OK\r\nX: " + b"y" * 300_000 + b"\r\nContent-Length: 0\r\n\r\n",
    "trailers-endless": CHUNKED + b"0\r\n" + b"X: y\r\n" * 20_000 + b"\r\n",
    # An answer for nobody behind an answer: whoever calls next must not get it.
    "two-answers": whole(b"mine") + whole(b"not yours"),
    "excess": whole(b"mine") + b"12345",
}


def without_body(raw):
    return CHUNKED if raw.startswith(CHUNKED) else raw.removesuffix(b"after all").removesuffix(b"until the end")


class Asked:
    """One request as it arrived."""

    def __init__(self, line, fields, connection, place):
        self.method, self.target, _ = line.split(" ", 2)
        self.fields, self.connection, self.place = fields, connection, place
        self.length, self.digest, self.complete = 0, hashlib.sha256(), False
        self.at = time.monotonic()

    @property
    def echo(self):
        """Who called: the store of the path, the token, and what came with it."""
        return json.dumps({
            "store": self.target.split("/")[2], "token": self.fields.get("x-auth-token"), "method": self.method,
            "target": self.target, "case": self.fields.get("x-case"), "length": self.length,
            "sha256": self.digest.hexdigest()}).encode()


class Peer:
    """One connection from the gateway."""

    def __init__(self, upstream, connection, number):
        self.upstream, self.socket, self.number = upstream, connection, number
        self.buffer, self.sent = b"", 0

    def receive(self):
        part = self.socket.recv(1 << 18)
        if not part:
            raise EOFError
        self.buffer += part

    def line(self):
        while b"\r\n" not in self.buffer:
            self.receive()
        line, self.buffer = self.buffer.split(b"\r\n", 1)
        return line.decode("latin-1")

    def bytes(self, count, asked):
        while count:
            if not self.buffer:
                self.receive()
            part, self.buffer = self.buffer[:count], self.buffer[count:]
            asked.digest.update(part)
            asked.length += len(part)
            count -= len(part)

    def asked(self, place):
        first, fields = self.line(), {}
        while line := self.line():
            name, value = line.split(":", 1)
            fields[name.lower()] = value.strip()
        return Asked(first, fields, self.number, place)

    def body(self, asked):
        if "chunked" in asked.fields.get("transfer-encoding", ""):
            while size := int(self.line(), 16):
                self.bytes(size, asked)
                assert self.line() == ""
            assert self.line() == ""
        else:
            self.bytes(int(asked.fields.get("content-length", 0)), asked)
        asked.complete = True
        with self.upstream.lock:
            self.upstream.served[asked.fields.get("x-auth-token")] += 1

    def send(self, data):
        self.socket.sendall(data)
        self.sent += len(data)

    def reset(self):
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        raise EOFError

    def serve(self):
        place = 0
        while True:
            place += 1
            asked = self.asked(place)
            self.upstream.note(asked)
            kind, *arguments = asked.fields.get("x-fault", "none").split(":")
            if kind not in ("early", "deaf"):
                self.body(asked)
            act = getattr(self, "do_" + kind.replace("-", "_"), None)
            if act:
                act(asked, *arguments)
            elif asked.method == "HEAD" and kind not in ("two-answers", "excess"):
                # What comes behind a head that is complete would come upon the next request.
                self.send(without_body(RAW[kind]))
            else:
                self.send(RAW[kind])

    # Faults

    def do_none(self, asked):
        self.send(head(len(asked.echo), more="Content-Type: application/json\r\n"))
        if asked.method != "HEAD":
            self.send(asked.echo)

    def do_status(self, asked, status, *fields):
        """An answer of that status; a field's name and value are divided by `=`."""
        more = "".join(f"{field.replace('=', ': ', 1)}\r\n" for field in fields)
        body = b'{"status":%s,"title":"planned"}' % status.encode()
        self.send(head(len(body), f"{status} Planned", more) + (b"" if asked.method == "HEAD" else body))

    def do_answer(self, asked, name):
        """The answer that a test has laid down under that name."""
        status, more, body, framing = self.upstream.answers[name]
        line = f"HTTP/1.1 {status} Laid down\r\n".encode() + more
        if body is None:
            self.send(line + b"\r\n")
        elif framing == "length":
            self.send(line + b"Content-Length: %d\r\n\r\n" % len(body) + (b"" if asked.method == "HEAD" else body))
        else:
            self.send(line + b"Transfer-Encoding: chunked\r\n\r\n" + (b"" if asked.method == "HEAD" else chunks(body)))

    def do_close(self, asked, where="before", ending="close"):
        """Part of an answer, then the end, or a reset."""
        if asked.method == "HEAD" and where in ("small", "empty", "large", "chunks", "chunk"):
            # In order for HEAD; the end is announced, so that it does not hit the next request.
            self.send(head(10, more="Connection: close\r\n"))
            raise EOFError
        self.send({
            "before": b"", "head": RAW["half-a-head"], "small": head(10) + b"12345", "empty": head(10),
            "large": head(BIG) + b"x" * (BIG - 1), "chunks": CHUNKED + b"5\r\n12345\r\n",
            "chunk": CHUNKED + b"5\r\n123"}[where])
        if ending == "reset":
            # What was sent is read before the reset comes.
            time.sleep(0.1)
            self.reset()
        raise EOFError

    def do_early(self, asked, status):
        """An answer before the request's body was read, and the end."""
        self.send(whole(b"early", f"{status} Early", "Connection: close\r\n"))
        self.socket.shutdown(socket.SHUT_WR)
        while True:
            self.receive()
            self.buffer = b""

    def do_deaf(self, asked):
        """Neither reads the body nor answers, until the caller goes away or a minute is over."""
        end, watched = time.monotonic() + 60, select.poll()
        watched.register(self.socket, select.POLLRDHUP)
        while not self.upstream.over.is_set() and time.monotonic() < end and not watched.poll(1000):
            pass
        raise EOFError

    def do_hang(self, asked):
        """Never an answer; notes when the caller goes away."""
        with contextlib.suppress(EOFError, ConnectionError):
            self.receive()
        self.upstream.left[asked.fields.get("x-case")] = time.monotonic()
        raise EOFError

    def do_stall(self, asked, where):
        """Part of an answer, and then nothing any more."""
        begun, more = {"head": (RAW["half-a-head"], b""), "small": (head(10), b"12345"), "large": (head(BIG), b"x" * 100_000),
                       "chunks": (CHUNKED, b"5\r\n12345\r\n")}[where]
        self.send(begun + (b"" if asked.method == "HEAD" else more))
        if asked.method != "HEAD" or where == "head":
            self.do_hang(asked)

    def do_trickle(self, asked, where, pause):
        """The answer byte by byte; all at once but for the part that is named."""
        start, body = head(5), b"12345"
        fast, slow = (b"", start) if where == "head" else (start, b"" if asked.method == "HEAD" else body)
        self.send(fast)
        for byte in slow:
            time.sleep(float(pause))
            self.send(bytes([byte]))
        if where == "head" and asked.method != "HEAD":
            self.send(body)

    def do_late_excess(self, asked):
        """A whole answer, and another one when nobody asks."""
        self.send(whole(b"mine"))
        time.sleep(0.05)
        self.send(whole(b"not yours"))

    def do_endless(self, asked, framing):
        """Ten gigabytes, or chunks without end, as fast as they are taken."""
        block, case = b"x" * 65536, asked.fields.get("x-case")
        piece = block if framing == "length" else b"10000\r\n" + block + b"\r\n"
        self.send(head(10_000_000_000) if framing == "length" else CHUNKED)
        try:
            for _ in range(10_000_000_000 // len(block)):
                self.send(piece)
                self.upstream.flowed[case] += len(block)
        finally:
            self.upstream.left[case] = time.monotonic()

    def do_bomb(self, asked):
        self.send(head(len(BOMB()), more="Content-Encoding: gzip\r\n") + BOMB())


_bomb = []


def BOMB(mebibytes=256):
    """That much of zeros, compressed a thousandfold."""
    if not _bomb:
        packer = zlib.compressobj(9, zlib.DEFLATED, 31)
        _bomb.append(b"".join(packer.compress(bytes(1 << 20)) for _ in range(mebibytes)) + packer.flush())
    return _bomb[0]


class Misbehaving:
    """The upstream as a server in threads; `arrived` has the requests of each case, by `X-Case`."""

    def __init__(self, context=None):
        self.listener = socket.create_server(("127.0.0.1", 0), backlog=256)
        self.port = self.listener.getsockname()[1]
        # Chosen for each connection when it is accepted; for TLS that goes wrong.
        self.context = context
        self.over = threading.Event()
        self.accepts = threading.Event()
        self.accepts.set()
        # Whether its accepting has come to rest.
        self.rests = threading.Event()
        self.lock = threading.Lock()
        self.arrived = collections.defaultdict(list)
        self.flowed = collections.Counter()
        self.left = {}
        # Status, fields, body or None, and its framing, by name.
        self.answers = {}
        # Whole requests, by token.
        self.served = collections.Counter()
        self.connections = 0
        self.live = set()
        threading.Thread(target=self.accept, daemon=True).start()

    def note(self, asked):
        with self.lock:
            self.arrived[asked.fields.get("x-case")].append(asked)

    def accept(self):
        while not self.over.is_set():
            if not self.accepts.is_set():
                self.rests.set()
                self.accepts.wait()
            with contextlib.suppress(OSError):
                connection, _ = self.listener.accept()
                self.connections += 1
                threading.Thread(target=self.run, args=(connection, self.connections), daemon=True).start()

    def drop(self):
        """Ends the connections that are there; what comes next comes over new ones."""
        for connection in list(self.live):
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
        # Whoever pooled them has heard of it.
        time.sleep(0.1)

    def pause(self):
        """Accepts nobody, and keeps a short queue; returns when that is so."""
        self.rests.clear()
        self.accepts.clear()
        with socket.create_connection(("127.0.0.1", self.port)):
            # The accept that was waiting takes this one, and none comes after it.
            self.rests.wait()
        self.listener.listen(0)

    def go_on(self):
        self.listener.listen(256)
        self.accepts.set()

    def run(self, connection, number):
        with contextlib.suppress(OSError, EOFError, ValueError, ssl.SSLError), connection:
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            if self.context:
                connection = self.context(connection)
            self.live.add(connection)
            try:
                with connection:
                    Peer(self, connection, number).serve()
            finally:
                self.live.discard(connection)

    def close(self):
        self.over.set()
        self.listener.close()


@contextlib.contextmanager
def in_front_of_misbehaving(stores, settings=None, **options):
    """A deployment whose API host misbehaves: `upstream`, `names` and `tokens` of the stores, and a `key` for all of them."""
    upstream = Misbehaving()
    with deployment(stores=stores, settings={
            "BIGCOMMERCE_API_URL": f"http://127.0.0.1:{upstream.port}"} | (settings or {}), **options) as running:
        running.upstream = upstream
        running.names = [s["store_hash"] for s in running.control("GET", "/stores")]
        for store in running.names:
            running.install(store)
        running.tokens = {t["store_hash"]: t["access_token"] for t in running.control("GET", "/tokens")}
        running.key = running.service_key()
        yield running
    upstream.close()
