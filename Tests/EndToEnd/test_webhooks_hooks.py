"""Webhooks are registered after an install, kept as they should be, and removed when nobody wants them."""
import json
import urllib.parse

import pytest
from deployment import deployment, request, wait_until

SCOPES = ["store/order/*", "store/product/updated"]
EXCEPTIONS = "store/hook/deliveryException"
GONE = "store/app/uninstalled"
WANTED = sorted([*SCOPES, EXCEPTIONS, GONE])


@pytest.fixture(scope="module")
def ready():
    with deployment(stores=20, settings={
            "BIGCOMMERCE_WEBHOOKS": "order/* store/order/created store/product/updated",
            "LATCHKEY_METRICS_OPEN": "true"}) as made:
        yield made


def hooks(ready, store):
    return ready.control("GET", f"/hooks/{store}")


def ours(ready, store):
    prefix = f"http://127.0.0.1:{ready.public}/webhooks/default/"
    return [h for h in hooks(ready, store)
            if h["destination"].startswith(prefix) and h["client_id"] == ready.client_id]


def state(ready, store):
    return ready.api("GET", f"/v1/webhooks?store={store}").json["data"][0]


def in_step(ready, store, seconds=15):
    return wait_until(lambda: state(ready, store)["state"] == "in_step" and state(ready, store), "in step", seconds)


def installed(ready):
    store = ready.fresh_store()
    ready.install(store)
    in_step(ready, store)
    return store


def platform(ready, store, method, path, body=None, client_id=None):
    """A call with a token of the store, past Latchkey."""
    tokens = ready.control("GET", "/tokens")
    token = next(t["access_token"] for t in tokens
                 if t["store_hash"] == store and t["client_id"] == (client_id or ready.client_id))
    answer = request(ready.sandbox_port, method, f"/stores/{store}/v3/hooks{path}", body, {"X-Auth-Token": token})
    assert answer.status < 300, answer
    return answer.json["data"]


def applied(ready, store):
    assert ready.api("POST", "/v1/webhooks/apply", {"stores": [store]}).json == {"stores": 1}
    return in_step(ready, store)


def plan(ready, store):
    return ready.api("POST", "/v1/webhooks/plan", {"stores": [store]}).json["data"][0]


def events(ready, store):
    data = ready.api("GET", f"/v1/events?store={store}&limit=100").json["data"]
    return [e["type"] for e in data if e["type"].startswith("app/webhook")]


def test_an_install_has_its_webhooks_within_15_seconds(ready):
    store = ready.fresh_store()
    ready.install(store)
    record = in_step(ready, store)
    assert record["wanted"] == WANTED and record["hooks_active"] == 4
    made = ours(ready, store)
    assert sorted(h["scope"] for h in made) == WANTED
    assert all(h["is_active"] and list(h["headers"]) == ["X-Latchkey-Webhook-Secret"] for h in made)
    assert len({json.dumps(h["headers"]) for h in made}) == 1
    places = {h["scope"]: urllib.parse.urlsplit(h["destination"]).path for h in made}
    token = places["store/order/*"].split("/")[3]
    assert len(token) == 32
    assert places == {EXCEPTIONS: f"/webhooks/default/{token}/exceptions"} | dict.fromkeys(
        [*SCOPES, GONE], f"/webhooks/default/{token}")
    assert ready.store(store).json["hooks"] == {"state": "in_step", "wanted": 4, "active": 4, "failure": None}
    shown = ready.api("GET", "/v1/webhooks").text + ready.store(store).text + ready.log.read_text()
    assert token not in shown and made[0]["headers"]["X-Latchkey-Webhook-Secret"] not in shown


def test_a_new_token_changes_nothing_and_the_address_stays(ready):
    store = installed(ready)
    before = ours(ready, store)
    ready.install(store)
    in_step(ready, store)
    assert ready.store(store).json["generation"] == 2
    wait_until(lambda: ours(ready, store) == before and state(ready, store)["state"] == "in_step", "unchanged")


