"""An HTTP/1.1 client that hides nothing: bytes as given go out, and an answer says whether it came whole."""
import contextlib
import socket
from dataclasses import dataclass


@dataclass
class Reply:
    """An answer as it came; `complete` is whether its end arrived as its framing says."""
    status: int
    fields: list
    body: bytes
    complete: bool

    def field(self, name):
        """The field's only value, or None."""
        values = [value for key, value in self.fields if key == name]
        assert len(values) <= 1, (name, values)
        return values[0] if values else None


class Closed(Exception):
    """The connection ended before an answer began."""


class Wire:
    """One connection to a listener; `with` closes it."""

    def __init__(self, port, timeout=30, host="127.0.0.1"):
        self.socket = socket.create_connection((host, port), timeout)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.buffer = b""

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        self.socket.close()

    def reset(self):
        """Ends the connection with a TCP reset."""
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        self.socket.close()

    def send(self, data):
        self.socket.sendall(data)

    def ask(self, method, target, fields=(), body=None, chunked=False):
        """Sends a request; its head and a short body leave together."""
        lines = [f"{method} {target} HTTP/1.1", "Host: latchkey", *(f"{k}: {v}" for k, v in dict(fields).items())]
        if chunked:
            lines.append("Transfer-Encoding: chunked")
        elif body is not None:
            lines.append(f"Content-Length: {len(body)}")
        head = "\r\n".join(lines).encode() + b"\r\n\r\n"
        # A peer that refuses early may reset while the rest is on its way; its answer can still be read.
        with contextlib.suppress(ConnectionError):
            self.send(head + (body or b"") if not chunked else head + chunks(body))

    def call(self, method, target, fields=(), body=None, chunked=False):
        self.ask(method, target, fields, body, chunked)
        return self.read(method)

    def more(self):
        """Receives; False at the connection's end, however it came."""
        try:
            part = self.socket.recv(1 << 18)
        except ConnectionError:
            return False
        self.buffer += part
        return bool(part)

    def ended(self, seconds=5):
        """Whether the peer has closed its side, without another byte."""
        self.socket.settimeout(seconds)
        try:
            return not self.buffer and not self.more()
        except TimeoutError:
            return False

    def take(self, count):
        taken, self.buffer = self.buffer[:count], self.buffer[count:]
        return taken

    def line(self):
        while b"\r\n" not in self.buffer:
            if not self.more():
                return None
        line, self.buffer = self.buffer.split(b"\r\n", 1)
        return line

    def head(self):
        """Status and fields of the next answer that is not an interim one."""
        while True:
            first = self.line()
            if first is None:
                raise Closed(self.buffer)
            version, status, *_ = first.split(b" ", 2)
            assert version == b"HTTP/1.1", first
            fields = []
            while (line := self.line()) != b"":
                if line is None:
                    raise Closed(first)
                name, value = line.split(b":", 1)
                fields.append((name.decode("latin-1").lower(), value.strip(b" \t").decode("latin-1")))
            if int(status) >= 200:
                return Reply(int(status), fields, b"", False)

    def read(self, method="GET"):
        reply = self.head()
        if method == "HEAD" or reply.status in (204, 304):
            reply.complete = True
        elif reply.field("transfer-encoding"):
            self.read_chunks(reply)
        else:
            length = int(reply.field("content-length"))
            while len(self.buffer) < length and self.more():
                pass
            reply.complete = len(self.buffer) >= length
            reply.body = self.take(length)
        return reply

    def read_chunks(self, reply):
        parts = []
        while (size := self.line()) is not None:
            length = int(size, 16)
            while len(self.buffer) < length + 2 and self.more():
                pass
            part = self.take(length + 2)
            if len(part) < length + 2:
                break
            parts.append(part[:-2])
            if length == 0:
                reply.complete = True
                break
        reply.body = b"".join(parts)


class Recorded(Wire):
    """What came over a connection, to be read again."""

    def __init__(self, data):
        self.buffer = data

    def more(self):
        return False

    def replies(self):
        """All answers, up to one that is not whole."""
        found = []
        while self.buffer:
            try:
                reply = self.read()
            except (Closed, ValueError, TypeError, AssertionError):
                break
            if not reply.complete:
                break
            found.append(reply)
        return found


def chunks(body, size=16384):
    """The body in chunked coding."""
    pieces = (body[at:at + size] for at in range(0, len(body), size))
    return b"".join(b"%x\r\n%s\r\n" % (len(piece), piece) for piece in pieces) + b"0\r\n\r\n"
