"""Callers that leave at any moment, handshakes that stop, too little memory and too few processors: work that nobody waits
for ends, whoever behaves is served, and no answer is ever wrong."""
import contextlib
import json
import random
import socket
import struct
import subprocess
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from deployment import ceiling, connected, count, deployment, request, self_signed, trusting, wait_until
from misbehaving import in_front_of_misbehaving
from wire import Closed, Wire, chunks

pytestmark = pytest.mark.alone

STORES = 8
FAULTS = ["none", "hang", "stall:small", "stall:large", "stall:chunks", "endless:length", "trickle:head:0.05", "deaf"]


@pytest.fixture(scope="module")
def ready():
    with in_front_of_misbehaving(STORES) as running:
        yield running


def served(running, wire, store):
    target = f"/stores/{store}/v3/catalog/products"
    reply = wire.call("GET", target, {"X-Auth-Token": running.key, "Latchkey-Max-Wait": "30"})
    said = json.loads(reply.body)
    assert (reply.status, reply.complete, said["store"], said["token"]) == (200, True, store, running.tokens[store]), reply


def footprint(pid):
    status = Path(f"/proc/{pid}/status").read_text()
    return len(list(Path(f"/proc/{pid}/fd").iterdir())), int(status.split("VmRSS:")[1].split()[0])