def test_what_was_switched_off_is_found_and_switched_on(ready):
    store = installed(ready)
    off = next(h for h in ours(ready, store) if h["scope"] == "store/order/*")
    ready.control("PUT", f"/hooks/{store}/{off['id']}", {"age_days": 91})
    assert not next(h for h in hooks(ready, store) if h["id"] == off["id"])["is_active"]
    action = plan(ready, store)["actions"]
    assert [(a["action"], a["hook_id"], a["reasons"]) for a in action] == [("update", off["id"], ["deactivated"])]
    record = applied(ready, store)
    assert record["hooks_active"] == 4
    assert next(h for h in hooks(ready, store) if h["id"] == off["id"])["is_active"]
    wait_until(lambda: events(ready, store) == [
        "app/webhook_deactivated", "app/webhook_reactivated", "app/webhooks_repaired"], "told")
    assert state(ready, store)["deactivated_since_at"] is None
    assert plan(ready, store)["in_step"]


def test_strays_of_ours_go_and_others_stay(ready):
    store = installed(ready)
    base = f"http://127.0.0.1:{ready.public}/webhooks"
    stray = platform(ready, store, "POST", "", {"scope": "store/cart/*", "destination": f"{base}/default/lost"})
    foreign = platform(ready, store, "POST", "", {
        "scope": "store/order/*", "destination": "https://elsewhere.example.com/hooks"})
    neighbour = platform(ready, store, "POST", "", {"scope": "store/cart/*", "destination": f"{base}/second/x"})
    applied(ready, store)
    ids = {h["id"] for h in hooks(ready, store)}
    assert stray["id"] not in ids and {foreign["id"], neighbour["id"]} <= ids and len(ids) == 6


def test_another_app_s_webhooks_are_not_even_seen(ready):
    store = installed(ready)
    other = "otherclient0000000000000000000"
    ready.control("POST", "/apps", {"client_id": other, "client_secret": "s" * 40, "name": "other",
                                    "origin": "http://127.0.0.1:1"})
    ready.control("POST", "/tokens", {"client_id": other, "store_hash": store, "scope": "store_v2_orders"})
    theirs = platform(ready, store, "POST", "", {
        "scope": "store/cart/*", "destination": f"http://127.0.0.1:{ready.public}/webhooks/default/x"}, client_id=other)
    applied(ready, store)
    assert theirs["id"] in {h["id"] for h in hooks(ready, store)}
    ready.control("DELETE", f"/apps/{other}")


def test_destination_and_headers_are_put_right(ready):
    store = installed(ready)
    before = {h["id"]: h for h in ours(ready, store)}
    first, second, *_ = sorted(before)
    platform(ready, store, "PUT", f"/{first}", {"headers": {"X-Other": "1"}})
    platform(ready, store, "PUT", f"/{second}", {
        "destination": before[second]["destination"].replace("127.0.0.1", "localhost")})
    reasons = {a["hook_id"]: a["reasons"] for a in plan(ready, store)["actions"]}
    assert reasons == {first: ["headers"], second: ["destination"]}
    applied(ready, store)
    after = {h["id"]: h for h in ours(ready, store)}
    for hook in before:
        assert after[hook]["destination"] == before[hook]["destination"]
        assert after[hook]["headers"] == before[hook]["headers"]


def test_a_deleted_one_is_made_again(ready):
    store = installed(ready)
    gone = ours(ready, store)[0]
    platform(ready, store, "DELETE", f"/{gone['id']}")
    applied(ready, store)
    assert sorted(h["scope"] for h in ours(ready, store)) == WANTED


@pytest.mark.parametrize("status", [409, 422])
def test_one_that_is_there_after_all_is_not_made_twice(ready, status):
    """The platform made it, but said otherwise: it is looked for, not made again."""
    store = ready.fresh_store()
    ready.fault("status", status=status, body={"status": status, "title": "exists"}, method="POST", path="/v3/hooks",
                store=store, times=1, carry_out=True)
    ready.install(store)
    in_step(ready, store)
    assert sorted(h["scope"] for h in ours(ready, store)) == WANTED and len(hooks(ready, store)) == 4


def test_trouble_is_told_and_tried_again(ready):
    store = ready.fresh_store()
    ready.fault("status", status=500, path="/v3/hooks", store=store, times=3)
    ready.install(store)
    wait_until(lambda: state(ready, store)["state"] == "failed", "failed")
    assert state(ready, store)["failure"] == "platform"
    in_step(ready, store, 30)


def test_a_rotation_moves_all_of_them_and_removes_none(ready):
    store = installed(ready)
    before = ours(ready, store)
    assert ready.api("POST", "/v1/webhooks/rotate", {"store_hash": store}).status == 204
    def moved():
        after = ours(ready, store)
        return {h["id"] for h in after} == {h["id"] for h in before} and not (
            {h["destination"] for h in after} & {h["destination"] for h in before}) and after
    after = wait_until(moved, "moved", 15)
    assert after[0]["headers"] != before[0]["headers"]
    assert ready.api("POST", "/v1/webhooks/rotate", {"store_hash": "nosuch"}).status == 404


