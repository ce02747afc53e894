"""How stores answer, by the service's own clock: every verdict, kill -9 during a look, spent quota, two replicas."""
import datetime
import json
from urllib.parse import quote

import pytest
from deployment import count, deployment, new_key, wait_until
from metrics import scrape

EVERY = 4
LOOKS = count(2, 8)
STORES = {"suspended": "store0002", "scope": "store0003", "plan": "store0004", "revoked": "store0005",
          "rate": "store0006", "network": "store0007"}
WELL = "demo1234"
SLOW, SPENT = "store0008", "store0009"
MANY = [f"store00{number}" for number in range(10, 22)]


@pytest.fixture(scope="module")
def ready(cluster):
    with deployment(start=False, stores=21, settings={
            "DATABASE_URL": cluster.url, "CREDENTIALS_ENCRYPTION_KEY": new_key("k1"),
            "LATCHKEY_CHECK_EVERY": f"{EVERY}s"}) as made:
        made.cluster = cluster
        made.cli("migrate")
        made.start()
        made.bootstrap()
        made.key = made.service_key(stores=["*"])
        yield made


def installed(running, *stores):
    for store in stores:
        running.install(store)
    # A new store is looked at within a minute; nobody waits for it here.
    look_now(running)
    wait_until(lambda: all(health(running, store) == "healthy" for store in stores), f"{stores} are healthy", 30)


def look_now(running):
    running.cluster.sql("UPDATE store_health SET next_check_at = now() WHERE next_check_at IS NOT NULL")


def health(running, store):
    return running.store(store).json["health"]


def listed(running, words):
    return {row["store_hash"] for row in running.api("GET", f"/v1/stores?health={words}").json["data"]}


def looks(running, store):
    """The moments at which the store was asked, in seconds."""
    return [datetime.datetime.fromisoformat(one["at"]).timestamp()
            for one in running.arrived(store=store) if one["target"].endswith("/v3/hooks?limit=1")]


def changes(running, store):
    page = running.api("GET", f"/v1/events?store={store}&type=app/health_changed&limit=1000").json["data"]
    return [(event["data"]["from"], event["data"]["to"]) for event in page]


def test_each_verdict_is_told_apart_confirmed_and_taken_back(ready):
    installed(ready, WELL, *STORES.values())
    for verdict, condition in ("suspended", "suspended"), ("scope", "owner_gone"), ("plan", "plan_limit"):
        ready.control("PUT", f"/stores/{STORES[verdict]}", {"condition": condition})
    ready.control("POST", "/revoke", {"store_hash": STORES["revoked"]})
    ready.fault("too_many_requests", store=STORES["rate"], rate_limit_headers=False)
    ready.fault("reset", store=STORES["network"])
    for verdict, store in STORES.items():
        wait_until(lambda: health(ready, store) == verdict, f"{store} is {verdict}", 60)
        wait_until(lambda: changes(ready, store) == [("healthy", verdict)], f"the feed tells of {store}", 10)
        assert listed(ready, verdict) == {store}
    assert ready.store(STORES["revoked"]).json["state"] == "revoked"
    assert all(ready.store(store).json["state"] == "active" for word, store in STORES.items() if word != "revoked")
    assert health(ready, WELL) == "healthy" and changes(ready, WELL) == []

    # The list takes several words; an unknown one is refused by name.
    assert listed(ready, "suspended,plan") == {STORES["suspended"], STORES["plan"]}
    assert ready.api("GET", "/v1/stores?health=ill").status == 400
    shown = ready.cli("stores", "list", "--health", "suspended,plan", "--json").stdout
    assert {row["health_detail"] for row in json.loads(shown)["data"]} == {"store_unavailable", "plan_limit"}
    assert "suspended" in ready.cli("stores", "list", "--health", "suspended").stdout
    assert "store_unavailable" in ready.cli("stores", "show", STORES["suspended"]).stdout

    # The gauge is counted four times a minute.
    wait_until(lambda: all(scrape(ready)[f'latchkey_store_health{{health="{word}"}}'] == 1 for word in STORES),
               "the gauge has them", 30)
    page = scrape(ready)
    for verdict in STORES:
        assert page[f'latchkey_store_checks_total{{verdict="{verdict}"}}'] > 0, verdict

    ready.control("DELETE", "/faults")
    for verdict in "suspended", "scope", "plan":
        ready.control("PUT", f"/stores/{STORES[verdict]}", {"condition": "open"})
    ready.install(STORES["revoked"])
    look_now(ready)
    for verdict, store in STORES.items():
        wait_until(lambda: health(ready, store) == "healthy", f"{store} is healthy again", 60)
    for verdict in set(STORES) - {"revoked"}:
        # The feed may tell of it a moment later.
        wait_until(lambda: changes(ready, STORES[verdict]) == [("healthy", verdict), (verdict, "healthy")],
                   f"the feed tells of {verdict}", 10)


