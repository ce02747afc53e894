"""Who may do what, over real HTTP: every ability with every operation of the description and every page and act of the
console; and keys for some stores, which see nothing of the others: not in a list, a count or a download, nor by a refusal.

What the handlers answer for every set of abilities is compared in Tests/WebTests/AbilityMatrixTests.swift.
"""
import contextlib
import http.client
import itertools
import json
import re

import pytest
from deliveries import fire
from deployment import deployment, wait_until
from receiver import Receiver
from test_console import visitor

METHODS = {"get", "head", "post", "put", "patch", "delete"}
MINE, LABELLED, FOREIGN, GONE = "store0002", "store0003", "store0004", "store0005"
NEVER = "store9999"


def operations(made):
    """Every operation: its name, method, path, the ability that it declares, and whether it asks for a key."""
    document = made.api("GET", "/openapi.json").json
    found = [(one["operationId"], method.upper(), path, one.get("x-ability"), one.get("security") != [])
             for path, item in document["paths"].items() for method, one in item.items() if method in METHODS]
    # Of BigCommerce's endpoints one that its tables list is asked; they list none with PATCH.
    return [(name, method, path.replace("{version}/{path}", "v3/hooks" + "/1" * (method in ("PUT", "DELETE"))),
             "proxy:unlisted" if method == "PATCH" and "{version}" in path else ability, is_closed)
            for name, method, path, ability, is_closed in found]


def filled(path, store=NEVER, name="nosuch0000aa"):
    return path.replace("{store_hash}", store).replace("{id}", name)


def ask(port, method, path, key=None, body=None):
    """Status and body without what differs from call to call; of a stream, its head only."""
    headers = {"Authorization": f"Bearer {key}"} if key else {}
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
    with contextlib.closing(connection):
        connection.request(method, path, body, headers)
        answer = connection.getresponse()
        if answer.getheader("content-type") == "text/event-stream":
            return answer.status, ""
        text = answer.read().decode()
        return answer.status, text.replace(answer.getheader("x-request-id"), "-")


def single(made):
    """A key for each ability alone, for all stores."""
    document = made.api("GET", "/openapi.json").json
    words = document["components"]["schemas"]["KeyOrder"]["properties"]["abilities"]["items"]["enum"]
    assert len(words) >= 10
    return {word: made.service_key(abilities=[word]) for word in words}


def holds(word, ability):
    return ability is None or word in (ability, "operator")


@pytest.fixture(scope="module")
def running():
    with Receiver() as receiver, deployment(stores=6, settings={
            "BIGCOMMERCE_WEBHOOKS": "store/order/*", "LATCHKEY_TRUSTED_PROXIES": "127.0.0.1"}) as made:
        made.keys = single(made)
        made.empty = refused(made)
        for store in (MINE, LABELLED, FOREIGN, GONE):
            made.install(store)
        made.api("PATCH", f"/v1/stores/{LABELLED}", {"labels": ["vip"]})
        made.api("PATCH", f"/v1/stores/{FOREIGN}", {"labels": ["other"]})
        counts = lambda: made.api("GET", "/v1/webhooks").json["counts"]
        wait_until(lambda: counts()["in_step"] == 4, "hooks are there")
        for store in (MINE, LABELLED, FOREIGN, GONE):
            fire(made, [store], count=2)
        wait_until(lambda: len(made.api("GET", "/v1/deliveries").json["data"]) == 8, "deliveries came")
        for store in (MINE, LABELLED, FOREIGN, GONE):
            assert made.call(made.keys["proxy"], "GET", f"/stores/{store}/v2/store").status == 200
        made.api("DELETE", f"/v1/stores/{GONE}")
        for stores in ([MINE], [FOREIGN], ["*"]):
            answer = made.api("POST", "/v1/subscriptions", {
                "url": receiver.url, "types": ["*"], "app": "default", "stores": stores, "name": f"for {stores[0]}"})
            assert answer.status == 201, answer
        yield made


def refused(made):
    """What is answered to each key without the ability, and to none."""
    answers = {}
    for name, method, path, ability, _ in operations(made):
        for word in [word for word in made.keys if not holds(word, ability)]:
            answers[name, word] = ask(made.internal, method, filled(path), made.keys[word])
    return answers