def leave(running, n):
    """A call that is left after a random number of bytes, either way, by an end or a reset, after a random time."""
    chance, store, fault = random.Random(n), running.names[n % STORES], FAULTS[n // STORES % len(FAULTS)]
    case = f"leave {n}"
    head = (f"POST /stores/{store}/v3/catalog/products HTTP/1.1\r\nHost: x\r\nX-Auth-Token: {running.key}\r\nX-Fault: {fault}\r\n"
            f"X-Case: {case}\r\nLatchkey-Max-Wait: 0\r\n")
    body = chance.randbytes(chance.choice([5, 3000, 200_000]))
    data = f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body
    if chance.random() < 0.3:
        data = f"{head}Transfer-Encoding: chunked\r\n\r\n".encode() + chunks(body)
    with contextlib.suppress(OSError), Wire(running.internal) as wire:
        wire.socket.settimeout(chance.choice([0.001, 0.01, 0.1]))
        with contextlib.suppress(TimeoutError):
            wire.send(data if chance.random() < 0.5 else data[:chance.randrange(len(data))])
            for _ in range(chance.randrange(3)):
                wire.more()
        wire.reset() if chance.random() < 0.5 else wire.close()
    return case, time.monotonic()


def test_a_caller_that_leaves_at_any_moment_leaves_nothing_behind(ready):
    pid = ready.service.pid
    for store in ready.names:
        with Wire(ready.internal) as wire:
            served(ready, wire, store)
    before, calls = footprint(pid), 0
    for begin in range(0, count(1_500, 100_000), 1_500):
        with ThreadPoolExecutor(16) as pool:
            left = dict(pool.map(lambda n: leave(ready, n), range(begin, begin + 1_500)))
        wait_until(lambda: connected(pid, ready.internal) == 0, "the callers' connections are gone", 10)
        # Idle ones may stay, to be used again.
        wait_until(lambda: connected(pid, ready.upstream.port, at="remote") <= 24, "what the calls held upstream is gone", 5)
        # An upstream call is cancelled within a second of its caller, whatever it was doing, or of its beginning if the
        # caller was faster. What the threads of this process cost each other is in it, and other work on the machine; one
        # that is not cancelled lasts 15 s and more.
        seen = dict(ready.upstream.left)
        took = sorted(gone - max(left[case], ready.upstream.arrived[case][0].at) for case, gone in seen.items() if case in left)
        assert took[len(took) // 2] < 1 and took[-1] < 5, took[-20:]
        calls += len(left)
    for store in ready.names:
        with Wire(ready.internal) as wire:
            served(ready, wire, store)
    after = footprint(pid)
    # Pooled connections are among them, and those that the upstream has closed and nobody has used since.
    assert after[0] <= before[0] + 80 and after[1] <= before[1] * 1.3 + 30_000, (before, after)
    print(f"{calls} calls left, {len(ready.upstream.left)} of them while the upstream was silent; {before} → {after}")


def hello():
    """A TLS client's hello, as the first bytes of a handshake that goes no further."""
    return b"\x16\x03\x01" + struct.pack(">H", 200) + b"\x01\x00\x00\xc4\x03\x03" + bytes(range(100))


def test_handshakes_that_stop_are_cut_while_others_are_served(tmp_path):
    certificate, key = self_signed(tmp_path)
    for path in (tmp_path, certificate, key):
        path.chmod(0o755)
    with deployment(start=False, settings={
            "LATCHKEY_INTERNAL_TLS_CERT": str(certificate), "LATCHKEY_INTERNAL_TLS_KEY": str(key)}) as running:
        running.start(wait=False)
        running.await_ready_over_tls(certificate)
        pid, stopped = running.service.pid, count(200, 5000)
        with contextlib.ExitStack() as opened:
            for n in range(stopped):
                stuck = opened.enter_context(socket.create_connection(("127.0.0.1", running.internal), 10))
                stuck.sendall(hello()[:n % 120])
            began, slowest = time.monotonic(), 0
            while connected(pid, running.internal) > 1 and time.monotonic() - began < 15:
                asked = time.monotonic()
                assert request(running.internal, "GET", "/livez", tls=trusting(certificate)).status == 200
                slowest = max(slowest, time.monotonic() - asked)
                time.sleep(0.1)
            assert connected(pid, running.internal) <= 1, "cut within fifteen seconds"
            assert slowest < ceiling(3), slowest


def crowd(running, seconds, workers=24):
    """Callers at full speed; how often each status came. A 200 is always the right one."""
    until = time.monotonic() + seconds

    def call(worker):
        statuses, chance = {}, random.Random(worker)
        while time.monotonic() < until:
            with contextlib.suppress(Closed, ConnectionError), Wire(running.internal) as wire:
                while time.monotonic() < until:
                    store, body = chance.choice(running.names), chance.randbytes(chance.choice([0, 100, 300_000]))
                    reply = wire.call("POST", f"/stores/{store}/v3/catalog/products", {
                        "X-Auth-Token": running.key, "X-Case": f"{worker}"}, body, chance.random() < 0.3)
                    statuses[reply.status] = statuses.get(reply.status, 0) + 1
                    if reply.status == 200 and reply.complete:
                        said = json.loads(reply.body)
                        assert (said["store"], said["token"], said["length"], said["case"]) == (
                            store, running.tokens[store], len(body), f"{worker}"), said
                    if not reply.complete or reply.field("connection") == "close":
                        break
        return statuses
    total = {}
    with ThreadPoolExecutor(workers) as pool:
        for statuses in pool.map(call, range(workers)):
            for status, number in statuses.items():
                total[status] = total.get(status, 0) + number
    return total


def test_on_one_processor_no_answer_is_wrong(ready):
    pid = ready.service.pid
    subprocess.run(["taskset", "-acp", "0", str(pid)], check=True, capture_output=True)
    try:
        statuses = crowd(ready, count(4, 60))
        assert statuses.get(200, 0) > 50 and set(statuses) <= {200, 429, 503}, statuses
        print(statuses)
    finally:
        subprocess.run(["taskset", "-acp", "0-1023", str(pid)], check=False, capture_output=True)


def test_with_too_little_memory_no_answer_is_wrong():
    """The address space ends a little above what is in use. The process may end, as when the machine has no more; then it is
    started again, and everything is there."""
    with in_front_of_misbehaving(STORES) as running:
        pid = running.service.pid
        in_use = int(Path(f"/proc/{pid}/status").read_text().split("VmSize:")[1].split()[0]) << 10
        subprocess.run(["prlimit", "--pid", str(pid), f"--as={in_use}:"], check=True)
        statuses = crowd(running, count(4, 60))
        assert set(statuses) <= {200, 429, 502, 503}, statuses
        ended = running.service.poll()
        print(statuses, f"ended with {ended}" if ended is not None else "alive")
        if ended is None:
            subprocess.run(["prlimit", "--pid", str(pid), "--as=unlimited:"], check=True)
        else:
            running.start()
        for store in running.names:
            with Wire(running.internal) as wire:
                served(running, wire, store)
