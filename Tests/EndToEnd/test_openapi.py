"""The OpenAPI document tells the truth: schemathesis calls every operation in thousands of ways, with keys of several kinds."""
import collections
import contextlib
import http.client
import json
import os
import subprocess
import sys
import urllib.parse
from pathlib import Path

import jsonschema
import openapi_spec_validator
import pytest
from deliveries import fire
from deployment import count, deployment, request, wait_until
from receiver import Receiver

STORES = [f"store{number:04d}" for number in range(2, 12)]
STORE = "demo1234"
# Calls of the gateway that the sandbox knows.
PATHS = [["v2", "store"], ["v2", "time"], ["v3", "channels"], ["v3", "hooks"], ["v3", "customers"]]
HOOKS = Path(__file__).with_name("openapi_hooks.py")
METHODS = {"get", "head", "post", "put", "patch", "delete"}


@pytest.fixture(scope="module")
def receiver():
    with Receiver() as made:
        yield made.url


@pytest.fixture(scope="module")
def lived_in(receiver):
    """A deployment with some of everything."""
    with deployment(stores=20, settings={"BIGCOMMERCE_WEBHOOKS": "store/order/*", "APP_URL": "http://127.0.0.1:1/app"}) as made:
        for store in [STORE, *STORES]:
            request(made.public, "GET", f"/auth/callback?{made.callback_query(store)}")
        made.control("PUT", f"/quota/{STORE}", {"limit": 1_000_000})
        made.subscription = made.api("POST", "/v1/subscriptions", {"url": receiver, "types": ["*"], "name": "kept"}).json["id"]
        wait_until(lambda: made.api("GET", f"/v1/webhooks?store={STORE}").json["counts"]["in_step"] == 1, "hooks are there")
        fire(made, [STORE], count=3)
        wait_until(lambda: len(made.api("GET", "/v1/deliveries").json["data"]) >= 2, "deliveries came")
        wait_until(lambda: made.api("GET", f"/v1/subscriptions/{made.subscription}/deliveries?state=delivered").json["data"], "pushes came")
        made.receiver = receiver
        yield made


@pytest.fixture(scope="module")
def document(lived_in):
    answer = lived_in.api("GET", "/openapi.json")
    assert answer.status == 200 and answer.headers["content-type"] == "application/json"
    return answer.json


def operations(document):
    return {operation["operationId"]: (path, method, operation)
            for path, item in document["paths"].items() for method, operation in item.items() if method in METHODS}


def test_the_document_is_an_openapi_document(document):
    openapi_spec_validator.validate(document)


def test_the_document_and_its_page_need_a_key_unless_a_setting_opens_them(lived_in):
    for path in ("/openapi.json", "/docs"):
        assert request(lived_in.internal, "GET", path).status == 401
        assert request(lived_in.public, "GET", path).status == 404
        assert lived_in.api("GET", path, key=lived_in.service_key()).status == 200
    page = lived_in.api("GET", "/docs")
    assert page.headers["content-type"] == "text/html; charset=utf-8"
    assert page.headers["content-security-policy"].startswith("default-src 'none'; style-src 'sha256-")


def facts(made, key):
    """What the calls need to know, and what they must leave alone."""
    keys = [item["id"] for item in made.api("GET", "/v1/keys?limit=1000").json["data"]]
    feed = made.api("GET", "/v1/events?limit=2").json
    tokens = {token["store_hash"]: token["access_token"] for token in made.control("GET", "/tokens")}
    spare = made.api("POST", "/v1/subscriptions", {"url": made.receiver, "types": ["app/never"], "name": "spare"}).json["id"]
    cursors = {operation: made.api("GET", f"{path}?limit=1").json["next"] for operation, path in (
        ("listStores", "/v1/stores"), ("listWebhooks", "/v1/webhooks"), ("planWebhooks", "/v1/webhooks"),
        ("listDeliveries", "/v1/deliveries"), ("listAudit", "/v1/audit"))}
    return {
        "url": f"http://127.0.0.1:{made.internal}", "operator": made.operator_key, "receiver": made.receiver,
        "store": STORE, "kept_stores": [STORE], "spare_stores": STORES[2:], "paths": PATHS,
        "kept_keys": keys, "kept_subscriptions": [made.subscription], "spare_subscription": spare,
        "Event": [feed["data"][0]["id"], "nosuch"], "Push": [made.subscription],
        "Delivery": [made.api("GET", "/v1/deliveries").json["data"][0]["id"], "7"],
        "Subscription": [made.subscription, made.subscription, "sub_nosuch"],
        "event_cursor": feed["data"][0]["cursor"], "cursors": {name: cursor for name, cursor in cursors.items() if cursor},
        "tokens": [{"store_hash": store, "access_token": tokens[store]} for store in STORES[:2]],
        "tickets": [ticket(made) for _ in range(5)],
    }


def ticket(made):
    answer = made.callback("load", STORES[0])
    return urllib.parse.parse_qs(urllib.parse.urlsplit(answer.headers["location"]).query)["ticket"][0]


