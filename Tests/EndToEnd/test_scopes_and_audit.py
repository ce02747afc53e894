"""What stores granted beside what is required, and who did what: over the API and the command line."""
import json

import pytest
from deployment import SCOPES, deployment, wait_until


@pytest.fixture(scope="module")
def ready():
    """Five stores granted what the sandbox's app asks for; then the settings require one scope more, and a sixth has it."""
    with deployment(stores=8, settings={"BIGCOMMERCE_SCOPES": SCOPES}) as made:
        made.old = sorted(made.fresh_store() for _ in range(5))
        for store in made.old:
            made.install(store)
        made.stop()
        made.settings["BIGCOMMERCE_SCOPES"] = f"{SCOPES} store_v2_marketing_read_only"
        made.control("PUT", f"/apps/{made.client_id}", {"scopes": f"{SCOPES} store_v2_marketing"})
        made.start()
        made.new = made.fresh_store()
        made.install(made.new)
        yield made


def drift(ready, query="", key=None):
    answer = ready.api("GET", f"/v1/scopes/drift?{query}", key=key)
    assert answer.status == 200, answer
    return answer.json


def test_it_says_who_lacks_what_since_when(ready):
    found = drift(ready)
    assert (found["installed"], found["missing"]) == (6, 5)
    assert {s["scope"]: s["missing"] for s in found["by_scope"]}["store_v2_marketing_read_only"] == 5
    assert sum(s["missing"] for s in found["by_scope"]) == 5
    assert [s["store_hash"] for s in found["data"]] == ready.old
    for store in found["data"]:
        assert store["missing_scopes"] == ["store_v2_marketing_read_only"]
        assert store["since_at"] == found["required_scopes_changed_at"] > store["token_stored_at"]
    # What grants more than is required is enough.
    assert [s["store_hash"] for s in drift(ready, "status=granted")["data"]] == [ready.new]
    assert [s["store_hash"] for s in drift(ready, "status=all")["data"]] == sorted([*ready.old, ready.new])


def test_it_says_what_another_requirement_would_mean(ready):
    nobody = drift(ready, "also=store_v2_information_read_only+store_made_up")
    assert nobody["missing"] == nobody["installed"] == 6
    assert nobody["data"][0]["since_at"] is None and "store_made_up" in nobody["data"][0]["missing_scopes"]
    assert "store_made_up" in nobody["scopes"] and "store_made_up" not in nobody["required_scopes"]
    fine = drift(ready, f"scopes={SCOPES.split()[0]}")
    assert (fine["missing"], fine["data"]) == (0, [])
    pages, after = [], ""
    while True:
        page = drift(ready, "limit=2" + (f"&after={after}" if after else ""))
        pages += [s["store_hash"] for s in page["data"]]
        after = page["next"]
        if not after:
            break
    assert pages == ready.old


def test_a_key_sees_its_own_stores_and_their_number(ready):
    key = ready.service_key(stores=[ready.old[0], ready.new], abilities=["stores:read"])
    wait_until(lambda: ready.api("GET", "/v1/stores", key=key).status == 200, "the key counts", 5)
    found = drift(ready, key=key)
    assert (found["installed"], found["missing"], [s["store_hash"] for s in found["data"]]) == (2, 1, [ready.old[0]])
    assert ready.api("GET", "/v1/scopes/drift", key=ready.service_key()).status == 403


def test_the_command_line_shows_drift_and_ends_with_3(ready):
    shown = ready.cli("scopes", "drift", check=False)
    assert shown.returncode == 3 and "5 of 6 merchants have to agree once more." in shown.stdout
    assert all(store in shown.stdout for store in ready.old)
    assert json.loads(ready.cli("scopes", "drift", "--json", check=False).stdout)["missing"] == 5
    fine = ready.cli("scopes", "drift", "--scopes", SCOPES)
    assert "All 6 stores have granted this." in fine.stdout


@pytest.mark.parametrize("query", ["status=x", "scopes=", "also=,", "app=UPPER", "after=x", "what=1"])
def test_a_question_about_drift_that_is_not_one_is_refused(ready, query):
    answer = ready.api("GET", f"/v1/scopes/drift?{query}")
    assert answer.status == 400 and query.split("=")[0] in answer.json["detail"], answer


def test_the_trail_says_who_did_what(ready):
    store = ready.old[1]
    assert ready.api("POST", f"/v1/stores/{store}/suspend").status == 200
    assert ready.api("POST", f"/v1/stores/{store}/resume").status == 200
    acts = ready.api("GET", f"/v1/audit?store={store}").json["data"]
    assert [act["action"] for act in acts] == ["resume", "suspend", "install"]
    assert acts[0]["actor_name"] == "e2e" and acts[2]["actor"] == "bigcommerce" and acts[0]["request_id"]
    only = ready.api("GET", f"/v1/audit?store={store}&action=suspend&actor={acts[0]['actor']}").json["data"]
    assert [act["action"] for act in only] == ["suspend"]
    everything, after = [], ""
    while True:
        page = ready.api("GET", "/v1/audit?limit=3" + (f"&after={after}" if after else "")).json
        everything += page["data"]
        after = page["next"]
        if not after:
            break
    numbers = [int(act["id"]) for act in everything]
    assert numbers == sorted(set(numbers), reverse=True) and len(numbers) >= 10
    assert ready.operator_key not in json.dumps(everything)
    table = ready.cli("audit", "--store", store).stdout
    assert "suspend" in table and "ACTION" in table
    assert ready.api("GET", "/v1/audit", key=ready.service_key(abilities=["stores:read"])).status == 403
    assert ready.api("GET", "/v1/audit?since=x").status == 400