def test_an_uninstall_parks_and_a_new_install_has_another_address(ready):
    store = installed(ready)
    before = ours(ready, store)[0]["destination"]
    ready.control("POST", "/uninstall", {"store_hash": store})
    wait_until(lambda: state(ready, store)["state"] == "parked", "parked")
    assert state(ready, store)["hooks"] == []
    ready.install(store)
    in_step(ready, store)
    assert ours(ready, store) and before not in {h["destination"] for h in ours(ready, store)}


def test_the_command_line_plans_applies_and_lists(ready):
    store = installed(ready)
    platform(ready, store, "DELETE", f"/{ours(ready, store)[0]['id']}")
    planned = ready.cli("webhooks", "plan", store, check=False)
    assert planned.returncode == 3 and "create" in planned.stdout, planned
    dry = ready.cli("webhooks", "apply", store, "--dry-run").stdout
    assert "create" in dry and len(ours(ready, store)) == 3
    assert ready.cli("webhooks", "apply", store, check=False).returncode == 2
    assert "1 of 1 stores are as they should be." in ready.cli("webhooks", "apply", store, "--yes").stdout
    assert len(ours(ready, store)) == 4
    assert "1 of 1" in ready.cli("webhooks", "plan", store).stdout
    listed = json.loads(ready.cli("webhooks", "list", "--store", store, "--json").stdout)["data"]
    assert [row["state"] for row in listed] == ["in_step"]
    assert "in_step" in ready.cli("webhooks", "list").stdout


def test_keys_see_and_change_their_own_stores_only(ready):
    mine, other = installed(ready), ready.fresh_store()
    reader = ready.service_key(stores=[mine], abilities=("stores:read",))
    answer = ready.api("GET", "/v1/webhooks", key=reader).json
    assert [row["store_hash"] for row in answer["data"]] == [mine]
    assert sum(answer["counts"].values()) == 1
    assert ready.api("POST", "/v1/webhooks/apply", {}, key=reader).status == 403
    assert ready.api("POST", "/v1/webhooks/plan", {"stores": [other]}, key=reader).status == 403
    writer = ready.service_key(stores=[mine], abilities=("stores:write",))
    assert ready.api("POST", "/v1/webhooks/apply", {}, key=writer).json == {"stores": 1}
    assert ready.api("GET", "/v1/webhooks?state=nosuch").status == 400
    assert ready.api("POST", "/v1/webhooks/apply", {"store": "x"}).status == 400


def test_metrics_tell_what_was_done(ready):
    page = request(ready.internal, "GET", "/metrics").text
    lines = dict(line.rsplit(" ", 1) for line in page.splitlines() if line.startswith("latchkey_webhook"))
    assert float(lines['latchkey_webhook_checks_total{outcome="repaired"}']) > 0
    assert float(lines['latchkey_webhook_changes_total{change="create"}']) >= 3
    assert lines["latchkey_webhooks_blocked_seconds"] == "0"


def test_a_block_is_told_once(ready):
    first, second = installed(ready), installed(ready)
    ready.control("PUT", "/webhooks", {"faults": [{"kind": "dead"}]})
    ready.control("POST", "/events", {"scope": "store/order/created", "store_hash": first, "count": 130})
    wait_until(lambda: platform(ready, first, "GET", "/admin")["blocked_domains"], "blocked")
    assert applied(ready, first)["blocked_until_at"].endswith("Z")
    applied(ready, second)
    wait_until(lambda: events(ready, first) == ["app/webhooks_blocked"], "told")
    assert events(ready, second) == []
    page = request(ready.internal, "GET", "/metrics").text
    assert "latchkey_webhooks_blocked_seconds 0" not in page
    ready.control("PUT", "/webhooks", {"faults": []})


def test_nobody_wants_any_after_the_setting_is_gone(ready):
    stores = [row["store_hash"] for row in ready.api("GET", "/v1/webhooks?state=in_step").json["data"]]
    assert stores
    ready.stop()
    del ready.settings["BIGCOMMERCE_WEBHOOKS"]
    ready.start()
    wait_until(lambda: not any(ours(ready, store) for store in stores), "all of ours are gone", 30)
