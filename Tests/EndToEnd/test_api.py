"""The JSON API: stores, import, keys, tickets; shapes, strictness and abilities."""
import json

import pytest
from deployment import deployment, request

STORE = "demo1234"


@pytest.fixture(scope="module")
def ready(running):
    running.install(STORE)
    return running


def problem(answer, status, code=None):
    assert answer.status == status, answer
    assert answer.headers["content-type"].startswith("application/problem+json"), answer
    assert answer.json["request_id"] == answer.headers["x-request-id"]
    if code:
        assert answer.json["code"] == code, answer
    return answer.json


def test_a_store_shows_its_facts_and_never_its_token(ready):
    shown = ready.store(STORE).json
    assert shown["store_hash"] == STORE and shown["app"] == "default" and shown["state"] == "active"
    assert shown["generation"] >= 1 and "store_v2_products" in shown["scopes"]
    assert shown["missing_scopes"] == [] and shown["drift"] is False
    assert shown["installed_at"].endswith("Z")
    assert [u for u in shown["users"] if u["is_owner"]]
    for token in ready.control("GET", "/tokens"):
        assert token["access_token"] not in json.dumps(shown)


def test_a_store_shows_its_quota_and_its_last_call(ready):
    store = ready.fresh_store()
    ready.install(store)
    key = ready.service_key(stores=[store])

    def seen():
        shown = ready.store(store).json
        listed = ready.api("GET", f"/v1/stores?q={store}").json["data"][0]
        facts = {name: shown[name] for name in ("quota", "last_call_at", "last_status")}
        assert facts == {name: listed[name] for name in facts}
        return facts
    assert seen() == {"quota": None, "last_call_at": None, "last_status": None}

    assert ready.call(key, "GET", f"/stores/{store}/v2/store").status == 200
    first = seen()
    assert first["last_status"] == 200 and first["last_call_at"].endswith("Z")
    quota = first["quota"]
    assert quota["limit"] == 150 and quota["window_ms"] == 30_000 and 0 < quota["reset_ms"] <= 30_000, quota
    assert 0 < quota["remaining"] < 150 and quota["seen_at"] == first["last_call_at"]

    # An answer that says nothing of quota leaves what is known.
    ready.control("PUT", f"/quota/{store}", {"headers": False})
    assert ready.call(key, "GET", f"/stores/{store}/v3/catalog/products/999999").status == 404
    second = seen()
    assert second["last_status"] == 404 and second["last_call_at"] > first["last_call_at"]
    assert second["quota"] == quota


def test_lists_are_paged_and_filtered(ready):
    for store in ("store0002", "store0003"):
        ready.install(store)
    first = ready.api("GET", "/v1/stores?limit=2").json
    assert len(first["data"]) == 2 and isinstance(first["next"], str)
    second = ready.api("GET", f"/v1/stores?limit=2&after={first['next']}").json
    hashes = [s["store_hash"] for s in first["data"] + second["data"]]
    assert hashes == sorted(hashes) and len(set(hashes)) == 3 and second["next"] is None
    assert [s["store_hash"] for s in ready.api("GET", "/v1/stores?q=store").json["data"]] == ["store0002", "store0003"]
    assert ready.api("GET", "/v1/stores?state=suspended").json["data"] == []
    assert len(ready.api("GET", "/v1/stores?scope=store_v2_products_read_only").json["data"]) == 3
    assert len(ready.api("GET", "/v1/stores?missing_scope=store_themes_manage").json["data"]) == 3
    assert ready.api("GET", "/v1/stores?app=nosuch").json["data"] == []


def test_labels_are_set_added_removed_and_found(ready):
    store = ready.fresh_store()
    ready.install(store)

    def change(body, **options):
        return ready.api("PATCH", f"/v1/stores/{store}", body, **options)
    assert ready.store(store).json["labels"] == []
    assert change({"labels": ["vip", "eu", "vip"]}).json["labels"] == ["eu", "vip"]
    assert change({"add_labels": ["new"], "remove_labels": ["vip", "nosuch"]}).json["labels"] == ["eu", "new"]
    assert [s["store_hash"] for s in ready.api("GET", "/v1/stores?label=new").json["data"]] == [store]
    assert ready.api("GET", "/v1/stores?label=vip").json["data"] == []
    for body in ({}, {"labels": "vip"}, {"labels": ["VIP"]}, {"labels": [f"l{n}" for n in range(17)]}, {"labels": [1]},
                 {"labels": [], "add_labels": []}, {"add_labels": ["a"], "remove_labels": ["a"]}, {"state": "active"}):
        problem(change(body), 400)
    problem(change({"add_labels": [f"l{n}" for n in range(15)]}), 400)
    assert ready.store(store).json["labels"] == ["eu", "new"]
    problem(ready.api("PATCH", "/v1/stores/nosuch", {"labels": []}), 404)
    problem(change({"labels": []}, key=ready.service_key(stores=[store], abilities=["stores:read"])), 403, "grant_missing")
    problem(change({"labels": []}, key=ready.service_key(stores=["store9"], abilities=["stores:write"])), 403, "grant_missing")
    # They are the operators', not the token's: an uninstall keeps them, a purge does not.
    assert ready.callback("uninstall", store).status == 200
    ready.install(store)
    assert ready.store(store).json["labels"] == ["eu", "new"]
    assert change({"labels": []}).json["labels"] == []