def drive(made, key, examples, folder, *options):
    """Runs schemathesis with all checks: how often each operation was answered with each status."""
    calls = folder / "calls.jsonl"
    report = folder / "report.json"
    # From a file, or schemathesis would leave out the operation that it was read from.
    (folder / "openapi.json").write_text(made.api("GET", "/openapi.json").text)
    # Keys that it makes up beside the one that it has would have nearly every call refused.
    (folder / "schemathesis.toml").write_text("[generation]\nwith-security-parameters = false\n")
    run = subprocess.run(
        [sys.executable, "-m", "schemathesis.cli", "run", "openapi.json", "--url", f"http://127.0.0.1:{made.internal}", "--checks", "all",
         "-H", f"Authorization: Bearer {key}", "--max-examples", str(examples), "--seed", "20261121", "--request-timeout", "30",
         "--suppress-health-check", "all", "--continue-on-failure", "--no-color", "--generation-database", "none",
         "--report", "json", "--report-json-path", str(report), "--exclude-operation-id", "streamEvents", *options],
        env={"PATH": os.environ["PATH"], "HOME": str(folder), "LANG": "C.UTF-8", "PYTHONPATH": str(HOOKS.parent),
             "SCHEMATHESIS_HOOKS": HOOKS.stem, "OPENAPI_CALLS": str(calls), "OPENAPI_FACTS": json.dumps(facts(made, key))},
        cwd=folder, capture_output=True, text=True, timeout=3000)
    (folder / "output.txt").write_text(run.stdout + run.stderr)
    (folder / "service.log").write_text(made.log.read_text())
    made_calls = [json.loads(line) for line in calls.read_text().splitlines()] if calls.exists() else []
    reached = collections.defaultdict(collections.Counter)
    for operation, _method, status in made_calls:
        reached[operation][status] += 1
    assert run.returncode == 0, run.stdout[-20_000:] + run.stderr[-3000:]
    return reached


def test_every_operation_answers_an_operator_as_it_says(lived_in, document, tmp_path):
    reached = drive(lived_in, lived_in.operator_key, count(3, 60), tmp_path)
    total = sum(sum(statuses.values()) for statuses in reached.values())
    worst = [name for name, statuses in reached.items() if any(status >= 500 for status in statuses)]
    print(f"{total} examples")
    assert total >= count(500, 5000)
    assert not worst, worst
    missing = [name for name in operations(document)
               if name != "streamEvents" and not any(200 <= status < 300 for status in reached[name])]
    assert not missing, f"never brought to succeed: {missing}"
    assert lived_in.api("GET", f"/v1/stores/{STORE}").json["state"] == "active"


def events(made, path, key=None, headers=None):
    """The head of a stream's answer, and the first event of it, if there is one within a moment."""
    connection = http.client.HTTPConnection("127.0.0.1", made.internal, timeout=2)
    with contextlib.closing(connection):
        connection.request("GET", path, headers={"Authorization": f"Bearer {key or made.operator_key}"} | (headers or {}))
        answer = connection.getresponse()
        lines, event = [], None
        with contextlib.suppress(TimeoutError):
            if answer.status != 200:
                return answer, answer.read()
            while not event:
                lines.append(answer.readline().decode())
                event = next((line[6:] for line in lines if line.startswith("data: ")), None)
        return answer, event and json.loads(event)


def test_the_stream_answers_as_it_says(lived_in, document):
    _, _, operation = operations(document)["streamEvents"]
    answer, event = events(lived_in, "/v1/events/stream?after=oldest")
    assert answer.status == 200 and answer.headers["content-type"] in operation["responses"]["200"]["content"]
    check(event, {"$ref": "#/components/schemas/PlacedEvent"}, document)
    for path, headers in (("?after=oldest&type=store/order/*", {}), ("", {"Last-Event-ID": "oldest"}),
                          (f"?after={event['cursor']}&store={STORE}&app=default", {})):
        assert events(lived_in, f"/v1/events/stream{path}", headers=headers)[1], path
    limited = lived_in.service_key(stores=["store9999"], abilities=["events:read"])
    for status, path, key in ((400, "?after=x", None), (400, "?x=1", None), (403, f"?store={STORE}", limited),
                              (403, "", lived_in.service_key()), (401, "", "lk_no")):
        answer, body = events(lived_in, f"/v1/events/stream{path}", key)
        response = operation["responses"][str(answer.status)]
        assert answer.status == status and answer.headers["content-type"] == "application/problem+json"
        check(json.loads(body), response["content"]["application/problem+json"]["schema"], document)


def check(value, schema, document):
    jsonschema.Draft202012Validator(schema | {"components": document["components"]}).validate(value)


def test_examples_are_what_their_schemas_allow(document):
    checked = 0
    for _, _, operation in operations(document).values():
        contents = [answer.get("content", {}) for answer in operation["responses"].values()]
        for content in [*contents, operation.get("requestBody", {}).get("content", {})]:
            media = content.get("application/json", {})
            if "example" in media:
                check(media["example"], media["schema"], document)
                checked += 1
        for parameter in operation.get("parameters", []):
            if "example" in parameter:
                check(parameter["example"], parameter["schema"], document)
    assert checked > 50


def test_every_operation_answers_a_limited_key_as_it_says(lived_in, document, tmp_path):
    key = lived_in.service_key(stores=[STORE], abilities=["stores:read", "events:read"])
    reached = drive(lived_in, key, count(2, 20), tmp_path, "--phases", "examples,fuzzing")
    for name, (_, _, operation) in operations(document).items():
        needed = operation.get("x-ability")
        # The gateway tells everybody what would be decided.
        if "Gateway" not in operation["tags"] and needed and needed not in ("stores:read", "events:read"):
            assert not any(status < 300 for status in reached[name]), name
