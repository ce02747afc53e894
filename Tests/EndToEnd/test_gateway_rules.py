"""The gateway's own answers, their order, and what passes it unchanged."""
import time

import pytest
from deployment import request

STORE, OTHER = "demo1234", "store0002"


@pytest.fixture(scope="module")
def ready(running):
    running.install(STORE)
    running.install(OTHER)
    running.key = running.service_key(stores=[STORE], scopes=["store_v2_products_read_only"])
    return running


def refused(answer, status, code):
    assert (answer.status, answer.json["code"]) == (status, code), answer
    assert answer.headers["latchkey-origin"] == "gateway"
    assert answer.headers["content-type"].startswith("application/problem+json")
    assert answer.json["status"] == status
    assert answer.json["detail"] and answer.json["title"] and answer.json["type"]
    assert answer.json["request_id"] == answer.headers["x-request-id"]
    return answer


def untouched(ready, act):
    """Acts, and returns the answer after seeing that nothing but canaries reached BigCommerce."""
    def calls():
        return len([r for r in ready.arrived(host="api") if not r["target"].endswith("/v3/hooks?limit=1")])
    before = calls()
    answer = act()
    assert calls() == before
    return answer


@pytest.mark.parametrize("headers", [
    {}, {"Authorization": "Bearer x"}, {"Authorization": "Basic dXNlcjpwYXNz"}, {"X-Auth-Token": "lk_a_b_c"},
])
def test_without_a_valid_key_it_is_401(ready, headers):
    answer = untouched(ready, lambda: request(
        ready.internal, "GET", f"/stores/{STORE}/v3/catalog/products", headers=headers))
    refused(answer, 401, "key_invalid")


def test_the_key_may_stand_in_either_header(ready):
    path = f"/stores/{STORE}/v3/catalog/products?limit=1"
    assert request(ready.internal, "GET", path, headers={"Authorization": f"Bearer {ready.key}"}).status == 200
    assert request(ready.internal, "GET", path, headers={"X-Auth-Token": ready.key}).status == 200


def test_another_store_and_an_unknown_one_look_the_same(ready):
    known = untouched(ready, lambda: ready.call(ready.key, "GET", f"/stores/{OTHER}/v3/catalog/products"))
    unknown = untouched(ready, lambda: ready.call(ready.key, "GET", "/stores/nosuch/v3/catalog/products"))
    refused(known, 403, "grant_missing")
    refused(unknown, 403, "grant_missing")

    def shape(answer, store):
        return {k: str(v).replace(store, "") for k, v in answer.json.items() if k != "request_id"}
    assert shape(known, OTHER) == shape(unknown, "nosuch")


def test_a_scope_outside_the_grant_is_403(ready):
    answer = untouched(ready, lambda: ready.call(ready.key, "GET", f"/stores/{STORE}/v2/orders"))
    refused(answer, 403, "grant_missing")
    answer = untouched(ready, lambda: ready.call(ready.key, "POST", f"/stores/{STORE}/v3/catalog/products", {"name": "x"}))
    refused(answer, 403, "grant_missing")


def test_a_scope_that_the_store_did_not_grant_is_403(ready):
    key = ready.service_key(stores=[STORE])
    answer = untouched(ready, lambda: ready.call(key, "GET", f"/stores/{STORE}/v3/themes"))
    refused(answer, 403, "scope_missing")
    assert "store_themes_read_only" in str(answer.json["required"])
    assert answer.json["granted"]


def test_a_grant_by_label_follows_the_labels(ready):
    key = ready.service_key(stores=["label:vip"])
    path = f"/stores/{STORE}/v2/store"

    def shape(answer, store):
        return {k: str(v).replace(store, "") for k, v in answer.json.items() if k != "request_id"}
    without = refused(untouched(ready, lambda: ready.call(key, "GET", path)), 403, "grant_missing")
    unknown = refused(ready.call(key, "GET", "/stores/nosuch/v2/store"), 403, "grant_missing")
    assert shape(without, STORE) == shape(unknown, "nosuch")
    assert ready.api("GET", f"/v1/stores/{STORE}", key=ready.service_key(stores=["label:vip"], abilities=["stores:read"])
                     ).status == 403
    ready.api("PATCH", f"/v1/stores/{STORE}", {"add_labels": ["vip"]})
    assert ready.call(key, "GET", path).status == 200
    reader = ready.service_key(stores=["label:vip"], abilities=["stores:read"])
    assert ready.api("GET", f"/v1/stores/{STORE}", key=reader).status == 200
    assert [s["store_hash"] for s in ready.api("GET", "/v1/stores", key=reader).json["data"]] == [STORE]
    ready.api("PATCH", f"/v1/stores/{STORE}", {"labels": []})
    refused(untouched(ready, lambda: ready.call(key, "GET", path)), 403, "grant_missing")


