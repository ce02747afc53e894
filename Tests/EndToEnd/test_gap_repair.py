"""What webhooks did not tell is read from the stores and told; a store that is gone ends in one way, whatever told of it."""
import collections
import json
import time

import pytest
from deployment import deployment, new_key, request, wait_until

WEBHOOKS = "store/order/* store/product/* store/customer/*"
FAMILIES = {"orders": "order", "products": "product", "customers": "customer"}


@pytest.fixture(scope="module")
def ready(cluster):
    with deployment(start=False, stores=14, settings={
            "DATABASE_URL": cluster.url, "CREDENTIALS_ENCRYPTION_KEY": new_key("k1"),
            "BIGCOMMERCE_WEBHOOKS": WEBHOOKS, "LATCHKEY_METRICS_OPEN": "true"}) as made:
        made.cli("migrate")
        made.start()
        made.bootstrap()
        yield made


@pytest.fixture
def store(ready):
    ready.control("PUT", "/webhooks", {"faults": [], "speed": 1})
    name = ready.fresh_store()
    ready.install(name)
    wait_until(lambda: state(ready, name)["state"] == "in_step", "in step")
    return name


def state(ready, store):
    return ready.api("GET", f"/v1/webhooks?store={store}").json["data"][0]


def repairs(ready, store):
    return {row["resource"]: row for row in ready.api("GET", f"/v1/webhooks/repairs?store={store}").json["data"]}


def repaired(ready, store, reason, seconds=20):
    def all_done():
        rows = repairs(ready, store)
        return rows and all(r["state"] in ("done", "skipped") and r["reason"] == reason for r in rows.values()) and rows
    try:
        return wait_until(all_done, "repaired", seconds)
    except AssertionError as late:
        raise AssertionError(f"{late}: {repairs(ready, store)}\n{ready.log.read_text()[-3000:]}") from None


def events(ready, store):
    rows, after = [], "oldest"
    while True:
        page = ready.api("GET", f"/v1/events?store={store}&limit=1000&after={after}").json
        rows, after = rows + page["data"], page["next"]
        if not page["more"]:
            return rows


def synthetic(ready, store):
    """Types and IDs of synthetic events, with their reasons."""
    return {(e["type"], e["data"]["id"]): e["synthetic"] for e in events(ready, store) if e["synthetic"]}


def told(ready, store, expected, reason):
    """All of it is in the feed, each with its mark, and nothing else is."""
    wait_until(lambda: len(synthetic(ready, store)) >= len(expected), f"told: {synthetic(ready, store)}", 10)
    assert synthetic(ready, store) == dict.fromkeys(expected, reason)


def platform(ready, store, method, path, body=None):
    """A call with a token of the store, past Latchkey: somebody else's change."""
    token = next(t["access_token"] for t in ready.control("GET", "/tokens") if t["store_hash"] == store)
    answer = request(ready.sandbox_port, method, f"/stores/{store}{path}", body, {"X-Auth-Token": token})
    assert answer.status < 300, answer
    return answer.json if answer.body else None


def change(ready, store, mark):
    """Changes, makes and deletes some of everything; what a comparison should find of it."""
    found = set()
    products = [p["id"] for p in platform(ready, store, "GET", "/v3/catalog/products?limit=4")["data"]]
    for product in products[:3]:
        platform(ready, store, "PUT", f"/v3/catalog/products/{product}", {"name": f"{mark} {product}"})
        found.add(("store/product/updated", product))
    made = platform(ready, store, "POST", "/v3/catalog/products", {
        "name": f"{mark} new", "type": "physical", "price": 1, "weight": 1})["data"]["id"]
    found.add(("store/product/created", made))
    platform(ready, store, "DELETE", f"/v3/catalog/products/{products[3]}")
    customers = platform(ready, store, "GET", "/v3/customers?limit=2")["data"]
    platform(ready, store, "PUT", "/v3/customers", [{"id": customers[0]["id"], "company": mark}])
    found.add(("store/customer/updated", customers[0]["id"]))
    made = platform(ready, store, "POST", "/v3/customers", [{
        "email": f"{mark}@example.com", "first_name": "A", "last_name": mark}])["data"][0]["id"]
    found.add(("store/customer/created", made))
    order = platform(ready, store, "GET", "/v2/orders?limit=1")[0]
    platform(ready, store, "PUT", f"/v2/orders/{order['id']}", {"staff_notes": mark})
    found.add(("store/order/updated", order["id"]))
    made = platform(ready, store, "POST", "/v2/orders", {
        "billing_address": {"first_name": "A", "last_name": "B", "street_1": "1", "city": "c", "state": "Texas",
                            "zip": "1", "country": "United States", "email": "a@b.example"},
        "products": [{"product_id": products[0], "quantity": 1}]})["id"]
    found.add(("store/order/created", made))
    return found


