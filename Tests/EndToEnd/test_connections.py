"""Connections that only stand there: what they cost, what becomes of one too many, and of one without a descriptor."""
import json
import os
import statistics
import subprocess
import time
from pathlib import Path

import pytest
from crowd import Crowd, head, resident
from deployment import ceiling, count, deployment, request, wait_until

pytestmark = pytest.mark.alone

STORE = "demo1234"
HELD = count(2000, 15_000)
DESCRIPTORS = count(4400, 20_000)
HEALTH = head("/livez")


def processor_time(pid):
    """Seconds that the process has computed."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def held_at_most(running):
    """What the service says at its start that it holds."""
    for line in running.log.read_text().splitlines():
        if "what this replica holds at most" in line:
            return json.loads(line)
    raise AssertionError("it does not say what it holds")


def latencies(port, number):
    times = []
    for _ in range(number):
        began = time.monotonic()
        assert request(port, "GET", "/livez").status == 200
        times.append(time.monotonic() - began)
    return times


def test_idle_connections_cost_little_and_one_too_many_is_told_so():
    with deployment(launcher=["prlimit", f"--nofile={DESCRIPTORS}:{DESCRIPTORS}"]) as running:
        running.install(STORE)
        key = running.service_key()
        most = int(held_at_most(running)["connections_per_listener"])
        assert HELD <= most <= HELD + 1000, most
        pid = running.service.pid
        with Crowd(running.internal, 100) as warm:
            for member in warm.members:
                member.ask(HEALTH)
            assert warm.listen(10, lambda: warm.statuses() == {200: 100})
        before = resident(pid)
        with Crowd(running.internal, HELD) as crowd:
            # Half of them have had an answer, as connections in a client's pool have.
            for member in crowd.members[::2]:
                member.ask(HEALTH)
            assert crowd.listen(30, lambda: crowd.statuses()[200] == (HELD + 1) // 2)
            each = (resident(pid) - before) / HELD
            p99 = statistics.quantiles(latencies(running.internal, 200), n=100)[98]
            crowd.grow(most - HELD)
            for member in crowd.members[HELD:]:
                member.ask(HEALTH)
            assert crowd.listen(30, lambda: crowd.statuses()[200] == (HELD + 1) // 2 + most - HELD), crowd.statuses()
            surplus = crowd.grow(5)
            assert crowd.listen(5, lambda: all(m.closed for m in surplus)), [m.received for m in surplus]
            for member in surplus:
                assert member.status == 503 and b"Retry-After: 1\r\n" in member.received, member.received
                assert b"Connection: close\r\n" in member.received and b'"overloaded"' in member.received
            # Who is connected is served, and so is the public listener, its callbacks included.
            first = crowd.members[0]
            first.received = b""
            first.ask(head(f"/stores/{STORE}/v2/store", key))
            assert crowd.listen(5, lambda: first.status == 200), first.received
            assert running.callback("load", STORE).status == 200
            assert max(latencies_of_health(running)) < ceiling(0.5)
        wait_until(lambda: request(running.internal, "GET", "/livez").status == 200, "places are free again", 10)
        assert each < 40 * 1024, each
        assert p99 < ceiling(0.05), p99
        print(f"{HELD} idle connections, {each / 1024:.1f} KiB each; p99 of a new request {p99 * 1000:.1f} ms; "
              f"{most} at most")


def latencies_of_health(running):
    times = []
    for _ in range(20):
        began = time.monotonic()
        assert request(running.public, "GET", "/healthz").status == 200
        times.append(time.monotonic() - began)
    return times


def test_without_descriptors_it_waits_quietly_and_recovers():
    with deployment() as running:
        running.install(STORE)
        key, pid = running.service_key(), running.service.pid
        with Crowd(running.internal, 1) as crowd:
            friend = crowd.members[0]
            # Connected is who was accepted, not who waits in the kernel.
            friend.ask(HEALTH)
            assert crowd.listen(5, lambda: friend.status == 200)
            friend.received = b""
            subprocess.run(["prlimit", f"--pid={pid}", "--nofile=256:"], check=True)
            with Crowd(running.internal, 600):
                # All but the reserve, which is free now for what is no new client.
                wait_until(lambda: len(os.listdir(f"/proc/{pid}/fd")) >= 236, "descriptors are used up", 10)
                time.sleep(1)
                used, began = processor_time(pid), time.monotonic()
                time.sleep(5)
                share = (processor_time(pid) - used) / (time.monotonic() - began)
                assert share < 0.2, share
                # Who is connected is served, and the process lives: libdispatch ends it when it has none at all.
                friend.ask(HEALTH)
                assert crowd.listen(2, lambda: friend.status == 200), (friend.received, friend.closed)
                print(f"{share:.1%} of a processor while nothing can be accepted")
            wait_until(lambda: served(running, key), "it serves again under the lower limit", 10)
            subprocess.run(["prlimit", f"--pid={pid}", "--nofile=20000:"], check=True)
            assert served(running, key) and request(running.public, "GET", "/healthz").status == 200


def served(running, key):
    return running.call(key, "GET", f"/stores/{STORE}/v2/store").status == 200
