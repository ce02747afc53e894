"""Deliveries become events: each that was answered 200 is in the feed, whatever is killed meanwhile, and nothing else is."""
import collections
import hashlib
import hmac
import json
import random
import time
import urllib.parse

import pytest
from cluster import Cluster
from deliveries import acknowledged, feed, fire, in_the_feed, installed, log, settled
from deployment import count, deployment, new_key, request, wait_until

SETTINGS = {"BIGCOMMERCE_WEBHOOKS": "store/order/*", "LATCHKEY_METRICS_OPEN": "true"}
# The ladder's eleven retries take three minutes in all.
SPEED = 1000


@pytest.fixture(scope="module")
def running():
    with deployment(stores=40, settings=SETTINGS) as made:
        made.control("PUT", "/webhooks", {"speed": SPEED})
        yield made


def test_an_order_is_an_event_moments_later(running):
    store, = installed(running, 1)
    start = running.api("GET", "/v1/events?after=newest").json["next"]
    began = time.monotonic()
    fire(running, [store], data={"type": "order", "id": 173331})
    answer = running.api("GET", f"/v1/events?after={start}&type=store/order/*&wait=20").json["data"]
    assert time.monotonic() - began < 5
    event, = answer
    assert (event["type"], event["store_hash"], event["app"]) == ("store/order/created", store, "default")
    assert (event["origin"], event["data"]) == ("platform", {"type": "order", "id": 173331})
    row, = [row for row in log(running) if row["event_id"] == event["id"]]
    assert (row["signature"], row["quarantine"], row["store_hash"]) == ("valid", None, store)
    assert row["webhook_id"] in acknowledged(running)


def test_repetitions_and_wrong_signatures_are_told_apart(running):
    store, = installed(running, 1)
    before = len(feed(running))
    kinds = ["duplicate", "unsigned", "no_signature_headers", "wrong_secret", "stale", "altered", "reorder"]
    for kind in kinds:
        running.control("PUT", "/webhooks", {"faults": [{"kind": kind, "store": store}]})
        fire(running, [store], count=10)
        settled(running)
    running.control("PUT", "/webhooks", {"faults": []})
    # Observed, not enforced: each delivery is one event, and its row says what its signature was worth.
    assert len(in_the_feed(running, before + 10 * len(kinds))) == before + 10 * len(kinds)
    worth = collections.Counter(row["signature"] for row in log(running) if row["store_hash"] == store)
    assert worth == {"valid": 20, "invalid:incomplete": 10, "absent": 10, "invalid:mismatch": 20, "invalid:stale": 10}
    repeats = [row["repeats"] for row in log(running) if row["store_hash"] == store]
    assert sum(repeats) == 10


def test_what_is_not_bigcommerces_leaves_nothing(running):
    store, = installed(running, 1)
    hook, = [h for h in running.control("GET", f"/hooks/{store}") if h["scope"] == "store/order/*"]
    path = urllib.parse.urlsplit(hook["destination"]).path
    body = {"scope": "store/order/created", "store_id": "1", "producer": f"stores/{store}", "hash": "0f",
            "created_at": int(time.time()), "data": {"type": "order", "id": 1}}
    before = len(log(running))
    cases = [
        (path, {}, body, 401), (path, {"X-Latchkey-Webhook-Secret": "x" * 40}, body, 401),
        (path + "x", hook["headers"], body, 404), ("/webhooks/default/abc", hook["headers"], body, 404),
        ("/webhooks/other/" + path.rsplit("/", 1)[1], hook["headers"], body, 404),
        (path, hook["headers"], body | {"producer": "stores/demo1234"}, 401),
    ]
    for target, headers, sent, status in cases:
        assert request(running.public, "POST", target, sent, headers).status == status, target
    # Nor through the other listener.
    assert request(running.internal, "POST", path, body, hook["headers"]).status in (401, 404)
    assert len(log(running)) == before
    assert request(running.public, "POST", path, body, hook["headers"]).status == 200
    assert len(log(running)) == before + 1
    logged = running.log.read_text()
    assert all(secret not in logged for secret in ["x" * 40, path.rsplit("/", 1)[1], *hook["headers"].values()])


def test_the_signature_of_guides_counts_only_where_it_is_allowed():
    with deployment(stores=2, settings=SETTINGS | {"LATCHKEY_WEBHOOK_SIGNATURES": "enforce"}) as running:
        store, = installed(running, 1)
        hook, = [h for h in running.control("GET", f"/hooks/{store}") if h["scope"] == "store/order/*"]
        path = urllib.parse.urlsplit(hook["destination"]).path

        def deliver(number, signed=None, **headers):
            body = json.dumps({
                "scope": "store/order/created", "store_id": "1", "producer": f"stores/{store}", "hash": "0f",
                "created_at": int(time.time()), "data": {"type": "order", "id": number}}).encode()
            code = hmac.new(running.client_secret.encode(), signed or body, hashlib.sha256).hexdigest()
            return request(running.public, "POST", path, body,
                           hook["headers"] | headers | {"X-BC-Webhook-Signature": code}).status

        assert deliver(1) == 401
        running.stop()
        running.start(LATCHKEY_WEBHOOK_HEX_SIGNATURES="true")
        assert deliver(2) == 200
        assert deliver(3, signed=b"another body") == 401
        # Beside a header of Standard Webhooks it counts for nothing.
        assert deliver(4, **{"webhook-id": "msg_1"}) == 401
        event, = in_the_feed(running, 1)
        assert event["data"] == {"type": "order", "id": 2}
        row, = log(running)
        assert (row["signature"], row["webhook_id"]) == ("valid", None)


