"""slowhttptest in its four modes against both listeners: attackers are cut, and a healthy client notices nothing.

Without a key no route reads a body or has a large answer. So slow bodies and ranges are refused at once, and slow readers
get answers that the kernel holds for them: they are clients that say nothing more, and go when the time of idle ones is up.
"""
import os
import subprocess
import time
from pathlib import Path

import pytest
from deployment import FULL, count, request, wait_until

CONNECTIONS = count(200, 5000)
# Each mode so slow that it would go on for minutes; within how many seconds it is over; whether it holds connections.
MODES = {
    "headers": (["-H", "-i", "3", "-x", "24"], 15, True),
    "body": (["-B", "-i", "3", "-s", "8192", "-x", "10"], 15, False),
    "range": (["-R", "-a", "1", "-b", "3000"], 15, False),
    "reading": (["-X", "-w", "1", "-y", "16", "-n", "3", "-z", "1", "-k", "3"], 75, True),
}
CASES = [(mode, listener) for mode in MODES for listener in ("public", "internal")
         # It takes the 60 s of idle connections; both listeners have the same guard.
         if FULL or (mode, listener) != ("reading", "internal")]


def connected(pid, port):
    """How many connections to the port the process has: established ones of its own sockets."""
    sockets = set()
    for entry in os.scandir(f"/proc/{pid}/fd"):
        try:
            sockets.add(os.readlink(entry.path))
        except OSError:
            continue
    total = 0
    for line in Path("/proc/net/tcp").read_text().splitlines()[1:]:
        fields = line.split()
        if fields[3] == "01" and fields[1].endswith(f":{port:04X}") and f"socket:[{fields[9]}]" in sockets:
            total += 1
    return total


@pytest.mark.parametrize("mode,listener", CASES)
def test_slow_clients_are_cut_while_others_are_served(running, mode, listener):
    options, limit, holds = MODES[mode]
    port = getattr(running, listener)
    path = "/healthz" if listener == "public" else "/livez"
    attacker = subprocess.Popen(
        ["slowhttptest", "-c", str(CONNECTIONS), "-r", str(CONNECTIONS), "-l", "120", "-p", "3",
         "-u", f"http://127.0.0.1:{port}{path}", *options],
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    slowest, most, gone = 0, 0, None
    try:
        start = time.monotonic()
        # The attacker ends by itself when all of its connections are closed.
        while time.monotonic() - start < limit and gone is None:
            asked = time.monotonic()
            assert request(port, "GET", path, timeout=5).status == 200
            slowest = max(slowest, time.monotonic() - asked)
            open_now = connected(running.service.pid, port)
            most = max(most, open_now)
            if attacker.poll() is not None or (most > CONNECTIONS / 2 and open_now <= 1):
                gone = time.monotonic() - start
            time.sleep(0.05)
    finally:
        attacker.kill()
        attacker.wait()
    assert gone is not None, f"attackers are still there: {most} at most, {open_now} now"
    assert not holds or most > CONNECTIONS / 2, f"no attack: {most} connections at most"
    assert slowest < 0.5, slowest
    wait_until(lambda: connected(running.service.pid, port) <= 2, "nothing is left of them", 5)
    print(f"{mode} {listener}: {most} connections at most, gone after {gone:.1f} s, slowest answer {slowest * 1000:.0f} ms")
