"""A fleet as an operator may find it: shops with names, some of them with a problem, services that call them, events."""
import contextlib
import json
import math

from deliveries import fire, settled
from deployment import SCOPES, deployment, new_key, wait_until
from receiver import Receiver

# Hash, name and labels of each shop; what is wrong with some stands in `troubled`.
SHOPS = [
    ("a4kq2m7x", "Harbour Ceramics", ["eu", "vip"]), ("b81hx0cw", "Pine & Paper", ["eu"]),
    ("c2n7vg5t", "Tessellate Tiles", ["us"]), ("d9fw3ylu", "Saltwater Surf", ["us"]),
    ("e5rj8kpa", "Brass Button", ["eu"]), ("f0zt6sbn", "Larkspur Tea", ["eu", "vip"]),
    ("g7mc1qdo", "Copper Kettle", ["us"]), ("h3yv9xei", "Meadow Wool", ["eu"]),
    ("j6lp4wra", "Cobalt Cycles", ["us", "vip"]), ("k1sd5nzu", "Juniper Soap", ["eu"]),
    ("m8gb2tho", "Northlight Lamps", ["us"]), ("n4xk7fce", "Orchard Jam", ["eu"]),
]
BUSY, REVOKED, STOPPED, UNPAID, DRIFTED = "a4kq2m7x", "e5rj8kpa", "g7mc1qdo", "k1sd5nzu", "c2n7vg5t"
WEBHOOKS = "store/order/* store/product/* store/customer/*"
CALLS = [("warehouse", "/v2/orders?limit=5"), ("warehouse", "/v3/catalog/products?limit=3&include=variants"),
         ("search index", "/v3/catalog/products?limit=10"), ("search index", "/v3/catalog/categories"),
         ("warehouse", "/v3/catalog/products/999999")]
PAST = [("warehouse", "v2/orders reads", 0.5), ("warehouse", "v3/catalog reads", 0.3), ("search index", "v3/catalog reads", 1)]


@contextlib.contextmanager
def fleet(cluster):
    """The deployment, with `keys` by their names and `subscriptions` by theirs."""
    with contextlib.ExitStack() as stack:
        made = stack.enter_context(deployment(start=False, stores=1, settings={
            "DATABASE_URL": cluster.url, "CREDENTIALS_ENCRYPTION_KEY": new_key("k1"), "BIGCOMMERCE_WEBHOOKS": WEBHOOKS,
            "LATCHKEY_PUSH_SCHEDULE": "1s", "LATCHKEY_METRICS_OPEN": "true", "LATCHKEY_LOG_LEVEL": "warning"}))
        for store, name, _ in SHOPS:
            made.control("POST", "/stores", {"store_hash": store, "name": name})
        made.cli("migrate")
        made.start()
        made.operator_key = json.loads(made.cli("keys", "create", "--bootstrap", "--name", "ops", "--json").stdout)["key"]
        made.await_key()
        made.cluster = cluster
        install(made)
        callers(made)
        subscribers(made, stack)
        trouble(made)
        past(made)
        yield made


def install(made):
    for store, _, labels in SHOPS:
        asked = {"scope": SCOPES.replace("store_v2_customers ", "")} if store == DRIFTED else {}
        made.control("POST", "/install", {"client_id": made.client_id, "store_hash": store} | asked)
        made.api("PATCH", f"/v1/stores/{store}", {"labels": labels})
    wait_until(lambda: {row["state"] for row in made.api("GET", "/v1/webhooks").json["data"]} == {"in_step"},
               "the stores have their webhooks", 60)
    for place, (store, _, _) in enumerate(SHOPS):
        made.api("POST", f"/v1/stores/{store}/verify")
        # Nobody installs twelve times in a second.
        made.cluster.sql(f"""UPDATE installations SET (installed_at, authorized_at, token_stored_at, state_changed_at) = (
            SELECT at, at, at, at FROM (SELECT now() - {(len(SHOPS) - place) * 17} * interval '13 hours' AS at) AS earlier)
            WHERE store_hash = '{store}'""")


