"""No target reaches BigCommerce outside the store's own v2, v3 and graphql."""
import re
import socket
import urllib.parse
from concurrent.futures import ThreadPoolExecutor

from deployment import count
from target_corpus import corpus

OWN, OTHER = "demo1234", "store0002"


def send(port, key, targets):
    """Sends each target as raw bytes; returns the statuses. A refusal may close the connection."""
    statuses, connection = [], None
    for target in targets:
        raw = (f"GET {target} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {key}\r\n\r\n").encode("utf-8", "surrogateescape")
        for attempt in (1, 2):
            reused = connection is not None
            connection = connection or socket.create_connection(("127.0.0.1", port), 20)
            try:
                connection.sendall(raw)
                status, closed = read_answer(connection)
            except OSError:
                status, closed = 0, True
            if closed:
                connection.close()
                connection = None
            if status or not reused:
                break
        statuses.append(status)
    if connection:
        connection.close()
    return statuses


def read_answer(connection):
    data = b""
    while b"\r\n\r\n" not in data:
        part = connection.recv(65536)
        if not part:
            return 0, True
        data += part
    head, body = data.split(b"\r\n\r\n", 1)
    length = int(re.search(rb"(?i)content-length: (\d+)", head).group(1))
    while len(body) < length:
        part = connection.recv(65536)
        if not part:
            return 0, True
        body += part
    return int(head.split(b" ", 2)[1]), b"connection: close" in head.lower()


def leaves(target):
    """Whether a server that decodes up to four times could see dot segments, empty segments or parameters."""
    path = target.split("?")[0]
    for _ in range(5):
        segments = re.split(r"[/\\\\]", path.split("?")[0])[1:]
        if any(part in (".", "..") or ";" in part for part in segments) or "" in segments[:-1] or "\0" in path:
            return True
        path = urllib.parse.unquote(path, errors="replace")
    return False


def test_nothing_outside_the_own_store_is_reached(running):
    running.install(OWN)
    running.install(OTHER)
    key = running.service_key(stores=[OWN], abilities=["proxy", "proxy:unlisted", "proxy:graphql"])
    running.control("DELETE", "/requests")
    targets = corpus(OWN, OTHER, count(20_000, 60_000))
    parts = [targets[n::8] for n in range(8)]
    with ThreadPoolExecutor(8) as pool:
        statuses = [s for part in pool.map(lambda part: send(running.internal, key, part), parts) for s in part]
    assert len(statuses) >= 20_000
    assert statuses.count(400) > len(targets) * 0.8, f"{statuses.count(400)} of {len(targets)} were refused as targets"
    assert not [s for s in statuses if s >= 500], "a malformed target is never an error of ours"
    seen = running.arrived()
    own = re.compile(rf"^/stores/{OWN}/(v2|v3|graphql)(/|\?|$)")
    outside = [r["target"] for r in seen if not own.match(r["target"])]
    assert outside == []
    escaped = [r["target"] for r in seen if leaves(r["target"])]
    assert escaped == []
    assert running.call(key, "GET", f"/stores/{OWN}/v3/catalog/products").status == 200