def test_methods_and_paths_of_a_grant_are_limits(ready):
    key = ready.service_key(stores=[STORE], methods=["GET"], paths=["/v3/catalog/products", "/v3/catalog/products/*"])
    base = f"/stores/{STORE}/v3/catalog/products"
    assert ready.call(key, "GET", base + "?limit=1").status == 200
    assert ready.call(key, "GET", base + "/").status == 200
    for method, path, name in (("POST", base, "missing_method"), ("GET", base + "/1/images", "missing_path"),
                               ("GET", f"/stores/{STORE}/v2/store", "missing_path")):
        answer = refused(untouched(ready, lambda: ready.call(key, method, path)), 403, "grant_missing")
        assert name in answer.json, answer


def test_a_key_over_its_rate_is_429(ready):
    key, other = ready.service_key(stores=[STORE], rate=2), ready.service_key(stores=[STORE])
    path = f"/stores/{STORE}/v2/store"
    for _ in range(3):
        refused(ready.call(key, "GET", f"/stores/{OTHER}/v2/store"), 403, "grant_missing")
    assert [ready.call(key, "GET", path).status for _ in range(2)] == [200, 200]
    answer = refused(untouched(ready, lambda: ready.call(key, "GET", path)), 429, "rate_limited")
    assert 1 <= int(answer.headers["retry-after"]) <= 30 and answer.json["rate"] == 2
    refused(ready.call(key, "GET", f"/stores/{OTHER}/v2/store"), 403, "grant_missing")
    assert ready.call(other, "GET", path).status == 200


def test_graphql_and_unlisted_endpoints_take_abilities(ready):
    key = ready.service_key(stores=[STORE])
    refused(ready.call(key, "POST", f"/stores/{STORE}/graphql", {"query": "{store{name}}"}), 403, "grant_missing")
    refused(ready.call(key, "GET", f"/stores/{STORE}/v3/brand-new/thing"), 403, "grant_missing")
    more = ready.service_key(stores=[STORE], abilities=["proxy", "proxy:unlisted", "proxy:graphql"])
    assert ready.call(more, "GET", f"/stores/{STORE}/v3/brand-new/thing").headers["latchkey-origin"] == "upstream"


def test_installation_states_have_their_answers(ready):
    key = ready.service_key(stores=["*"])
    path = f"/stores/{OTHER}/v2/store"
    refused(ready.call(key, "GET", "/stores/nosuch/v2/store"), 404, "store_unknown")
    assert ready.api("POST", f"/v1/stores/{OTHER}/suspend").status == 200
    refused(untouched(ready, lambda: ready.call(key, "GET", path)), 423, "store_suspended")
    assert ready.api("POST", f"/v1/stores/{OTHER}/resume").status == 200
    assert ready.call(key, "GET", path).status == 200
    assert ready.callback("uninstall", OTHER).status == 200
    refused(untouched(ready, lambda: ready.call(key, "GET", path)), 410, "store_uninstalled")
    ready.install(OTHER)
    assert ready.call(key, "GET", path).status == 200


@pytest.mark.parametrize("headers", [
    {"Latchkey-Timeout": "0"}, {"Latchkey-Timeout": "121"}, {"Latchkey-Timeout": "x"}, {"Latchkey-Max-Wait": "-1"},
    {"Latchkey-Priority": "urgent"}, {"Latchkey-Retry": "6"},
])
def test_a_control_out_of_range_is_400(ready, headers):
    answer = untouched(ready, lambda: ready.call(
        ready.key, "GET", f"/stores/{STORE}/v3/catalog/products", headers=headers))
    refused(answer, 400, "bad_control")