def test_every_operation_answers_its_ability_and_no_other(running):
    cells = 0
    for (name, method, path, ability, is_closed), store in itertools.product(operations(running), (NEVER, FOREIGN)):
        if store != NEVER and ("{store_hash}" not in path or method == "DELETE"):
            continue
        target = filled(path, store)
        status, text = ask(running.internal, method, target)
        assert status == (401 if is_closed else 200), (name, text)
        for word, key in running.keys.items():
            cells += 1
            status, text = ask(running.internal, method, target, key)
            if holds(word, ability):
                assert status not in (401, 405, 500) and (status != 403 or "missing_ability" not in text), (name, word, status, text)
            else:
                said = {} if method == "HEAD" else json.loads(text)
                assert status == 403 and said.get("missing_ability", ability) == ability, (name, word, status, text)
                assert said.get("code", "grant_missing") == "grant_missing", (name, word, text)
    print(f"{cells} cells, {len(operations(running))} operations, {len(running.keys)} abilities")
    assert cells > 450
    running.api("POST", f"/v1/stores/{FOREIGN}/resume")


def test_a_refusal_says_nothing_of_stores_or_how_many_there_are(running):
    # The same bytes as before the first store was installed, and for a store that exists as for one that does not.
    now = refused(running)
    assert now.keys() == running.empty.keys() and len(now) > 300
    for (name, word), answer in now.items():
        assert answer == running.empty[name, word], (name, word)
    for name, method, path, ability, _ in operations(running):
        for word in [word for word in running.keys if not holds(word, ability)]:
            answer = ask(running.internal, method, filled(path, MINE), running.keys[word])
            assert (answer[0], answer[1].replace(MINE, NEVER)) == now[name, word], (name, word)


# The console

def needs(method, path):
    """The ability of a page or an act, as docs/console.md has it."""
    section = path.split("/")[2].split(".")[0]
    if section == "events":
        is_act = method == "POST" or path.endswith("/replay") or re.search(r"/subscriptions/[^/]+/", path)
        return "operator" if is_act else "events:read"
    if section == "stores":
        return "stores:write" if method == "POST" or "/_acts/" in path else "stores:read"
    return {"fleet": "stores:read", "callers": "keys", "audit": "operator", "try": "proxy"}[section]


def places(running):
    """Every page and act that an operator finds by following links and forms, each kind once."""
    me, found, waiting = visitor(running, running.operator_key), {}, ["/console/fleet"]
    while waiting:
        text = me.get(waiting.pop()).text
        links = [("GET", link) for link in re.findall(r'href="(/console/[^"#?]*)', text)]
        forms = [("GET" if "get" in kind else "POST", link)
                 for kind, link in re.findall(r'<form[^>]*method="(\w+)"[^>]*action="(/console/[^"?#]*)', text)]
        forms += [("POST", link) for link in re.findall(r'formaction="(/console/[^"?#]*)', text)]
        for method, link in links + forms:
            kind = re.sub(r"store\d{4}|evt_\w+|sub_\w+|(?<=callers/)[a-z2-7]{12}|(?<=deliveries/)\d+", "…", link)
            if "/assets/" in link or link in ("/console/logout", "/console/login") or (method, kind) in found:
                continue
            found[method, kind] = link
            if method == "GET" and not link.endswith((".csv", ".json")):
                waiting.append(link)
    return found


def test_every_page_and_act_of_the_console_is_for_its_ability_and_no_other(running):
    found, cells = places(running), 0
    sections = {path.split("/")[2].split(".")[0] for _, path in found}
    assert sections == {"fleet", "stores", "callers", "events", "audit", "try"}
    assert len(found) > 25, sorted(found)
    for word, key in running.keys.items():
        if all(not holds(word, needs("GET", f"/console/{one}")) for one in ("fleet", "callers", "events", "try")):
            # From another address: logins that fail are limited.
            assert visitor(running, X_Forwarded_For="192.0.2.1").log_in(key).status == 403
            continue
        me = visitor(running, key)
        token = re.search(r'name="csrf" value="([0-9a-f]{32})"', me.get("/console/nosuch").text).group(1)
        for (method, kind), path in found.items():
            cells += 1
            # Without its other fields an act asks for them, or again; a rotation needs none, and takes no hours before now.
            answer = me.send(method, path, {"csrf": token, "hours": "-1"} if method == "POST" else None)
            ability = needs(method, path)
            lacks = f"it lacks the ability {ability}." in answer.text
            if holds(word, ability):
                assert answer.status in (200, 303, 400, 404, 409, 422) and "it lacks" not in answer.text, (word, method, path)
            else:
                assert answer.status == 403 and lacks, (word, method, path, answer)
                for store in (MINE, LABELLED, FOREIGN, GONE):
                    assert store not in answer.text.replace(path, ""), (word, method, path)
    print(f"{cells} cells, {len(found)} pages and acts of the console")


