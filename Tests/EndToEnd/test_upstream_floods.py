"""Answers without end or measure: the service streams them within bounded memory, and lets go of them when their caller does."""
import contextlib
import json
import random
import time
from pathlib import Path

import pytest
from deployment import FULL, ceiling, count, deployment, wait_until
from misbehaving import BOMB, Misbehaving
from wire import Wire

pytestmark = pytest.mark.alone

STORE, OTHER = "demo1234", "store0002"
PATH = f"/stores/{STORE}/v3/catalog/products"
ALLOWED = 32 << 20


@pytest.fixture(scope="module")
def ready():
    upstream = Misbehaving()
    with deployment(stores=2, settings={"BIGCOMMERCE_API_URL": f"http://127.0.0.1:{upstream.port}"}) as running:
        running.upstream = upstream
        for store in (STORE, OTHER):
            running.install(store)
        running.key = running.service_key()
        # What the first large answers cost for good, in pools and arenas, is not a call's.
        for framing in ("length", "chunks"):
            with Wire(running.internal) as wire:
                wire.ask("GET", PATH, fields(running, f"endless:{framing}"))
                drain(wire, 64 << 20)
                wire.reset()
        yield running
    upstream.close()


def fields(ready, fault, case="", **more):
    return {"X-Auth-Token": ready.key, "X-Fault": fault, "X-Case": case, "Latchkey-Retry": "0"} | more


def drain(wire, size):
    """Reads that much and forgets it."""
    while size > 0:
        size -= len(wire.buffer)
        wire.buffer = b""
        assert wire.more()


def memory(pid, name):
    status = Path(f"/proc/{pid}/status").read_text()
    return int(status.split(f"{name}:")[1].split()[0]) << 10


@contextlib.contextmanager
def bounded(ready):
    """What happens within costs the service at most 32 MiB at any moment."""
    pid = ready.service.pid
    # The highest mark begins anew.
    Path(f"/proc/{pid}/clear_refs").write_text("5")
    before = memory(pid, "VmRSS")
    yield
    grown = memory(pid, "VmHWM") - before
    assert grown <= ALLOWED, f"{grown >> 20} MiB more"
    print(f"{grown >> 10} KiB more at most")


def clean(ready):
    with Wire(ready.internal) as wire:
        for store in (OTHER, STORE):
            reply = wire.call("GET", f"/stores/{store}/v3/catalog/products", {"X-Auth-Token": ready.key})
            assert (reply.status, json.loads(reply.body)["store"]) == (200, store)


@pytest.mark.parametrize("slow", [0, 0.05])
def test_a_caller_that_leaves_takes_its_call_along(ready, slow):
    """At full speed and held back, at a random place; every time."""
    chance = random.Random(7)
    for n in range(count(60, 2000)):
        case = f"leaves/{slow}/{n}"
        with Wire(ready.internal) as wire:
            wire.ask("GET", PATH, fields(ready, f"endless:{chance.choice(['length', 'chunks'])}", case))
            drain(wire, chance.randrange(1, 3 << 20))
            time.sleep(slow * chance.random())
            wire.reset()
        let_go(ready, case, time.monotonic())


def let_go(ready, case, since):
    """The upstream call of the case ended within a second."""
    wait_until(lambda: case in ready.upstream.left, "the call to BigCommerce ends", 5)
    assert ready.upstream.left[case] - since < ceiling(1), case


@pytest.mark.parametrize("framing", ["length", "chunks"])
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_ten_gigabytes_stream_until_the_caller_leaves(ready, method, framing):
    case, want = f"endless/{method}/{framing}", count(300 << 20, 10_000_000_000 - (1 << 20))
    with bounded(ready):
        with Wire(ready.internal) as wire:
            wire.ask(method, PATH, fields(ready, f"endless:{framing}", case), b"{}" if method == "POST" else None)
            reply = wire.head()
            assert (reply.status, reply.field("latchkey-origin")) == (200, "upstream")
            assert reply.field("content-length") == ("10000000000" if framing == "length" else None)
            drain(wire, want)
            wire.reset()
            left = time.monotonic()
        let_go(ready, case, left)
    clean(ready)


@pytest.mark.parametrize("framing", ["length", "chunks"])
def test_a_caller_that_does_not_read_holds_up_its_own_call_alone(ready, framing):
    case = f"unread/{framing}"
    with bounded(ready), Wire(ready.internal) as wire:
        wire.ask("GET", PATH, fields(ready, f"endless:{framing}", case))
        wire.head()
        wait_until(lambda: flowed_nothing(ready, case), "the upstream is held back", 10)
        # What is under way lies in the buffers of two sockets and of the service.
        assert ready.upstream.flowed[case] < 32 << 20
        clean(ready)
        wire.reset()
        let_go(ready, case, time.monotonic())


def flowed_nothing(ready, case):
    before = ready.upstream.flowed[case]
    time.sleep(0.5)
    return ready.upstream.flowed[case] == before > 0


@pytest.mark.skipif(not FULL, reason="takes the 30 s of a reader who takes nothing; WebTests try that deadline with a short one")
def test_a_caller_that_stops_reading_is_cut(ready):
    case = "stopped"
    with bounded(ready), Wire(ready.internal, 60) as wire:
        wire.ask("GET", PATH, fields(ready, "endless:length", case))
        wire.head()
        wait_until(lambda: case in ready.upstream.left, "the call ends though nobody says so", 45)
        while wire.more():
            wire.buffer = b""
    clean(ready)


def test_a_bomb_passes_as_it_is(ready):
    with bounded(ready), Wire(ready.internal) as wire:
        for accepts in ({"Accept-Encoding": "gzip"}, {}):
            reply = wire.call("GET", PATH, fields(ready, "bomb", **accepts))
            assert (reply.status, reply.complete, reply.field("content-encoding")) == (200, True, "gzip")
            assert reply.body == BOMB()
    clean(ready)


@pytest.mark.parametrize("fault", ["fields-100000", "field-300000", "interim-endless", "interim-1000", "trailers-endless",
                                   "huge-length", "chunk-size-overflow"])
def test_heads_without_measure_cost_little(ready, fault):
    with bounded(ready):
        for _ in range(20):
            with Wire(ready.internal) as wire:
                wire.call("GET", PATH, fields(ready, fault))
            clean(ready)


def test_many_at_once_cost_what_each_may(ready):
    """Fifty that do not read: each holds its buffers and no more."""
    pid, wires = ready.service.pid, []
    before = memory(pid, "VmRSS")
    try:
        for n in range(50):
            wire = Wire(ready.internal)
            wires.append(wire)
            store = (STORE, OTHER)[n % 2]
            wire.ask("GET", f"/stores/{store}/v3/catalog/products/{n}", fields(
                ready, "endless:chunks", f"many/{n}", **{"Latchkey-Max-Wait": "60"}))
        for wire in wires:
            assert wire.head().status == 200
        wait_until(lambda: all(ready.upstream.flowed[f"many/{n}"] > 0 for n in range(50)), "all flow")
        time.sleep(1)
        grown = memory(pid, "VmRSS") - before
        assert grown < 50 * (2 << 20), f"{grown >> 20} MiB"
        print(f"{grown // 50 >> 10} KiB each")
    finally:
        for wire in wires:
            wire.reset()
    now = time.monotonic()
    for n in range(50):
        let_go(ready, f"many/{n}", now)
    clean(ready)
