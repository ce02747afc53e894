"""What calls came to: the API and the command line tell it soon, by store, caller and family, and across a restart."""
import json

import pytest
from deployment import wait_until


def total(running, query):
    answer = running.api("GET", f"/v1/usage?step=total&{query}")
    assert answer.status == 200, answer
    rows = answer.json["data"]
    assert len(rows) <= 1
    return rows[0] if rows else {"calls": 0}


@pytest.fixture(scope="module")
def called(running):
    """Two stores, called by two keys; the second key's rate is spent."""
    running.first, running.second = running.fresh_store(), running.fresh_store()
    for store in (running.first, running.second):
        running.install(store)
    running.mine, running.other = running.service_key(), running.service_key(stores=[running.second], rate=2)
    for _ in range(5):
        assert running.call(running.mine, "GET", f"/stores/{running.first}/v3/catalog/products?limit=1").status == 200
    assert running.call(running.mine, "GET", f"/stores/{running.first}/v3/catalog/products/99999999").status == 404
    statuses = [running.call(running.other, "GET", f"/stores/{running.second}/v2/store").status for _ in range(3)]
    assert statuses == [200, 200, 429]
    wait_until(lambda: total(running, f"store={running.first}")["calls"] >= 6, "it is written", 20)
    wait_until(lambda: total(running, f"store={running.second}")["calls"] >= 3, "it is written", 20)
    return running


def test_each_call_is_counted_once_with_its_outcome(called):
    first = total(called, f"store={called.first}&by=caller,family")
    assert (first["calls"], first["rejected"], first["throttled"], first["failed"]) == (6, 1, 0, 0)
    assert first["family"] == "v3/catalog reads"
    assert first["caller_name"] == "e2e" and called.mine.startswith("lk_") and first["caller"] in called.mine
    assert first["received_bytes"] > 100 and 0 < first["latency"]["p50"] <= first["latency"]["p99"] < 30
    second = total(called, f"store={called.second}")
    assert (second["calls"], second["throttled"]) == (3, 1)
    fleet = total(called, "app=default")
    assert fleet["calls"] >= 9
    by_store = called.api("GET", "/v1/usage?step=total&by=store&limit=1").json
    assert by_store["data"][0]["store_hash"] and by_store["next"]
    rest = called.api("GET", f"/v1/usage?step=total&by=store&after={by_store['next']}").json
    assert by_store["data"][0]["store_hash"] < rest["data"][0]["store_hash"]


def errors(running, store, key=None):
    answer = running.api("GET", f"/v1/stores/{store}/errors", key=key)
    assert answer.status == 200 and answer.json["next"] is None, answer
    return answer.json["data"]