@pytest.mark.parametrize("path", [
    "/v1/stores?nosuch=1", "/v1/stores?limit=0", "/v1/stores?limit=1001", "/v1/stores?limit=x", "/v1/stores?after=x",
    "/v1/deliveries?limit=0", "/v1/deliveries?after=x", "/v1/deliveries?status=nosuch", "/v1/deliveries?scope=store/*/x",
    "/v1/deliveries?signature=", "/v1/deliveries?since=today", "/v1/deliveries?store=A", "/v1/deliveries?app=A%20B", "/v1/events?wait=61",
    "/v1/events?type=", "/v1/events?after=x", "/v1/events/stream?after=x", "/v1/events/stream?wait=1",
    "/v1/stores?state=nosuch", "/v1/stores?label=-x", "/v1/stores?limit=1&limit=2",
])
def test_unknown_and_malformed_parameters_are_refused_by_name(ready, path):
    detail = problem(ready.api("GET", path), 400)["detail"]
    assert path.split("?")[1].split("=")[0] in detail


def test_a_path_that_is_written_out_goes_before_a_template(ready):
    for method, path in (("GET", "/v1/stores/import"), ("DELETE", "/v1/stores/import"), ("GET", "/v1/events/replay")):
        answer = ready.api(method, path)
        problem(answer, 405, "method_not_allowed")
        assert answer.headers["allow"] == "POST"
    problem(ready.api("POST", "/v1/stores/import?app=A%20B", b"{}\n"), 400)
    problem(ready.api("GET", "/v1/stores?q=%00"), 400)
    problem(ready.api("POST", "/v1/keys", {"name": "a\0", "app": "default", "stores": ["*"], "scopes": ["*"], "abilities": ["proxy"]}), 400)


@pytest.mark.parametrize("body", [
    {"name": "x"}, {"name": "x", "app": "default", "stores": ["*"], "scopes": ["*"], "abilities": ["nosuch"]},
    {"name": "x", "app": "default", "stores": ["*"], "scopes": ["*"], "abilities": ["proxy"], "extra": 1},
    {"name": "x", "app": "default", "stores": ["NOT A HASH"], "scopes": ["*"], "abilities": ["proxy"]},
    {"name": "x", "stores": ["*"], "scopes": ["*"], "abilities": ["proxy"]},
    *[{"name": "x", "app": "default", "stores": ["*"], "scopes": ["*"], "abilities": ["proxy"]} | change for change in (
        {"stores": ["*", STORE]}, {"stores": ["label:VIP"]}, {"stores": ["label:"]}, {"stores": [7]},
        {"rate": 0}, {"rate": 600_001}, {"rate": "7"}, {"rate": 1.5}, {"methods": []}, {"methods": ["get"]}, {"methods": ["OPTIONS"]}, {"methods": ["*", "GET"]}, {"methods": "GET"},
        {"paths": []}, {"paths": ["*"] * 2}, {"paths": ["/v3/catalog/[a-z]+"]}, {"paths": ["/v3/**/x"]}, {"paths": ["/v3/x*"]},
        {"paths": ["/v3/x/"]}, {"paths": ["v3/x"]}, {"paths": ["/v3/%2e%2e/x"]}, {"paths": [f"/v3/{n}" for n in range(65)]})],
    {"name": "x", "app": "default", "stores": ["*"], "scopes": ["*"], "abilities": ["proxy"], "expires_in": -1},
    [], "text",
])
def test_a_malformed_key_request_is_400(ready, body):
    problem(ready.api("POST", "/v1/keys", body), 400)