def test_a_verify_writes_the_health(ready):
    store = MANY[0]
    ready.install(store)
    ready.cluster.sql(f"UPDATE store_health SET next_check_at = now() + interval '1 hour' WHERE store_hash = '{store}'")
    assert health(ready, store) == "unknown"
    verified = ready.api("POST", f"/v1/stores/{store}/verify").json
    assert (verified["verdict"], verified["health"], verified["health_detail"]) == ("accepted", "healthy", "accepted")


def test_a_kill_during_a_look_loses_nothing(ready):
    installed(ready, SLOW)
    ready.fault("hang", store=SLOW, path="/v3/hooks")
    look_now(ready)
    before = len(looks(ready, SLOW))
    leased = f"SELECT lease_until > now() FROM store_health WHERE store_hash = '{SLOW}'"
    wait_until(lambda: ready.cluster.sql(leased) == "t", "a look is under way", 10)
    ready.kill()
    checked = ready.cluster.sql(f"SELECT checked_at FROM store_health WHERE store_hash = '{SLOW}'")
    ready.control("DELETE", "/faults")
    ready.start()
    # Nobody asks until the dead replica's lease is over: a minute, here at once.
    assert len(looks(ready, SLOW)) == before
    ready.cluster.sql(f"UPDATE store_health SET lease_until = now() WHERE store_hash = '{SLOW}'")
    wait_until(lambda: ready.cluster.sql(
        f"SELECT checked_at FROM store_health WHERE store_hash = '{SLOW}'") != checked, "it is looked at again", 10)
    assert health(ready, SLOW) == "healthy" and changes(ready, SLOW) == []


def test_a_store_with_a_fifth_of_its_quota_left_is_not_asked(ready):
    installed(ready, SPENT)
    ready.control("PUT", f"/quota/{SPENT}", {"limit": 5, "window_ms": 60_000})
    # The last of them is no good answer, so that none stands in for a look.
    for path in ["/v2/store"] * 3 + ["/v3/catalog/products/999999"]:
        ready.call(ready.key, "GET", f"/stores/{SPENT}{path}", headers={"Latchkey-Max-Wait": "60"}, timeout=90)
    assert ready.store(SPENT).json["quota"]["remaining"] == 1
    before = len(looks(ready, SPENT))
    skipped = 'latchkey_store_checks_total{verdict="skipped"}'
    already = scrape(ready)[skipped]
    look_now(ready)
    wait_until(lambda: scrape(ready)[skipped] > already, "the look was not made", 30)
    assert len(looks(ready, SPENT)) == before
    assert ready.call(ready.key, "GET", f"/stores/{SPENT}/v2/store",
                      headers={"Latchkey-Max-Wait": "60"}, timeout=90).status == 200, "the last one is for callers"


def test_a_busy_store_is_not_asked(ready):
    store = MANY[1]
    installed(ready, store)
    assert ready.call(ready.key, "GET", f"/stores/{store}/v2/store").status == 200
    before = len(looks(ready, store))
    look_now(ready)
    wait_until(lambda: ready.store(store).json["health_detail"] == "traffic", "the call stood in", 10)
    assert len(looks(ready, store)) == before


def test_two_replicas_do_not_ask_twice(ready):
    installed(ready, *MANY[2:])
    other = ready.replica("second")
    try:
        counted = {store: len(looks(ready, store)) for store in MANY[2:]}
        wait_until(lambda: all(len(looks(ready, store)) >= counted[store] + LOOKS for store in MANY[2:]),
                   f"{LOOKS} looks at each", 60 * LOOKS)
        both = [sum(value for (name, labels), value in scrape(one).values.items()
                    if name == "latchkey_store_checks_total") for one in (ready, other)]
        for store in MANY[2:]:
            moments = looks(ready, store)[counted[store]:]
            # A look is due 0.5 to 1.5 intervals after the one before.
            assert min(b - a for a, b in zip(moments, moments[1:])) > EVERY / 4, (store, moments)
    finally:
        other.stop()
    assert min(both) > 0, "both took part"


def test_stores_are_found_by_the_name_that_they_were_asked_for(ready):
    store = WELL
    ready.install(store)
    name = ready.control("GET", f"/stores/{store}")["name"]
    found = wait_until(lambda: [row for row in ready.api("GET", f"/v1/stores?q={quote(name[:8].lower())}").json["data"]
                                if row["store_hash"] == store], "its name is known", 30)
    assert found[0]["name"] == name and found[0]["domain"] == f"{store}.example"
    assert ready.api("GET", f"/v1/stores?q={store.upper()}.").json["data"][0]["store_hash"] == store
    assert name in ready.cli("stores", "list", "--q", f"{store}.ex").stdout
