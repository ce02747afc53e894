"""More than a replica can do: refused early, shared fairly, and nothing of one listener starves the other."""
import contextlib
import statistics
import time

import pytest
from crowd import Crowd, flooding, head, resident
from deployment import ceiling, count, deployment, request, wait_until

pytestmark = pytest.mark.alone

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
        assert statistics.median(times) < ceiling(0.1), statistics.quantiles(times, n=10)
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
    """Calls one after the other: their statuses, how long half of them took, and all but one in a hundred."""
    seen = [timed(ready, index) for _ in range(number)]
    times = sorted(t for _, t in seen)
    return {status for status, _ in seen}, statistics.median(times), times[number * 99 // 100]


@pytest.mark.parametrize("flooded", ["store", "caller"])
def test_who_calls_little_is_served_beside_a_flood(ready, flooded):
    """The flood is of one store by several callers, or of several stores by one caller."""
    for store in ready.hosts:
        ready.fault("delay", store=store, delay_ms=100)
    _, alone, _ = quiet(ready, 5, 20)
    targets = [(path(ready, 0), ready.keys[i]) if flooded == "store" else (path(ready, i), ready.keys[0]) for i in range(3)]
    with contextlib.ExitStack() as stack:
        floods = [stack.enter_context(flooding(ready.internal, CALLS, head(*target, **PATIENT), pause=0.5))
                  for target in targets]
        time.sleep(1)
        statuses, beside, p99 = quiet(ready, 5, count(50, 200))
    assert statuses == {200}
    # Half of the calls say what the gateway does; the slowest also what else the machine has to do.
    assert beside < alone * 1.5 + ceiling(0.05) and p99 < ceiling(1), (alone, beside, p99)
    for one in floods:
        assert set(one["statuses"]) <= {"200", "503"} and one["broken"] == 0, floods
    assert sum(one["statuses"]["503"] for one in floods) > 100, floods
    print(f"alone {alone * 1000:.0f} ms, beside the flood {beside * 1000:.0f} ms, p99 {p99 * 1000:.0f} ms; {floods}")


def took(act):
    began = time.monotonic()
    assert act().status == 200
    return time.monotonic() - began


def test_the_public_listener_is_served_while_the_gateway_is_full():
    with deployment(stores=60, settings={"LATCHKEY_CALLS": "750"}) as running:
        running.control("PUT", "/quota/*", {"limit": 100_000, "window_ms": 1000})
        running.install("demo1234")
        running.fault("hang", store="demo1234", host="api")
        data = head(f"/stores/demo1234{PATH}", running.service_key(), **PATIENT)
        with Crowd(running.internal, 500) as waiting:
            for member in waiting.members:
                member.ask(data)
            wait_until(lambda: running.store("demo1234").json["quota"]["held"] == 500, "the store has its share")
            with flooding(running.internal, 100, data) as calls, \
                    flooding(running.internal, 30, head("/v1/stores", Authorization=f"Bearer {running.operator_key}")) as api:
                installs, health = [], []
                end = time.monotonic() + count(6, 20)
                while time.monotonic() < end:
                    store = running.fresh_store()
                    query = running.callback_query(store)
                    installs.append(took(lambda: request(running.public, "GET", f"/auth/callback?{query}")))
                    health.append(took(lambda: request(running.public, "GET", "/healthz")))
                    time.sleep(0.3)
            waiting.listen(0.1)
            assert waiting.statuses() == {None: 500}
        assert max(installs) < ceiling(1) and max(health) < ceiling(1), (installs, health)
        assert set(calls["statuses"]) == {"503"} and calls["broken"] == 0, calls
        print(f"slowest of {len(installs)} installs {max(installs) * 1000:.0f} ms, /healthz {max(health) * 1000:.0f} ms; "
              f"calls {calls}; API {api}")


def test_the_gateway_is_served_while_the_public_listener_is_flooded(ready):
    _, alone, _ = quiet(ready, 0, 50)
    forged = f"/auth/load?signed_payload_jwt={'a' * 40}.{'b' * 200}.{'c' * 43}"
    with flooding(ready.public, 100, head("/healthz")) as health, flooding(ready.public, 100, head(forged)) as loads:
        time.sleep(1)
        statuses, beside, p99 = quiet(ready, 0, count(100, 500))
    assert statuses == {200} and p99 < 1, (statuses, alone, beside, p99)
    print(f"alone {alone * 1000:.0f} ms, beside the floods {beside * 1000:.0f} ms, p99 {p99 * 1000:.0f} ms; {health}; {loads}")


def test_a_call_that_waits_holds_hardly_anything_of_its_body():
    number, length = 300, 2 << 20
    with deployment(settings={"LATCHKEY_CALLS": "750"}) as running:
        running.control("PUT", "/quota/*", {"limit": 100_000, "window_ms": 1000})
        running.install("demo1234")
        running.fault("hang", store="demo1234", host="api")
        data = head("/stores/demo1234/v3/catalog/products", running.service_key(), **PATIENT, Content_Length=str(length))
        with Crowd(running.internal, 100) as warm:
            for member in warm.members:
                member.ask(head("/livez"))
            assert warm.listen(10, lambda: warm.statuses() == {200: 100})
        before = resident(running.service.pid)
        with Crowd(running.internal, number) as waiting:
            for member in waiting.members:
                member.ask(data.replace(b"GET", b"POST", 1))
            sent = 0
            for _ in range(8):
                for member in waiting.members:
                    with contextlib.suppress(BlockingIOError):
                        sent += member.socket.send(bytes(65_536))
                waiting.listen(0.2)
            assert waiting.statuses() == {None: number}
            each = (resident(running.service.pid) - before) / number
        assert sent / number > 100_000, "the clients have sent hardly anything"
        assert each < 128 * 1024, each
        print(f"{each / 1024:.0f} KiB for each of {number} waiting calls, of whose bodies {sent / number / 1024:.0f} KiB were sent")