def test_keys_are_made_listed_rotated_and_revoked(ready):
    made = ready.api("POST", "/v1/keys", {"name": "k", "app": "default", "stores": [STORE], "scopes": ["*"],
                                          "abilities": ["proxy"], "expires_in": 3600})
    assert made.status == 201 and made.json["key"].startswith("lk_")
    listed = [k for k in ready.api("GET", "/v1/keys").json["data"] if k["id"] == made.json["id"]][0]
    assert listed["name"] == "k" and listed["stores"] == [STORE] and "key" not in listed
    assert listed["methods"] == listed["paths"] == ["*"] and listed["rate"] is None
    assert listed["expires_at"].endswith("Z")
    rotated = ready.api("POST", f"/v1/keys/{made.json['id']}/rotate")
    assert rotated.status == 201 and rotated.json["key"] != made.json["key"]
    assert ready.call(rotated.json["key"], "GET", f"/stores/{STORE}/v2/store").status == 200
    assert ready.call(made.json["key"], "GET", f"/stores/{STORE}/v2/store").status == 401
    for overlap in (-1, 2_592_001, "1h", 1.5):
        problem(ready.api("POST", f"/v1/keys/{rotated.json['id']}/rotate", {"overlap": overlap}), 400)
    second = ready.api("POST", f"/v1/keys/{rotated.json['id']}/rotate", {"overlap": 600}).json
    for key in (rotated.json["key"], second["key"]):
        assert ready.call(key, "GET", f"/stores/{STORE}/v2/store").status == 200
    listed = {k["id"]: k for k in ready.api("GET", "/v1/keys").json["data"]}
    assert listed[rotated.json["id"]]["overlap_ends_at"] and listed[second["id"]]["overlap_ends_at"] is None
    assert listed[second["id"]]["expires_at"] == listed[made.json["id"]]["expires_at"]
    assert ready.api("DELETE", f"/v1/keys/{rotated.json['id']}").status in (200, 204)
    assert ready.call(rotated.json["key"], "GET", f"/stores/{STORE}/v2/store").status == 401
    problem(ready.api("DELETE", "/v1/keys/nosuchkey0"), 404)


def test_a_key_never_grants_more_than_it_holds(ready):
    maker = ready.service_key(stores=[STORE, "label:vip"], scopes=["store_v2_orders"], abilities=["keys", "proxy"],
                              methods=["GET", "PUT"], paths=["/v2/orders/**", "/v3/orders/*/x"], rate=60)

    def ask(**change):
        body = {"name": "x", "app": "default", "stores": [STORE], "scopes": ["store_v2_orders"], "abilities": ["proxy"],
                "methods": ["PUT"], "paths": ["/v2/orders/*/products"], "rate": 60}
        return ready.api("POST", "/v1/keys", body | change, key=maker)
    assert ask().status == 201
    assert ask(scopes=["store_v2_orders_read_only"]).status == 201
    assert ask(stores=["label:vip"], methods=["HEAD"], paths=["/v2/orders/*/**", "/v3/orders/1/x"]).status == 201
    for change in ({"stores": ["*"]}, {"stores": ["store0002"]}, {"scopes": ["*"]}, {"scopes": ["store_v2_products"]},
                   {"rate": 61}, {"rate": None}, {"stores": ["label:eu"]}, {"methods": ["POST"]}, {"methods": None}, {"paths": ["*"]}, {"paths": ["/v2/orders"]},
                   {"paths": ["/v3/orders/1/y"]}, {"abilities": ["operator"]}, {"abilities": ["stores:write"]}):
        problem(ask(**change), 403, "grant_missing")


@pytest.mark.parametrize("method,path,body", [
    ("GET", "/v1/stores", None), ("GET", f"/v1/stores/{STORE}", None), ("POST", "/v1/stores", {}),
    ("POST", f"/v1/stores/{STORE}/suspend", None), ("PATCH", f"/v1/stores/{STORE}", {"labels": []}), ("DELETE", f"/v1/stores/{STORE}", None), ("GET", "/v1/keys", None),
    ("POST", "/v1/keys", {}), ("POST", "/v1/tickets/redeem", {"ticket": "x"}),
    ("GET", "/v1/events", None), ("GET", "/v1/events/evt_x", None), ("GET", "/v1/events/stream", None),
    ("GET", "/v1/deliveries", None), ("GET", "/v1/deliveries/1", None), ("POST", "/v1/deliveries/1/replay", None),
])
def test_every_route_asks_for_a_key_and_an_ability(ready, method, path, body):
    problem(request(ready.internal, method, path, body), 401, "key_invalid")
    useless = ready.service_key(stores=[STORE], abilities=["metrics"])
    problem(ready.api(method, path, body, key=useless), 403, "grant_missing")