def test_a_revoked_key_ends_at_once(ready):
    made = ready.api("POST", "/v1/keys", {"name": "short", "app": "default", "stores": [STORE], "scopes": ["*"],
                                          "abilities": ["proxy"]}).json
    path = f"/stores/{STORE}/v2/store"
    assert ready.call(made["key"], "GET", path).status == 200
    assert ready.api("DELETE", f"/v1/keys/{made['id']}").status in (200, 204)
    end = time.monotonic() + 2
    while ready.call(made["key"], "GET", path).status != 401:
        assert time.monotonic() < end, "a revoked key ends within 2 s"


def test_what_the_caller_may_not_send_does_not_arrive(ready):
    ready.control("DELETE", "/requests")
    answer = ready.call(ready.key, "GET", f"/stores/{STORE}/v3/catalog/products?id:in=1,2&name=%C3%A9%2F&keyword=a|b", headers={
        "X-Auth-Client": "spoofed", "X-Auth-Other": "x", "Cookie": "a=b", "X-Forwarded-For": "1.2.3.4", "Forwarded": "for=x",
        "X_Under_Score": "x", "Connection": "X-Hop", "X-Hop": "x", "Latchkey-Timeout": "20", "X-Request-Id": "caller-7",
        "Traceparent": "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01", "X-Custom": "stays"})
    assert answer.status == 200 and answer.headers["x-request-id"] == "caller-7"
    seen = ready.arrived(host="api")[-1]
    assert seen["target"] == f"/stores/{STORE}/v3/catalog/products?id:in=1,2&name=%C3%A9%2F&keyword=a|b"
    headers = {name.lower(): value for name, value in seen["headers"]}
    assert not set(headers) & {"x-auth-client", "x-auth-other", "cookie", "x-forwarded-for", "forwarded", "x_under_score",
                               "x-hop", "latchkey-timeout", "authorization"}
    assert headers["x-auth-token"] != ready.key
    assert headers["x-custom"] == "stays" and headers["x-correlation-id"] == "caller-7"
    assert headers["traceparent"].startswith("00-0af7651916cd43dd")


def test_a_body_that_is_too_large_is_413(ready):
    key = ready.service_key(stores=[STORE])
    answer = untouched(ready, lambda: request(ready.internal, "POST", f"/stores/{STORE}/v3/catalog/products", None, {
        "X-Auth-Token": key, "Content-Length": str(65 * 1024 * 1024)}))
    refused(answer, 413, "body_too_large")


@pytest.mark.parametrize("fault,status,code,outcome", [
    ({"kind": "reset"}, 502, "upstream_broken", "unknown"),
    ({"kind": "close", "at": "head"}, 502, "upstream_broken", "unknown"),
    ({"kind": "hang"}, 504, "upstream_timeout", "unknown"),
])
def test_a_broken_upstream_is_told_as_such(ready, fault, status, code, outcome):
    key = ready.service_key(stores=[STORE])
    ready.fault(**fault, store=STORE, path="/v2/customer_groups", times=1)
    answer = ready.call(key, "POST", f"/stores/{STORE}/v2/customer_groups", {"name": "x"}, {"Latchkey-Timeout": "2"})
    assert refused(answer, status, code).json["outcome"] == outcome


def test_a_body_that_is_cut_never_looks_complete(ready):
    ready.fault("truncate", store=STORE, path="/v3/catalog/products", times=1, at="body")
    with pytest.raises(Exception) as raised:
        answer = ready.call(ready.key, "GET", f"/stores/{STORE}/v3/catalog/products")
        assert answer.status == 502, answer
        raise ConnectionError("refused before the head")
    assert isinstance(raised.value, (OSError, ConnectionError)) or "IncompleteRead" in repr(raised.value)


def test_a_token_that_dies_is_revoked_and_comes_back(ready):
    key = ready.service_key(stores=["*"])
    ready.control("POST", "/revoke", {"client_id": ready.client_id, "store_hash": OTHER})
    assert ready.call(key, "GET", f"/stores/{OTHER}/v2/store").status == 401
    end = time.monotonic() + 20
    while ready.call(key, "GET", f"/stores/{OTHER}/v2/store").status != 424:
        assert time.monotonic() < end, "revoked after the confirming canary"
        time.sleep(0.2)
    assert ready.store(OTHER).json["state"] == "revoked"
    ready.install(OTHER)
    assert ready.call(key, "GET", f"/stores/{OTHER}/v2/store").status == 200