# Keys for some stores

OTHERS = {"store": [LABELLED, FOREIGN, GONE], "label": [MINE, FOREIGN, GONE], "both": [FOREIGN, GONE]}
GRANTS = {"store": [MINE], "label": ["label:vip"], "both": [MINE, "label:vip"]}
OWN = {"store": [MINE], "label": [LABELLED], "both": [MINE, LABELLED]}


@pytest.fixture(scope="module", params=GRANTS)
def some(request, running):
    """An operator's key for some stores, and what an operator for all knows of the others."""
    kind = request.param
    key = running.service_key(stores=GRANTS[kind], abilities=["operator"])
    names = {
        "Event": [one["id"] for one in every(running, "/v1/events") if one["store_hash"] not in OWN[kind]],
        "Delivery": [one["id"] for one in every(running, "/v1/deliveries") if one["store_hash"] not in OWN[kind]],
        "Subscription": [one["id"] for one in every(running, "/v1/subscriptions")
                         if not set(one["stores"] or ["*"]) <= set(OWN[kind])],
        "Key": [one["id"] for one in every(running, "/v1/keys")
                if one["app"] is None or not set(one["stores"]) <= set(GRANTS[kind])],
    }
    assert all(names.values()), names
    return kind, key, names


def every(running, path, key=None):
    """All rows of a list, three at a time."""
    found, after = [], ""
    while True:
        answer = running.api("GET", f"{path}?limit=3{after}", key=key)
        assert answer.status == 200, answer
        found += answer.json["data"]
        following = answer.json.get("next")
        if not following or answer.json.get("more") is False:
            return found
        after = f"&after={following}"


def unseen(text, kind, names, about):
    for store in OTHERS[kind]:
        assert store not in text, (about, store, text)
    # Not the numbers of deliveries, which are too short to be looked for, nor the IDs of those who called the key's own stores.
    for name in names["Event"] + names["Subscription"]:
        assert name not in text, (about, name, text)


def test_every_answer_is_about_the_stores_of_the_key(running, some):
    kind, key, names = some
    asked = 0
    for name, method, path, *_ in operations(running):
        if method == "GET" and "{" not in path and name not in ("showDocument", "showPage"):
            asked += 1
            status, text = ask(running.internal, method, path, key)
            # What counts all stores together is refused, not shown in part.
            assert status == (403 if name in ("showMetrics", "showUsage", "showFlow", "listAudit") else 200), (name, text)
            unseen(text, kind, names, name)
    assert asked >= 15
    for path in ("/v1/stores?sort=-installed_at", "/v1/stores?problem=any", "/v1/scopes/drift?status=all",
                 "/v1/scopes/drift?also=store_v2_marketing", f"/v1/usage?store={OWN[kind][0]}&by=store,caller",
                 f"/v1/audit?store={OWN[kind][0]}", f"/v1/webhooks?store={OWN[kind][0]}"):
        status, text = ask(running.internal, "GET", path, key)
        assert status == 200 and OWN[kind][0] in text or "stores" in path, (path, text)
        unseen(text, kind, names, path)


def test_lists_are_whole_and_counts_are_of_the_stores_of_the_key(running, some):
    own, key, names = OWN[some[0]], *some[1:]
    assert sorted(one["store_hash"] for one in every(running, "/v1/stores", key)) == own
    drift = running.api("GET", "/v1/scopes/drift?status=all", key=key).json
    assert drift["installed"] == len(own) and [one["store_hash"] for one in drift["data"]] == own
    fleet = running.api("GET", "/v1/fleet", key=key).json
    assert fleet["backlog"] is None and sum(fleet["data"][0]["stores"].values()) == len(own)
    assert sum(fleet["data"][0]["webhooks"].values()) == len(own)
    hooks = running.api("GET", "/v1/webhooks", key=key).json
    assert sum(hooks["counts"].values()) == len(own) == len(hooks["data"])
    keys = {one["id"] for one in every(running, "/v1/keys", key)}
    assert key.split("_")[1] in keys and not keys & set(names["Key"])
    for path in ("/v1/events", "/v1/events/newest", "/v1/deliveries"):
        mine = [one for one in every(running, path) if one["store_hash"] in own]
        seen = every(running, path, key)
        assert [one["id"] for one in seen] == [one["id"] for one in mine] and seen, path
    assert running.api("POST", "/v1/webhooks/apply", {}, key=key).json == {"stores": len(own)}
    planned = running.api("POST", "/v1/webhooks/plan", {}, key=key).json["data"]
    assert sorted(one["store_hash"] for one in planned) == own
    for store in (FOREIGN, NEVER):
        for word in ("state=active", "health=unknown", f"q={store}", "label=other"):
            rows = running.api("GET", f"/v1/stores?{word}", key=key).json["data"]
            assert all(one["store_hash"] in own for one in rows), word