def test_a_token_is_imported_after_a_real_call(ready):
    with_token = ready.control("POST", "/tokens", {"client_id": ready.client_id, "store_hash": "store0003"})
    dry = ready.api("POST", "/v1/stores?dry_run=true", {
        "store_hash": "store0003", "access_token": with_token["access_token"]})
    assert dry.status == 200, dry
    made = ready.api("POST", "/v1/stores", {"store_hash": "store0003", "access_token": with_token["access_token"]})
    assert made.status in (200, 201) and made.json["state"] == "active" and made.json["source"] == "import"
    problem(ready.api("POST", "/v1/stores", {"store_hash": "store0003", "access_token": "wrongtoken000000"}), 422)
    assert ready.store("store0003").json["state"] == "active"
    assert ready.api("POST", "/v1/stores/store0003/verify").json["state"] == "active"


def test_many_are_imported_from_lines(ready):
    token = ready.control("POST", "/tokens", {"client_id": ready.client_id, "store_hash": "store0002"})["access_token"]
    lines = "\n".join([json.dumps({"store_hash": "store0002", "access_token": token}),
                       json.dumps({"store_hash": "store0003", "access_token": "wrongtoken000000"}), "not json", ""])
    answer = request(ready.internal, "POST", "/v1/stores/import", lines.encode(), {
        "Authorization": f"Bearer {ready.operator_key}", "Content-Type": "application/x-ndjson"}, timeout=60)
    assert answer.status == 200, answer
    results = answer.json["data"]
    assert [r["line"] for r in results] == [1, 2, 3]
    assert [r["result"] for r in results] == ["imported", "refused", "refused"]
    assert token not in answer.text


def test_an_import_gives_labels(ready):
    token = ready.control("POST", "/tokens", {"client_id": ready.client_id, "store_hash": "store0003"})["access_token"]
    bring = {"store_hash": "store0003", "access_token": token}
    before = len(ready.arrived(host="api", store="store0003"))
    for wrong in (["VIP"], "vip", [f"l{n}" for n in range(17)]):
        problem(ready.api("POST", "/v1/stores", bring | {"labels": wrong}), 400)
    problem(ready.api("POST", "/v1/stores", bring | {"label": ["vip"]}), 400)
    assert len(ready.arrived(host="api", store="store0003")) == before
    made = ready.api("POST", "/v1/stores", bring | {"labels": ["vip", "eu"]})
    assert (made.status, made.json["labels"]) == (201, ["eu", "vip"]), made
    assert ready.api("POST", "/v1/stores", bring).json["labels"] == ["eu", "vip"]
    dry = ready.api("POST", "/v1/stores?dry_run=true", bring | {"labels": ["other"]})
    assert dry.status == 200 and ready.store("store0003").json["labels"] == ["eu", "vip"]

    lines = ready.folder / "stores.ndjson"
    lines.write_text("\n".join(json.dumps(bring | {"labels": labels}) for labels in (["late", "eu"], ["not ok"])))
    result = ready.cli("stores", "import", str(lines), check=False)
    assert result.returncode == 1 and "1 imported, 1 refused" in result.stdout, result
    assert ready.store("store0003").json["labels"] == ["eu", "late"]
    key = ready.service_key(stores=["label:late"])
    assert ready.call(key, "GET", "/stores/store0003/v2/store").status == 200


def test_delete_destroys_the_token_and_purge_the_data(ready):
    assert ready.api("DELETE", "/v1/stores/store0002").status in (200, 204)
    assert ready.store("store0002").json["state"] == "uninstalled"
    assert ready.api("DELETE", "/v1/stores/store0002?purge=true").status in (200, 204)
    gone = ready.store("store0002")
    assert gone.status == 404 or gone.json["users"] == []


def test_a_ticket_is_redeemed_once():
    with deployment(settings={"APP_URL": "http://127.0.0.1:1/front"}) as running:
        query = running.callback_query(STORE)
        answer = request(running.public, "GET", f"/auth/callback?{query}")
        assert answer.status == 303 and answer.headers["location"].startswith("http://127.0.0.1:1/front?ticket=")
        token = running.signed_payload(STORE, url="/customers/7", channel_id=3)
        answer = request(running.public, "GET", f"/auth/load?signed_payload_jwt={token}")
        assert answer.status == 303, answer
        ticket = answer.headers["location"].split("ticket=")[1]
        redeemed = running.api("POST", "/v1/tickets/redeem", {"ticket": ticket})
        assert redeemed.status == 200, redeemed
        assert redeemed.json["store_hash"] == STORE and redeemed.json["channel_id"] == 3
        assert "/customers/7" in json.dumps(redeemed.json)
        assert running.api("POST", "/v1/tickets/redeem", {"ticket": ticket}).status == 404