def test_after_an_uninstall_deliveries_are_taken_and_kept_aside(running):
    store, = installed(running, 1)
    hook, = [h for h in running.control("GET", f"/hooks/{store}") if h["scope"] == "store/order/*"]
    path = urllib.parse.urlsplit(hook["destination"]).path
    running.control("POST", "/uninstall", {"store_hash": store})
    body = {"scope": "store/order/created", "store_id": "1", "producer": f"stores/{store}", "hash": "0f",
            "created_at": int(time.time()), "data": {"type": "order", "id": 1}}

    def aside():
        assert request(running.public, "POST", path, body, hook["headers"]).status == 200
        rows = [row for row in log(running) if row["store_hash"] == store]
        return any(row["quarantine"] == "uninstalled" for row in rows)
    body_again = iter(range(1, 1000))

    def with_another_body():
        body["data"]["id"] = next(body_again)
        return aside()
    wait_until(with_another_body, "the uninstall counts", 10)


def test_a_flood_of_one_store_does_not_slow_anothers(running):
    loud, quiet = installed(running, 2)

    def latencies(store):
        rows, after = [], 0
        while page := running.control("GET", f"/deliveries?after={after}&limit=100000&store={store}"):
            rows += page
            after = page[-1]["number"]
        return sorted(row["latency_ms"] for row in rows)

    fire(running, [quiet], count=50, rate=25)
    settled(running)
    alone = latencies(quiet)
    fire(running, [loud], count=count(3_000, 30_000))
    fire(running, [quiet], count=50, rate=25)
    settled(running)
    beside = latencies(quiet)
    # Nobody waits for the flood to be over: that took seconds.
    assert beside[len(beside) // 2] < 1000, beside


def test_kills_and_restarts_lose_nothing(tmp_path):
    """kill -9 of the service, restarts of PostgreSQL, and a sender that repeats what was not acknowledged."""
    kills, restarts, per_second = count(20, 500), count(2, 20), 150
    cluster = Cluster()
    try:
        with deployment(start=False, stores=10, settings=SETTINGS | {
                "DATABASE_URL": cluster.url, "CREDENTIALS_ENCRYPTION_KEY": new_key("k1")}) as running:
            running.cli("migrate")
            running.start()
            running.bootstrap()
            # The ladder outlasts the kills: who comes to its end loses its webhook, as on the platform.
            running.control("PUT", "/webhooks", {"speed": SPEED / 10})
            stores = installed(running, 5)
            chance = random.Random(7)
            acts = ["kill"] * kills + ["restart"] * restarts
            chance.shuffle(acts)
            fire(running, stores, count=per_second * 3600, rate=per_second)
            for act in acts:
                time.sleep(chance.uniform(0.2, 1.0))
                if act == "kill":
                    running.kill()
                    running.start()
                else:
                    cluster.stop("immediate")
                    cluster.start()
                    running.await_ready()
            running.control("DELETE", "/events")
            running.control("PUT", "/webhooks", {"speed": SPEED})
            running.control("POST", "/webhooks/flush")
            counts = settled(running, 400)
            assert counts["lost"] == 0 and counts["given_up"] == 0, counts
            sent = set(acknowledged(running))
            assert len(sent) == counts["acknowledged"] > 100
            wait_until(lambda: len(feed(running)) >= len(sent), "the feed is complete", 60)
            rows = log(running)
            # Each once, nothing invented; a repetition only counts at the first.
            assert collections.Counter(row["webhook_id"] for row in rows) == collections.Counter(sent)
            events = feed(running)
            assert sorted(row["event_id"] for row in rows) == sorted(event["id"] for event in events)
            assert len({event["id"] for event in events}) == len(events)
    finally:
        cluster.close()


def test_the_disk_takes_what_the_database_cannot(tmp_path):
    cluster = Cluster()
    try:
        with deployment(start=False, stores=4, settings=SETTINGS | {
                "DATABASE_URL": cluster.url, "CREDENTIALS_ENCRYPTION_KEY": new_key("k1")}) as running:
            running.cli("migrate")
            running.start()
            running.bootstrap()
            running.control("PUT", "/webhooks", {"speed": SPEED})
            stores = installed(running, 2)
            cluster.stop("immediate")
            fire(running, stores, count=200, rate=100)
            # Acknowledged while PostgreSQL is away, by the first attempt.
            assert settled(running)["acknowledged"] == 200
            running.kill()
            cluster.start()
            running.start()
            wait_until(lambda: len(feed(running)) == 200, "the spool is empty", 30)
            assert {row["webhook_id"] for row in log(running)} == set(acknowledged(running))
    finally:
        cluster.close()