def alike(running, key, method, there, nowhere, target, body=None):
    """Both answers, with the one name put for the other."""
    first = ask(running.internal, method, target.format(there), key, body and body.format(there))
    second = ask(running.internal, method, target.format(nowhere), key, body and body.format(nowhere))
    assert (first[0], first[1].replace(there, nowhere)) == second, (method, target, first, second)
    assert second[0] in (403, 404) or second[0] == 200 and method in ("GET", "POST"), (method, target, second)


def test_what_the_key_does_not_hold_is_as_if_it_were_not_there(running, some):
    kind, key, names = some
    for name, method, path, *_ in operations(running):
        if "{store_hash}" in path:
            for store in OTHERS[kind]:
                alike(running, key, method, store, NEVER, filled(path, "{}"))
        elif "{id}" in path:
            owner = {"Event": "Event", "Delivery": "Delivery", "Push": "Subscription", "Key": "Key"}
            sort = next((owner[word] for word in owner if word in name and "Subscription" not in name), "Subscription")
            nowhere = {"Event": "evt_" + "A" * 22, "Delivery": "999999", "Subscription": "sub_nosuch", "Key": "a" * 12}[sort]
            for one in names[sort][:3]:
                body = '{{"failed": true}}' if "replay" in path or "discard" in path else "{{}}" if method == "PATCH" else None
                alike(running, key, method, one, nowhere, filled(path, name="{}"), body)
    for path in ("/v1/events", "/v1/events/newest", "/v1/deliveries", "/v1/audit", "/v1/usage", "/v1/webhooks",
                 "/v1/webhooks/repairs"):
        alike(running, key, "GET", FOREIGN, NEVER, path + "?store={}")
    for path, body in (("/v1/webhooks/rotate", '{{"store_hash": "{}"}}'), ("/v1/webhooks/apply", '{{"stores": ["{}"]}}'),
                       ("/v1/webhooks/plan", '{{"stores": ["{}"]}}'), ("/v1/webhooks/repair", '{{"stores": ["{}"]}}'),
                       ("/v1/stores", '{{"store_hash": "{}", "access_token": "x"}}'),
                       ("/v1/stores/import", '{{"store_hash": "{}", "access_token": "x"}}')):
        alike(running, key, "POST", FOREIGN, NEVER, path, body)
    assert running.store(FOREIGN).json["state"] == "active"


def test_the_console_and_its_downloads_show_the_stores_of_the_key(running, some):
    kind, key, names = some
    me, waiting, seen = visitor(running, key), ["/console/fleet"], set()
    while waiting:
        path = waiting.pop()
        seen.add(path)
        answer = me.get(path)
        assert answer.status in (200, 303, 403), (path, answer)
        unseen(answer.text, kind, names, path)
        waiting += set(re.findall(r'href="(/console/(?!assets)[^"#?]*)', answer.text)) - seen - set(waiting)
    for store in OWN[kind]:
        assert f"/console/stores/default/{store}" in seen
    assert not {path.split("/")[-1] for path in seen if "/callers/" in path} & set(names["Key"])
    rows = json.loads(me.get("/console/stores.json").text)
    assert sorted(one["store_hash"] for one in rows) == OWN[kind]
    assert len(me.get("/console/stores.csv").text.strip().splitlines()) == 1 + len(OWN[kind])
    # What the last page had to tell is told.
    me.get("/console/fleet")
    for target in ("/console/stores/default/{}", "/console/audit?store={}", "/console/events?store={}"):
        texts = [me.get(target.format(store)) for store in (FOREIGN, NEVER)]
        assert texts[0].status == texts[1].status
        said = [re.sub(rf"{store}|[0-9a-f]{{32}}|[0-9A-Za-z-]*{re.escape(one.headers['x-request-id'])}", "-", one.text)
                for store, one in zip((FOREIGN, NEVER), texts)]
        assert said[0] == said[1], target


# Keys that make keys

def issued(running, key=None, **grant):
    answer = running.api("POST", "/v1/keys", {
        "name": "made", "app": "default", "stores": [MINE], "scopes": ["store_v2_orders"], "abilities": ["proxy"]} | grant, key=key)
    return answer.status, answer.json.get("id"), answer.json.get("key")