def callers(made):
    made.keys = {name: made.api("POST", "/v1/keys", {"name": name, "app": "default", "abilities": ["proxy"]} | grant).json
                 for name, grant in {
        "warehouse": {"stores": ["*"], "scopes": ["store_v2_products", "store_v2_orders"]},
        "search index": {"stores": ["label:eu", "label:us"], "scopes": ["store_v2_products_read_only"]},
        "reports": {"stores": ["label:vip"], "scopes": ["*"]}}.items()}
    wait_until(lambda: call(made, "reports", BUSY, "/v2/store").status == 200, "the keys count", 5)
    for place, (store, _, _) in enumerate(SHOPS):
        for name, path in CALLS[:3 + place % 4] * (3 if store == BUSY else 1):
            call(made, name, store, path)


def call(made, name, store, path, method="GET"):
    return made.call(made.keys[name]["key"], method, f"/stores/{store}{path}")


def subscribers(made, stack):
    """One that takes what it gets, and one that has failed for long enough to have dead letters."""
    made.subscriptions, made.receivers = {}, {}
    for name, types, status in ("search index", ["store/product/*"], 200), ("accounting", ["store/order/*"], 500):
        receiver = made.receivers[name] = stack.enter_context(Receiver())
        receiver.answer(status, body=b"no space left on device" if status == 500 else b"")
        made.subscriptions[name] = made.api("POST", "/v1/subscriptions", {
            "url": receiver.url, "types": types, "name": name, "app": "default"}).json
    names = [store for store, _, _ in SHOPS]
    for scope, count in ("store/product/updated", 5), ("store/order/created", 2), ("store/customer/updated", 4):
        fire(made, names, scope=scope, count=count)
        settled(made)
    wait_until(lambda: made.api("GET", f"/v1/subscriptions/{made.subscriptions['accounting']['id']}").json["dead"] == 2,
               "dead letters", 60)


def trouble(made):
    made.api("POST", f"/v1/stores/{STOPPED}/suspend")
    made.control("PUT", f"/stores/{UNPAID}", {"condition": "suspended"})
    made.control("POST", "/revoke", {"store_hash": REVOKED})
    for store in REVOKED, UNPAID:
        made.api("POST", f"/v1/stores/{store}/verify")
    # A second look, three seconds later at the soonest, has to agree.
    made.cluster.sql(f"UPDATE store_health SET pending_since = pending_since - interval '3 s' WHERE store_hash = '{UNPAID}'")
    made.api("POST", f"/v1/stores/{UNPAID}/verify")
    assert made.store(UNPAID).json["health"] == "suspended"
    made.fault("status", store="b81hx0cw", path="/v3/catalog/categories", status=500, times=3)
    call(made, "search index", "b81hx0cw", "/v3/catalog/categories")


def past(made):
    """The usage of the last hour and day, counted by the function that the service counts with: the same waves, an outage of
    some minutes and a burst that spent the quota."""
    found = []
    for step in [*range(60), *range(90, 24 * 60, 60)]:
        for name, family, share in PAST:
            wave = 1 + 0.4 * math.sin(step / 9 + share) + 0.15 * math.sin(step * 1.7 + share)
            store = BUSY if step % 3 == 0 else SHOPS[step % len(SHOPS)][0]
            found.append((step, name, family, store, cell(int((1 if step < 60 else 55) * share * 90 * wave), step)))
    for place in range(0, len(found), 100):
        part = found[place:place + 100]
        made.cluster.sql(f"""
            SELECT add_usage('tour', {place + 1}, {array("default" for _ in part)}, {array(row[3] for row in part)},
              array(SELECT extract(epoch FROM now())::bigint / 60 - step FROM unnest(ARRAY[{", ".join(str(row[0]) for row in part)}]) step),
              {array(made.keys[row[1]]["id"] for row in part)}, {array(row[2] for row in part)},
              ARRAY[{", ".join(str(number) for row in part for number in row[4])}]::bigint[])""")


def array(words):
    return "ARRAY[" + ", ".join(f"'{word}'" for word in words) + "]"


def cell(calls, step):
    """The 23 numbers of a cell, in the order of the table's columns."""
    failed = calls // 9 if 18 < step < 24 else 0
    throttled = calls // 12 if 38 < step < 43 else 0
    rejected = calls // 45 if step % 3 else 0
    answered = calls - failed
    spread = [int(answered * share) for share in (0.05, 0.3, 0.35, 0.2, 0.06 if step % 4 else 0.08)]
    rest = answered - sum(spread)
    return [calls, rejected, throttled, failed, 0, 0, calls // 40, calls * 2000, 0, calls * 9000, answered * 60_000,
            *spread, rest - rest // 6, rest // 6, 0, 0, 0, 0, 0]