def test_a_store_s_failed_calls_are_listed_with_their_request_ids(called):
    store, path = "demo1234", "/v3/catalog/products"
    called.install(store)
    mine = called.service_key(stores=[store], name="orders")
    def call(*arguments, **options):
        return called.call(mine, *arguments, **options)
    wait_until(lambda: call("GET", f"/stores/{store}{path}?limit=1").status == 200, "the key counts", 5)
    missing = call("GET", f"/stores/{store}{path}/99999999?email=jo%40example.com")
    assert missing.status == 404
    first = wait_until(lambda: errors(called, store), "it is written", 20)
    assert len(first) == 1 and first[0]["caller"] in mine and first[0]["at"].endswith("Z")
    assert first[0]["request_id"] == missing.headers["x-request-id"] and 0 <= first[0]["duration_ms"] < 30_000
    assert {name: first[0][name] for name in ("method", "path", "status", "code", "outcome")} == {
        "method": "GET", "path": f"{path}/99999999", "status": 404, "code": None, "outcome": "answered"}
    # Many of one kind leave the rare one where it is; nothing that stands in a query or a body is kept.
    for number in range(15):
        answer = call("POST", f"/stores/{store}{path}?secret={number}", b'{"name":"hush"}', {"Content-Type": "application/json"})
        assert answer.status == 422
    called.api("POST", f"/v1/stores/{store}/suspend")
    wait_until(lambda: call("GET", f"/stores/{store}{path}", headers={"X-Request-Id": "mine-1"}).status == 423, "it is suspended", 5)
    found = wait_until(lambda: (all := errors(called, store))[0]["status"] == 423 and all, "they are written", 20)
    assert {one["status"] for one in found} == {404, 422, 423}
    assert len([one for one in found if one["status"] == 422]) == 10
    assert (found[0]["code"], found[0]["outcome"], found[0]["request_id"]) == ("store_suspended", "not_sent", "mine-1")
    assert not [word for word in ("hush", "secret", "example.com", "?") if word in json.dumps(found)]
    assert [one["at"] for one in found] == sorted((one["at"] for one in found), reverse=True)
    # Who may see the store may see them; the command line shows the same.
    key = called.service_key(stores=[store], abilities=["stores:read"])
    wait_until(lambda: called.api("GET", "/v1/stores", key=key).status == 200, "the key counts", 5)
    assert errors(called, store, key) == found
    for other in (called.first, "nosuch"):
        assert called.api("GET", f"/v1/stores/{other}/errors", key=key).status == 403
    assert called.api("GET", f"/v1/stores/{store}/errors", key=mine).status == 403
    assert called.api("GET", "/v1/stores/nosuch/errors").status == 404
    assert json.loads(called.cli("stores", "errors", store, "--json").stdout)["data"] == found
    assert "store_suspended" in called.cli("stores", "errors", store).stdout
    # They go with the store's data.
    called.api("DELETE", f"/v1/stores/{store}?purge=true")
    assert errors(called, store) == []


def test_a_key_for_some_stores_sees_only_those(called):
    key = called.service_key(stores=[called.second], abilities=["stores:read"])
    wait_until(lambda: called.api("GET", "/v1/stores", key=key).status == 200, "the key counts", 5)
    assert called.api("GET", f"/v1/usage?store={called.second}", key=key).json["data"]
    for query in ("", "by=store", f"store={called.first}"):
        answer = called.api("GET", f"/v1/usage?{query}", key=key)
        assert (answer.status, answer.json["code"]) == (403, "grant_missing"), query
    assert called.api("GET", f"/v1/usage?store={called.second}", key=called.other).status == 403


@pytest.mark.parametrize("query", [
    "step=week", "by=shop", "since=yesterday", "since=2026-01-01T00:00:00Z&until=2025-01-01T00:00:00Z",
    "since=2020-01-01T00:00:00Z&until=2026-01-01T00:00:00Z", "after=x", "limit=0", "nonsense=1"])
def test_a_question_that_is_not_one_is_refused_by_name(called, query):
    answer = called.api("GET", f"/v1/usage?{query}")
    assert answer.status == 400 and query.split("=")[0] in answer.json["detail"], answer


def test_the_command_line_shows_it(called):
    table = called.cli("usage", "--by", "store", "--step", "total").stdout
    assert table.startswith("STORE") and called.first in table and " ms" in table
    minutes = json.loads(called.cli("usage", "--store", called.first, "--since", "1h", "--json").stdout)["data"]
    assert sum(row["calls"] for row in minutes) == 6 and all(row["starts_at"].endswith(":00.000Z") for row in minutes)


def test_what_is_not_written_yet_is_written_at_the_exit(called):
    for _ in range(7):
        assert called.call(called.mine, "GET", f"/stores/{called.first}/v2/store").status == 200
    called.stop()
    called.start()
    assert total(called, f"store={called.first}")["calls"] == 13


def test_without_days_to_keep_nothing_is_counted(called):
    before = total(called, f"store={called.second}")["calls"]
    called.stop()
    called.start(LATCHKEY_RETENTION_USAGE="0")
    assert called.call(called.mine, "GET", f"/stores/{called.second}/v2/store").status == 200
    # At its exit it would have written what it counted.
    called.stop()
    called.start()
    assert total(called, f"store={called.second}")["calls"] == before
