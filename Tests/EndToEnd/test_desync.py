"""Requests that two parsers may read differently, direct and behind HAProxy and nginx: both count them alike.

Each lane has a store, whose requests BigCommerce counts. An attacker of that store gets exactly as many answers from there
as requests arrived; one more would be the answer to a request that the front did not know of, and would go to somebody
else. And somebody else calls behind each case, over the front's kept connections, and gets the answers to its own calls.
"""
import contextlib
import json
import random
from concurrent.futures import ThreadPoolExecutor

import pytest
from deployment import count, deployment
from desync_cases import KEY, OWN, cases, mutated
from fronts import Front
from misbehaving import Misbehaving
from wire import Closed, Recorded, Wire

LANES, VICTIM = 8, "store0010"
# How long nothing comes when nothing will; in seconds.
QUIET = 0.5
# And how long an answer may take that is known to come.
LATE = 20
LAST = b"GET /livez HTTP/1.1\r\nHost: latchkey\r\nConnection: close\r\n\r\n"
MUTATIONS = count(1_500, 70_000)


@pytest.fixture(scope="module")
def ready():
    upstream = Misbehaving()
    with deployment(stores=LANES + 2, settings={"BIGCOMMERCE_API_URL": f"http://127.0.0.1:{upstream.port}"}) as running:
        running.upstream = upstream
        # The first one has a shorter name.
        running.names = [s["store_hash"] for s in running.control("GET", "/stores")][1:]
        assert running.names[LANES] == VICTIM
        for store in running.names:
            running.install(store)
        running.tokens = {t["store_hash"]: t["access_token"] for t in running.control("GET", "/tokens")}
        running.keys = {store: running.service_key(stores=[store]) for store in running.names}
        yield running
    upstream.close()


@pytest.fixture(scope="module", params=["direct", "haproxy", "nginx"])
def port(request, ready):
    """Where callers connect to."""
    if request.param == "direct":
        yield ready.internal
        return
    with contextlib.closing(Front(request.param, [ready])) as front:
        yield front.internal


class Victim:
    """Who calls another store over connections that last, and checks each answer."""

    def __init__(self, ready, port):
        self.ready, self.port, self.wire, self.calls = ready, port, None, 0

    def call(self, label):
        self.calls += 1
        case = f"victim {self.calls}"
        target = f"/stores/{VICTIM}/v3/catalog/products?n={self.calls}"
        self.wire = self.wire or Wire(self.port)
        try:
            reply = self.wire.call("GET", target, {"X-Auth-Token": self.ready.keys[VICTIM], "X-Case": case})
        except Closed:
            # A front may end a connection when it likes.
            self.wire.close()
            self.wire = Wire(self.port)
            reply = self.wire.call("GET", target, {"X-Auth-Token": self.ready.keys[VICTIM], "X-Case": case})
        assert (reply.status, reply.complete) == (200, True), (label, reply)
        said = json.loads(reply.body)
        assert (said["target"], said["case"], said["token"], said["length"]) == (
            target, case, self.ready.tokens[VICTIM], 0), (label, said)
        if reply.field("connection") == "close":
            self.wire.close()
            self.wire = None


class Attacker:
    """A lane: its store, and how many of its requests have arrived and were answered."""

    def __init__(self, ready, port, lane):
        self.ready, self.port, self.store = ready, port, ready.names[lane]
        self.token = ready.tokens[self.store]
        self.victim = Victim(ready, port)

    @property
    def arrived(self):
        return self.ready.upstream.served[self.token]

    def attack(self, label, data):
        """Sends the case and a last request that ends the connection, if that is seen as one; returns the statuses."""
        before, raw = self.arrived, b""
        store, key = self.store.encode(), self.ready.keys[self.store].encode()
        assert (len(store), len(key)) == (len(OWN), len(KEY))
        data = data.replace(OWN, store).replace(KEY, key)
        with Wire(self.port, QUIET) as wire:
            with contextlib.suppress(OSError):
                wire.send(data + LAST)
            for patience in (QUIET, LATE):
                wire.socket.settimeout(patience)
                with contextlib.suppress(TimeoutError):
                    while wire.more():
                        raw, wire.buffer = raw + wire.buffer, b""
                replies = Recorded(raw).replies()
                answers = sum(reply.field("latchkey-origin") == "upstream" for reply in replies)
                # What has arrived is answered, if late on a busy machine.
                if self.arrived - before <= answers:
                    break
        assert self.arrived - before == answers, (label, data, self.arrived - before, raw)
        self.victim.call(label)
        assert self.arrived - before == answers, (label, data, "after the victim", self.arrived - before, raw)
        return [reply.status for reply in replies]


def lanes(ready, port, work):
    with ThreadPoolExecutor(LANES) as pool:
        return [result for part in pool.map(lambda lane: work(Attacker(ready, port, lane), lane), range(LANES)) for result in part]


def test_what_is_ambiguous_is_refused_or_counted_alike(ready, port):
    everything = cases()
    assert len(everything) >= 200

    def work(attacker, lane):
        return [(label, attacker.attack(label, data)) for label, data in everything[lane::LANES]]
    done = lanes(ready, port, work)
    assert len(done) == len(everything)
    refused = [label for label, statuses in done if statuses and statuses[-1] in (400, 405, 413, 414, 417, 431, 501, 505)]
    print(f"{len(done)} cases, {len(refused)} refused, {sum(not s for _, s in done)} without an answer")
    assert len(refused) > len(done) / 2
    # What is plain passes, with what is behind it.
    assert dict(done)["pipelined"] == [200, 200, 200, 200]
    assert dict(done)["body on GET"] == [200, 200]


def test_random_changes_are_counted_alike(ready, port):
    def work(attacker, lane):
        chance = random.Random(20261121 + lane)
        return [attacker.attack(f"mutation {n} of lane {lane}", mutated(chance)) for n in range(MUTATIONS // LANES)]
    before = ready.upstream.served.total()
    done = lanes(ready, port, work)
    # Each mutation is followed by a call of somebody else.
    arrived = ready.upstream.served.total() - before - len(done)
    print(f"{len(done)} mutations, {arrived} requests arrived")
    assert arrived > len(done) / 5
