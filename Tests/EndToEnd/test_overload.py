"""More than a replica can do: refused early, shared fairly, and nothing of one listener starves the other."""
import statistics
import time

import pytest
from crowd import Crowd, flooding, head
from deployment import count, deployment, request, wait_until

# Calls to stores that the replica of these tests holds.
CALLS = 60
PATH = "/v3/catalog/products?limit=1"
PATIENT = {"Latchkey_Max_Wait": "120", "Latchkey_Timeout": "120", "Latchkey_Retry": "0"}


@pytest.fixture(scope="module")
def ready():
    with deployment(stores=6, settings={"LATCHKEY_CALLS": str(CALLS)}) as running:
        running.control("PUT", "/quota/*", {"limit": 100_000, "window_ms": 1000})
        running.hosts = [s["store_hash"] for s in running.control("GET", "/stores")][:6]
        for store in running.hosts:
            running.install(store)
        running.keys = [running.service_key() for _ in running.hosts]
        yield running


@pytest.fixture(autouse=True)
def plain(ready):
    """Each test begins and ends with nothing held and nothing broken."""
    yield
    ready.control("DELETE", "/faults")
    wait_until(lambda: all(served(ready, i) for i in range(len(ready.hosts))), "all stores are served again")


def path(ready, index):
    return f"/stores/{ready.hosts[index]}{PATH}"


def served(ready, index):
    return ready.call(ready.keys[index], "GET", path(ready, index)).status == 200


def hang(ready, index):
    """Calls of the store's own caller that are sent, or wait, and are never answered: as many as get a place."""
    ready.fault("hang", store=ready.hosts[index])
    crowd = Crowd(ready.internal, CALLS)
    for member in crowd.members:
        member.ask(head(path(ready, index), ready.keys[index], **PATIENT))
    crowd.listen(10, lambda: crowd.statuses()[503] >= CALLS / 3)
    crowd.listen(0.5)
    return crowd


def test_a_store_gets_its_share_and_the_rest_is_refused_at_once(ready):
    with hang(ready, 0) as crowd:
        assert crowd.statuses() == {None: CALLS * 2 // 3, 503: CALLS // 3}
        times = []
        before = len(ready.arrived(host="api"))
        for _ in range(100):
            began = time.monotonic()
            refused = ready.call(ready.keys[1], "POST", f"/stores/{ready.hosts[0]}/v3/catalog/products", {"name": "x"})
            times.append(time.monotonic() - began)
            assert (refused.status, refused.json["code"], refused.json["held"]) == (503, "overloaded", "store"), refused
            assert (refused.headers["retry-after"], refused.headers["latchkey-origin"]) == ("1", "gateway")
        assert statistics.median(times) < 0.1, statistics.quantiles(times, n=10)
        # The caller of the full store is refused for other stores as well, everybody else is served.
        assert ready.call(ready.keys[0], "GET", path(ready, 1)).json["held"] == "caller"
        assert len(ready.arrived(host="api")) == before
        assert all(served(ready, i) for i in range(1, len(ready.hosts)))
        print(f"refused within {statistics.median(times) * 1000:.1f} ms, at most {max(times) * 1000:.0f} ms")


def test_the_bound_holds_over_all_stores(ready):
    crowds = []
    try:
        for index in range(4):
            ready.fault("hang", store=ready.hosts[index])
            crowds.append(Crowd(ready.internal, CALLS))
            for member in crowds[-1].members:
                member.ask(head(path(ready, index), ready.keys[index], **PATIENT))
            crowds[-1].listen(1.5)
        held = [crowd.statuses()[None] for crowd in crowds]
        assert sum(held) == CALLS and held[0] == CALLS * 2 // 3, held
        assert {status for crowd in crowds for status in crowd.statuses()} == {None, 503}
        before = len(ready.arrived(host="api"))
        refused = ready.call(ready.keys[5], "GET", path(ready, 5))
        assert (refused.status, refused.json["code"], refused.json["held"]) == (503, "overloaded", "replica")
        assert int(refused.headers["retry-after"]) == 1
        assert len(ready.arrived(host="api")) == before
        # A request that calls no store is none of them.
        for port, target in ((ready.internal, "/readyz"), (ready.internal, "/livez"), (ready.public, "/healthz")):
            assert request(port, "GET", target).status == 200
        assert ready.store(ready.hosts[0]).status == 200
    finally:
        for crowd in crowds:
            crowd.__exit__()
    wait_until(lambda: served(ready, 5), "places are free again", 2)


def timed(ready, index):
    began = time.monotonic()
    answer = ready.call(ready.keys[index], "GET", path(ready, index))
    return answer.status, time.monotonic() - began


def quiet(ready, index, number):
    """Calls one after the other: their statuses and the slowest but one in a hundred."""
    seen = [timed(ready, index) for _ in range(number)]
    return {status for status, _ in seen}, statistics.quantiles([t for _, t in seen], n=100)[98]


@pytest.mark.parametrize("flooded", ["store", "caller"])
def test_who_calls_little_is_served_beside_a_flood(ready, flooded):
    """The flood is of one store by several callers, or of several stores by one caller."""
    for store in ready.hosts:
        ready.fault("delay", store=store, delay_ms=100)
    _, alone = quiet(ready, 5, 20)
    targets = [(path(ready, 0), ready.keys[i]) if flooded == "store" else (path(ready, i), ready.keys[0]) for i in range(3)]
    with flooding(ready.internal, CALLS, head(*targets[0], **PATIENT)) as first, \
            flooding(ready.internal, CALLS, head(*targets[1], **PATIENT)) as second, \
            flooding(ready.internal, CALLS, head(*targets[2], **PATIENT)) as third:
        time.sleep(1)
        statuses, beside = quiet(ready, 5, count(20, 200))
    floods = [first, second, third]
    assert statuses == {200}
    assert beside < alone * 1.5 + 0.25, (alone, beside)
    for one in floods:
        assert set(one["statuses"]) <= {"200", "503"} and one["broken"] == 0, floods
    assert sum(one["statuses"]["503"] for one in floods) > 100, floods
    print(f"p99 alone {alone * 1000:.0f} ms, beside the flood {beside * 1000:.0f} ms; {floods}")