WIDER = [{"stores": ["*"]}, {"stores": [MINE, FOREIGN]}, {"stores": ["label:vip"]}, {"scopes": ["*"]},
         {"scopes": ["store_v2_orders", "store_v2_products"]}, {"abilities": ["operator"]}, {"abilities": ["proxy", "stores:write"]},
         {"rate": 61}, {"rate": None}, {"methods": None}, {"methods": ["GET", "DELETE"]}, {"paths": None}, {"paths": ["/v2/**"]}]
DAY = 86_400
LIMITS = {"rate": 60, "methods": ["GET"], "paths": ["/v2/orders/**"]}


def test_no_way_leads_a_key_to_more_than_it_holds(running):
    _, own, key = issued(running, abilities=["keys", "proxy"], **LIMITS, expires_in=30 * DAY)
    same = LIMITS | {"expires_in": DAY}
    me = visitor(running, key)
    token = re.search(r'name="csrf" value="([0-9a-f]{32})"', me.get("/console/callers").text).group(1)
    for change in [{}, *WIDER, {"expires_in": None}, {"expires_in": 31 * DAY}]:
        wide = {name: value for name, value in (same | change).items() if value is not None}
        assert issued(running, key, **wide)[0] == (403 if change else 201), change
        form = {name: " ".join(value) if isinstance(value, list) else value for name, value in wide.items()}
        form |= {"csrf": token, "name": "made", "app": "default", "ability": wide.get("abilities", ["proxy"]),
                 "stores": " ".join(wide.get("stores", [MINE])), "scopes": " ".join(wide.get("scopes", ["store_v2_orders"])),
                 "days": str(wide["expires_in"] // DAY) if "expires_in" in wide else ""}
        answer = me.send("POST", "/console/callers/_new", form)
        if not change:
            assert answer.status == 200 and "lk_" in answer.text, answer
            continue
        assert answer.status == 403 and "never grants more" in answer.text and "lk_" not in answer.text, change
        options = [["--store", one] for one in wide.get("stores", [MINE])] + [
            ["--scope", one] for one in wide.get("scopes", ["store_v2_orders"])] + [
            ["--ability", one] for one in wide.get("abilities", ["proxy"])] + [
            ["--method", one] for one in wide.get("methods", [])] + [["--path", one] for one in wide.get("paths", [])]
        options += [["--rate", str(wide.get("rate"))]] * ("rate" in wide)
        if change in WIDER[:7:3]:
            result = running.cli("keys", "create", "--name", "made", "--app", "default", *sum(options, []), key=key, check=False)
            assert result.returncode == 1 and "never grants more" in result.stderr and "lk_" not in result.stdout, (change, result)
    before = {one["id"]: one["revoked_at"] for one in every(running, "/v1/keys")}
    for number, change in enumerate([*WIDER, {"app": None, "abilities": ["operator"], "stores": ["*"]}]):
        wide = {name: value for name, value in (same | change).items() if value is not None or name == "app"}
        status, other, _ = issued(running, **wide)
        assert status == 201, change
        before[other] = None
        for method, path in (("POST", f"/v1/keys/{other}/rotate"), ("DELETE", f"/v1/keys/{other}")):
            alike(running, key, method, other, "a" * 12, path.replace(other, "{}"))
        assert me.get(f"/console/callers/{other}").status == 404
        for act in ("rotate", "revoke"):
            assert me.send("POST", f"/console/callers/{other}/{act}", {"csrf": token, "confirmed": "yes"}).status == 404
            if number == 0:
                result = running.cli("keys", act, other, "--yes", key=key, check=False)
                assert result.returncode == 1 and "lk_" not in result.stdout, (change, result)
    # One that only lives longer may be ended by its equal, but not made anew.
    longer = issued(running, **same | {"expires_in": 31 * DAY})[1]
    assert running.api("POST", f"/v1/keys/{longer}/rotate", key=key).status == 403
    assert {one["id"]: one["revoked_at"] for one in every(running, "/v1/keys")} == before | {longer: None}
    assert running.api("DELETE", f"/v1/keys/{longer}", key=key).status == 204
    # A key rotates itself, and its successor holds what it held.
    successor = running.api("POST", f"/v1/keys/{own}/rotate", key=key).json["id"]
    grants = {one["id"]: {name: one[name] for name in ("app", "stores", "scopes", "methods", "paths", "abilities", "rate", "expires_at")}
              for one in every(running, "/v1/keys")}
    assert grants[successor] == grants[own]