def drop_deliveries(ready, store):
    """BigCommerce makes no delivery of what happens to the store, and says nothing about it."""
    ready.control("PUT", "/webhooks", {"faults": [{"kind": "lose", "store": store}]})


def test_a_webhook_that_was_given_up_is_found_and_its_gap_filled_without_an_operator(ready, store):
    """BigCommerce tries for 48 hours, here in seconds, and then switches the webhooks off."""
    ready.control("PUT", "/webhooks", {"speed": 1, "faults": [
        {"kind": "dead", "store": store, "scope": f"store/{family}/"} for family in FAMILIES.values()]})
    expected = change(ready, store, "ladder")
    # Only now: what is made while a repair is under way is found by a second one as well.
    ready.control("PUT", "/webhooks", {"speed": 60_000})
    wait_until(lambda: [e for e in events(ready, store) if e["type"] == "app/webhook_deactivated"], "found", 20)
    rows = repaired(ready, store, "deactivated")
    told(ready, store, expected, "deactivated")
    assert {name: row["state"] for name, row in rows.items()} == dict.fromkeys(FAMILIES, "done")
    record = state(ready, store)
    assert record["deactivated_since_at"] is None and all(h["is_active"] for h in record["hooks"])
    end = [e for e in events(ready, store) if e["type"] == "app/webhooks_repaired"][-1]["data"]
    assert end["since_at"].endswith("Z") and end["not_compared"] == []
    assert {r["resource"]: r["events"] for r in end["repairs"]} == {"customers": 2, "orders": 2, "products": 4}
    one = next(e for e in events(ready, store) if e["synthetic"])
    assert one["origin"] == "repair" and one["occurred_at"] < one["recorded_at"]
    shown = ready.api("GET", f"/v1/events/{one['id']}").json
    assert shown["synthetic"] == "deactivated" and "latchkey_repair_events_total" in request(
        ready.internal, "GET", "/metrics").text


def test_what_was_delivered_is_not_told_again(ready, store):
    expected = change(ready, store, "heard")
    delivered = wait_until(lambda: {
        (e["type"], e["data"].get("id")) for e in events(ready, store)} >= expected, "delivered")
    assert delivered
    drop_deliveries(ready, store)
    product = platform(ready, store, "GET", "/v3/catalog/products?limit=1&page=9")["data"][0]["id"]
    platform(ready, store, "PUT", f"/v3/catalog/products/{product}", {"name": "unheard"})
    assert ready.api("POST", "/v1/webhooks/repair", {"stores": [store]}).json == {"stores": 1, "repairs": 3}
    repaired(ready, store, "requested")
    told(ready, store, {("store/product/updated", product)}, "requested")


def test_an_operator_asks_for_it_on_the_command_line_and_twice_tells_nothing_twice(ready, store):
    drop_deliveries(ready, store)
    expected = change(ready, store, "asked")
    assert ready.cli("webhooks", "repair", store, check=False).returncode == 2, "nobody can be asked"
    assert "stores" in ready.cli("webhooks", "repair", store, "--dry-run").stdout and not synthetic(ready, store)
    first = ready.cli("webhooks", "repair", store, "--since", "1h", "--resource", "products", "--yes").stdout
    assert "products" in first and "orders" not in first and "requested" in first
    assert {t for t, _ in synthetic(ready, store)} == {"store/product/created", "store/product/updated"}
    for _ in range(2):
        shown = json.loads(ready.cli("webhooks", "repair", store, "--since", "1h", "--yes", "--json").stdout)["data"]
        assert {row["state"] for row in shown} == {"done"}
    told(ready, store, expected, "requested")
    count = collections.Counter(e["id"] for e in events(ready, store))
    assert max(count.values()) == 1 and "requested" in ready.cli("webhooks", "repairs", store).stdout
    for body in ({"since": "2999-01-01T00:00:00Z"}, {"since": "x"}, {"resources": ["carts"]}, {"what": 1},
                 {"stores": []}):
        assert ready.api("POST", "/v1/webhooks/repair", body).status == 400, body
    actions = ready.service_key(abilities=("stores:read",))
    assert ready.api("POST", "/v1/webhooks/repair", {"stores": [store]}, key=actions).status == 403


