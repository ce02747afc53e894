"""slowhttptest in its four modes against both listeners: attackers are cut, and a healthy client notices nothing.

Without a key no route reads a body or has a large answer. So slow bodies and ranges are refused at once, and slow readers
ask for many answers at a time, which the kernel then holds for them.
"""
import resource
import subprocess
import threading
import time
from pathlib import Path

import pytest
from deployment import ceiling, count, request, wait_until

CONNECTIONS = count(200, 5000)
# How many of them come in a second.
RATE = 500
# Seconds after which an attacker is gone: the deadlines of the guard are 10 s.
CUT = 15
# Each mode so slow that it would go on for minutes; whether it holds connections.
MODES = {
    "headers": (["-H", "-i", "3", "-x", "24"], True),
    "body": (["-B", "-i", "3", "-s", "8192", "-x", "10"], False),
    "range": (["-R", "-a", "1", "-b", "3000"], False),
    "reading": (["-X", "-w", "1", "-y", "16", "-n", "3", "-z", "1", "-k", "5"], True),
}
CASES = [(mode, listener) for mode in MODES for listener in ("public", "internal")]


def connected(port):
    """The client's ports of the connections that the service has accepted and not ended."""
    lines = Path("/proc/net/tcp").read_text().splitlines()[1:]
    # An established connection without an inode waits to be accepted, or has no process any more.
    return {f[2] for f in map(str.split, lines) if f[3] == "01" and f[1].endswith(f":{port:04X}") and f[9] != "0"}


class Healthy:
    """A client that asks again and again, on new connections, and notes how long it took."""

    def __init__(self, port, path):
        self.port, self.path, self.times, self.end = port, path, [], threading.Event()
        self.thread = threading.Thread(target=self.run)

    def run(self):
        while not self.end.is_set():
            asked = time.monotonic()
            status = request(self.port, "GET", self.path).status
            self.times.append(time.monotonic() - asked if status == 200 else float("inf"))
            self.end.wait(0.02)

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.end.set()
        self.thread.join()

    @property
    def p99(self):
        return sorted(self.times)[len(self.times) * 99 // 100]


@pytest.mark.parametrize("mode,listener", CASES)
def test_slow_clients_are_cut_while_others_are_served(running, mode, listener):
    allowed = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    assert allowed > CONNECTIONS + 500, f"{CONNECTIONS} connections need more descriptors than {allowed}: ulimit -n"
    options, holds = MODES[mode]
    port = getattr(running, listener)
    path = "/healthz" if listener == "public" else "/livez"
    began, lasted, most = {}, [], 0
    with Healthy(port, path) as healthy:
        attacker = subprocess.Popen(
            ["slowhttptest", "-c", str(CONNECTIONS), "-r", str(RATE), "-l", "120", "-p", "3",
             "-u", f"http://127.0.0.1:{port}{path}", *options],
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            start = time.monotonic()
            end = start + 90
            # The attacker ends by itself when all of its connections are closed.
            while time.monotonic() < end and attacker.poll() is None:
                now, present = time.monotonic(), connected(port)
                lasted += [now - since for client, since in began.items() if client not in present]
                began = {client: began.get(client, now) for client in present}
                most = max(most, len(present))
                if len(lasted) >= CONNECTIONS and len(present) <= 1:
                    break
                time.sleep(0.1)
            gone, is_over = time.monotonic() - start, time.monotonic() < end
        finally:
            attacker.kill()
            attacker.wait()
    print(f"{mode} {listener}: {most} connections at most, {len([t for t in lasted if t >= CUT])} of them for {CUT} s or longer, "
          f"the longest for {max(lasted, default=0):.1f} s, all gone after {gone:.1f} s; "
          f"{len(healthy.times)} healthy answers, p99 {healthy.p99 * 1000:.0f} ms, "
          f"slowest {max(healthy.times) * 1000:.0f} ms")
    assert is_over, f"attackers are still there: {most} at most, {len(began)} now"
    assert not holds or most > CONNECTIONS / 4, f"no attack: {most} connections at most"
    # The program itself, busy with thousands of connections, lets some stand for a while before it asks anything.
    assert len([t for t in lasted if t >= CUT]) <= CONNECTIONS / 100, sorted(lasted)[-CONNECTIONS // 50:]
    assert healthy.p99 < ceiling(0.5), healthy.p99
    wait_until(lambda: len(connected(port)) <= 2, "nothing is left of them", 5)
