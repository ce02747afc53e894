"""No genuine delivery is refused, whatever becomes of tokens and addresses meanwhile."""
import collections
import itertools
import json
import random
import time
import urllib.parse

from cluster import Cluster
from deliveries import acknowledged, feed, fire, installed, log, settled
from deployment import count, deployment, new_key, request, wait_until
from metrics import scrape


def address(running, store):
    """Where the store's webhook leads now, and the headers that it sends."""
    hook, = [h for h in running.control("GET", f"/hooks/{store}") if h["scope"] == "store/order/*"]
    return urllib.parse.urlsplit(hook["destination"]).path, json.dumps(hook["headers"])


def test_consents_and_rotations_refuse_nothing_and_lose_nothing():
    """The merchant consents anew and the operator rotates while deliveries come, to the old addresses and the new ones."""
    cluster = Cluster()
    try:
        with deployment(start=False, stores=count(4, 40), settings={
                "DATABASE_URL": cluster.url, "CREDENTIALS_ENCRYPTION_KEY": new_key("k1"),
                "BIGCOMMERCE_WEBHOOKS": "store/order/*", "LATCHKEY_METRICS_OPEN": "true"}) as running:
            running.cli("migrate")
            running.start()
            running.bootstrap()
            stores = installed(running, count(3, 30))
            other = running.replica("other")
            try:
                change_everything([running, other], stores)
            finally:
                other.stop()
    finally:
        cluster.close()


def change_everything(replicas, stores):
    running, per_second, numbers = replicas[0], count(100, 300), itertools.count(1)
    known = collections.defaultdict(set)

    def post_to_all_addresses():
        """Late ones, as the sandbox would repeat them to where a webhook led once; to both replicas."""
        for store in stores:
            known[store].add(address(running, store))
            for (path, headers), replica in itertools.product(known[store], replicas):
                sent = {"scope": "store/order/updated", "store_id": "1", "producer": f"stores/{store}", "hash": "0f",
                        "created_at": int(time.time()), "data": {"type": "order", "id": next(numbers)}}
                answer = request(replica.public, "POST", path, sent, json.loads(headers))
                assert answer.status == 200, (store, path, answer)

    fire(running, stores, count=per_second * 3600, rate=per_second)
    chance = random.Random(11)
    acts = {store: ["consent"] * 3 + ["rotate"] * 2 for store in stores}
    for store in stores:
        chance.shuffle(acts[store])
    for number in range(5):
        for store in stores:
            if acts[store][number] == "consent":
                running.install(store)
            else:
                assert running.api("POST", "/v1/webhooks/rotate", {"store_hash": store}).status == 204
        post_to_all_addresses()
    wait_until(lambda: in_step(running) == len(stores), "every webhook leads to the newest address")
    post_to_all_addresses()
    running.control("DELETE", "/events")
    counts = settled(running)

    assert (counts["lost"], counts["given_up"]) == (0, 0), counts
    # Each by its first attempt: none was refused, not even for a moment.
    assert counts["attempts"] == counts["acknowledged"] > per_second, counts
    for page in map(scrape, replicas):
        assert [page[f'latchkey_deliveries_total{{outcome="{outcome}"}}'] for outcome in (
            "forged", "unknown_address", "unavailable")] == [0, 0, 0]
    expected = counts["acknowledged"] + next(numbers) - 1
    wait_until(lambda: len(feed(running)) == expected, "each is an event")
    rows = log(running)
    assert collections.Counter(row["webhook_id"] for row in rows if row["webhook_id"]) == collections.Counter(
        acknowledged(running))
    assert len(rows) == expected and all(row["quarantine"] is None for row in rows)
    assert all(running.store(store).json["generation"] == 4 for store in stores)
    assert all(2 <= len(known[store]) <= 3 for store in stores), known


def in_step(running):
    return running.api("GET", "/v1/webhooks?limit=1").json["counts"].get("in_step", 0)