def test_a_store_that_grants_too_little_is_skipped_and_says_so(ready):
    store = ready.fresh_store()
    query = ready.callback_query(store, scope="store_v2_products_read_only store_v2_orders_read_only")
    assert request(ready.public, "GET", f"/auth/callback?{query}").status == 200
    wait_until(lambda: state(ready, store)["state"] == "in_step", "in step")
    ready.api("POST", "/v1/webhooks/repair", {"stores": [store], "since": "2026-01-01T00:00:00Z"})
    rows = repaired(ready, store, "requested")
    assert {name: row["state"] for name, row in rows.items()} == {
        "orders": "done", "products": "done", "customers": "skipped"}
    assert rows["customers"]["failure"] == "missing_scope" and rows["products"]["compared"] >= 40


def test_trouble_delays_it_and_no_more(ready, store):
    drop_deliveries(ready, store)
    expected = change(ready, store, "trouble")
    # Each answer is cut off, also when it is asked for again; the next step comes some seconds later.
    ready.fault("truncate", path="/v3/catalog/products", store=store, times=3)
    ready.api("POST", "/v1/webhooks/repair", {"stores": [store]})
    wait_until(lambda: repairs(ready, store)["products"]["failure"], "failing", 10)
    repaired(ready, store, "requested")
    told(ready, store, expected, "requested")


@pytest.mark.parametrize("pass_number", [1, 3])
def test_killed_in_the_middle_it_loses_nothing_and_repeats_nothing(ready, cluster, store, pass_number):
    drop_deliveries(ready, store)
    expected = change(ready, store, f"kill{pass_number}")
    ready.stop()
    ready.start(LATCHKEY_FAILPOINT=f"repair.in_transaction:{pass_number}")
    ready.api("POST", "/v1/webhooks/repair", {"stores": [store]})
    assert wait_until(lambda: ready.service.poll(), "killed") == -9
    # The killed replica's leases are over.
    cluster.sql("UPDATE webhook_repairs SET lease_until = now() WHERE lease_until IS NOT NULL")
    ready.start()
    repaired(ready, store, "requested")
    told(ready, store, expected, "requested")
    assert max(collections.Counter(e["id"] for e in events(ready, store)).values()) == 1


def test_an_outage_of_the_service_has_all_stores_compared(ready, cluster, store):
    cluster.sql("UPDATE service_beat SET beat_at = now()")
    ready.stop()
    # The first repetition of a failed delivery comes after a minute.
    expected = change(ready, store, "outage")
    time.sleep(1.2)
    ready.start(LATCHKEY_REPAIR_AFTER="1s")
    repaired(ready, store, "service_outage")
    told(ready, store, expected, "service_outage")
    assert "latchkey_service_outages_total 1" in request(ready.internal, "GET", "/metrics").text
    ready.stop()
    ready.start()
    time.sleep(1.2)
    assert {r["reason"] for r in repairs(ready, store).values()} == {"service_outage"}, "a short one is none"


def gone(ready, store):
    return [e["data"]["signal"] for e in events(ready, store) if e["type"] == "app/uninstalled"]


def test_a_cancelled_store_ends_as_an_uninstalled_one_does(ready, store):
    ready.control("POST", "/cancel_store", {"store_hash": store})
    wait_until(lambda: ready.store(store).json["state"] == "uninstalled", "gone", 15)
    assert wait_until(lambda: gone(ready, store), "told") == ["webhook"]
    assert state(ready, store)["state"] == "parked" and repairs(ready, store) == {}
    key = ready.service_key()
    assert ready.call(key, "GET", f"/stores/{store}/v2/time").status == 410
    # The callback comes as well.
    assert ready.callback("uninstall", store).status == 200
    assert gone(ready, store) == ["webhook"]
