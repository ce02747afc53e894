"""What schemathesis cannot know of the service under test: things that are there, and things that must stay.

Values that no schema can tell (cursors, IDs, tokens of the sandbox) take the place of generated ones in calls that are to
succeed; calls that are to be refused stay as they are. No call ends what later calls need. Each call and its status goes into
a file, so that the test can say what was reached.
"""
import json
import os
import threading

import requests
import schemathesis
from schemathesis import GenerationMode
from schemathesis.core.parameters import ParameterLocation

FACTS = json.loads(os.environ["OPENAPI_FACTS"])
LOG = open(os.environ["OPENAPI_CALLS"], "a", buffering=1)
LOCK = threading.Lock()
TURNS = {}

# Calls that end or stop a store, and those that bring it back.
STORE_ENDS = {"suspendStore", "deleteStore"}
KEY_ENDS = {"revokeKey", "rotateKey"}
SUBSCRIPTION_ENDS = {"deleteSubscription", "disableSubscription"}
CURSORS = {"listEvents": "event_cursor", "streamEvents": "event_cursor"}


def turn(name, values):
    """The next of some values, in a circle."""
    with LOCK:
        TURNS[name] = TURNS.get(name, -1) + 1
        return values[TURNS[name] % len(values)]


def api(method, path, body=None):
    return requests.request(method, FACTS["url"] + path, json=body, timeout=30,
                            headers={"Authorization": f"Bearer {FACTS['operator']}"})


def is_good(case, location):
    """Whether this part of a case was made to be accepted."""
    info = case.meta.components.get(location) if case.meta else None
    return info is None or info.mode == GenerationMode.POSITIVE


@schemathesis.serializer("application/x-ndjson")
def lines(_context, value):
    if isinstance(value, (bytes, str)):
        return value or "{}\n"
    items = value if isinstance(value, list) else [value]
    return "".join(json.dumps(item) + "\n" for item in items or [{}]).encode()


@schemathesis.hook
def before_call(context, case, kwargs):
    operation = case.operation.definition.raw["operationId"]
    path, query, body = case.path_parameters, case.query, case.body
    if is_good(case, ParameterLocation.PATH) and path:
        put_path(operation, path)
    protect(operation, path)
    if is_good(case, ParameterLocation.QUERY) and query:
        put_query(operation, query)
    if is_good(case, ParameterLocation.BODY) and isinstance(body, dict):
        put_body(operation, body)
    if path and "version" in path or operation == "postGraphQL":
        put_gateway(case, operation)


def put_gateway(case, operation):
    """A call that BigCommerce would take; changes are only asked about, so that what is there stays."""
    headers = case.headers
    if not is_good(case, ParameterLocation.HEADER):
        # A field that nobody knows may always be sent; something must be wrong with one that we know.
        if "x-schemathesis-unknown-property" in headers:
            headers["Latchkey-Timeout"] = "0"
        return
    if "Latchkey-Max-Wait" in headers:
        headers["Latchkey-Max-Wait"] = "1"
    if "Latchkey-App" in headers:
        headers["Latchkey-App"] = "default"
    if operation not in ("getResource", "headResource"):
        headers["Latchkey-Dry-Run"] = "true"


def put_path(operation, path):
    if "version" in path:
        path["store_hash"], (path["version"], path["path"]) = FACTS["store"], turn("path", FACTS["paths"])
    elif operation == "postGraphQL":
        path["store_hash"] = FACTS["store"]
    elif "store_hash" in path:
        path["store_hash"] = turn("store", [FACTS["store"], FACTS["store"], "nosuch"])
    elif operation in ("revokeKey", "rotateKey"):
        path["id"] = api("POST", "/v1/keys", {
            "name": "spare", "app": "default", "stores": ["nosuch"], "scopes": ["*"], "abilities": ["proxy"]}).json()["id"]
    elif operation in SUBSCRIPTION_ENDS:
        path["id"] = api("POST", "/v1/subscriptions", {
            "url": FACTS["receiver"], "types": ["app/never"], "name": "spare"}).json()["id"]
    elif "id" in path:
        for kind in ("Event", "Delivery", "Subscription", "Push"):
            if kind in operation:
                path["id"] = turn(operation, FACTS[kind])


def protect(operation, path):
    """Whatever led there, nothing ends that later calls need."""
    if operation in STORE_ENDS and path.get("store_hash") in FACTS["kept_stores"]:
        path["store_hash"] = turn(operation, FACTS["spare_stores"])
    if operation in KEY_ENDS and path.get("id") in FACTS["kept_keys"]:
        path["id"] = "a" * 12
    if operation in SUBSCRIPTION_ENDS | {"rotateSubscription"} and path.get("id") in FACTS["kept_subscriptions"]:
        path["id"] = FACTS["spare_subscription"]


def put_query(operation, query):
    if "after" in query and operation not in ("listKeys", "listSubscriptions", "listPushes"):
        known = FACTS["cursors"].get(operation)
        if known:
            query["after"] = known
            # It is a cursor of the list in its usual order.
            query.pop("sort", None)
            query.pop("problem", None)
        elif operation in ("listEvents", "streamEvents"):
            query["after"] = turn("feed", ["oldest", "newest", FACTS["event_cursor"]])
        else:
            del query["after"]
    if "wait" in query:
        query["wait"] = 0
    if operation in ("showUsage", "showFlow"):
        query.pop("since", None)
        query.pop("until", None)
    if "app" in query:
        query["app"] = "default"
    if operation == "listAudit":
        query.pop("store", None)


def put_body(operation, body):
    if body.get("app") is not None or operation == "createKey":
        body["app"] = "default"
    if operation in ("createSubscription", "changeSubscription"):
        if body.get("url") is not None:
            body["url"] = FACTS["receiver"]
        if body.get("types"):
            body["types"] = ["app/never"]
    if operation == "importStore":
        body.update(turn("token", FACTS["tokens"]))
    if operation == "repairWebhooks" and body.get("since") is not None:
        body["since"] = "2026-01-31T09:30:00Z"
    for name in ("from", "to"):
        if body.get(name) is not None:
            body[name] = {"from": "oldest", "to": FACTS["event_cursor"]}[name]
    if operation == "labelStore" and body.get("remove_labels"):
        body["remove_labels"] = ["old"]
    if operation == "labelStore":
        # Two of ours and at most ten others: a store has no more than 16.
        if body.get("labels"):
            body["labels"] = body["labels"][:10]
        if body.get("add_labels"):
            body["add_labels"] = ["eu", "vip"]
    if operation == "redeemTicket":
        body["ticket"] = FACTS["tickets"].pop() if FACTS["tickets"] else body["ticket"]
    if "name" in body and operation == "createKey":
        body["name"] = body["name"][:20]
    if operation.startswith("replay") and body.get("subscriptions"):
        body["subscriptions"] = FACTS["Subscription"][:1]


@schemathesis.hook
def after_call(context, case, response):
    LOG.write(json.dumps([case.operation.definition.raw["operationId"], case.method, response.status_code]) + "\n")
