"""W3C Trace Context and what the log says of a request, with the built program: in, through and out."""
import http.client
import json
import re

import pytest
from deployment import deployment, request, wait_until
from receiver import Receiver

STORE = "demo1234"
TRACE, PARENT = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
THEIRS = f"00-{TRACE}-{PARENT}-01"
PATH = f"/stores/{STORE}/v3/catalog/products?limit=1"


@pytest.fixture(scope="module")
def ready():
    with deployment(stores=3, settings={"LATCHKEY_LOG_LEVEL": "debug"}) as made:
        made.install(STORE)
        made.key = made.service_key(stores=["*"], abilities=["proxy", "stores:read"])
        yield made


def lines(running, **wanted):
    """The log's lines that have these fields."""
    found = [json.loads(line) for line in running.log.read_text().splitlines() if line.startswith("{")]
    return [line for line in found if all(line.get(name) == value for name, value in wanted.items())]


def line_of(running, request_id):
    """The access log's line of a request."""
    return wait_until(lambda: lines(running, request_id=request_id, message="request"), f"the line of {request_id}", 5)[0]


def call(running, fields, method="GET", path=PATH, body=b""):
    """A gateway call with these fields as they are, and those of the call that BigCommerce got."""
    running.control("DELETE", "/requests")
    connection = http.client.HTTPConnection("127.0.0.1", running.internal, timeout=30)
    connection.putrequest(method, path)
    for name, value in [("X-Auth-Token", running.key), *fields]:
        connection.putheader(name, value)
    if method == "POST":
        connection.putheader("Content-Length", str(len(body)))
        connection.putheader("Content-Type", "application/json")
    connection.endheaders(body if method == "POST" else None)
    answer = connection.getresponse()
    answer.read()
    connection.close()
    arrived = running.arrived(host="api")
    return answer, [(name.lower(), value) for name, value in arrived[-1]["headers"]] if arrived else None


def told(fields, name):
    return [value for field, value in fields if field == name]


# GET takes the lane, POST the ordinary way.
WAYS = [("GET", PATH, b""), ("POST", f"/stores/{STORE}/v3/catalog/products", b"{}")]


@pytest.mark.parametrize("method,path,body", WAYS)
@pytest.mark.parametrize("sent,flags", [(THEIRS, "01"), (f"00-{TRACE}-{PARENT}-00", "00"), (f"00-{TRACE}-{PARENT}-03", "03"),
                                        (f"cc-{TRACE}-{PARENT}-01-later", "01")])
def test_a_valid_trace_is_continued(ready, method, path, body, sent, flags):
    name = f"continued-{method}-{sent[:2]}-{flags}"
    answer, fields = call(ready, [("traceparent", sent), ("tracestate", "one=1"), ("tracestate", "two=2"),
                                  ("X-Request-Id", name)], method, path, body)
    assert answer.status < 500 and answer.getheader("traceparent") is None
    [parent] = told(fields, "traceparent")
    assert re.fullmatch(f"00-{TRACE}-[0-9a-f]{{16}}-{flags}", parent) and PARENT not in parent
    assert told(fields, "tracestate") == ["one=1", "two=2"]
    assert line_of(ready, name)["trace_id"] == TRACE


@pytest.mark.parametrize("method,path,body", WAYS)
@pytest.mark.parametrize("sent", [
    [], ["nonsense"], [THEIRS.upper()], [f"ff-{TRACE}-{PARENT}-01"], [f"00-{'0' * 32}-{PARENT}-01"], [f"00-{TRACE}-{'0' * 16}-01"],
    [THEIRS + "-more"], [THEIRS[:-1]], [THEIRS, f"00-{TRACE}-{PARENT}-00"]])
def test_anything_else_begins_a_trace(ready, method, path, body, sent):
    name = f"begun-{method}-{hash(tuple(sent)) & 0xffffffff}"
    _, fields = call(ready, [("traceparent", value) for value in sent] + [("tracestate", "one=1"), ("X-Request-Id", name)],
                     method, path, body)
    [parent] = told(fields, "traceparent")
    trace = re.fullmatch("00-([0-9a-f]{32})-[0-9a-f]{16}-01", parent).group(1)
    assert trace != TRACE and trace != "0" * 32
    assert told(fields, "tracestate") == []
    assert line_of(ready, name)["trace_id"] == trace


def test_every_line_says_whose_request_it_was(ready):
    caller = ready.key.split("_")[1]
    known = {"app": "default", "store_hash": STORE, "caller": caller, "trace_id": TRACE}
    trace = [("traceparent", THEIRS)]
    for method, path, body in WAYS:
        call(ready, trace + [("X-Request-Id", f"all-{method}")], method, path, body)
        line = line_of(ready, f"all-{method}")
        assert {name: line[name] for name in known} == known
    # Refused by the gateway: its own line too says whose it was.
    call(ready, trace + [("X-Request-Id", "refused"), ("Latchkey-Max-Wait", "wrong")])
    line_of(ready, "refused")
    found = wait_until(lambda: (every := lines(ready, request_id="refused"))[1:] and every, "both lines", 5)
    assert {line["message"] for line in found} == {"request", "a call is refused"}
    assert all(line["caller"] == caller and line["trace_id"] == TRACE for line in found)
    # A key that is none is not named.
    request(ready.internal, "GET", PATH, headers={"X-Auth-Token": "lk_x_y_z", "X-Request-Id": "nobody"})
    assert "caller" not in line_of(ready, "nobody") and "lk_x" not in json.dumps(lines(ready, request_id="nobody"))
    # The JSON API, and a callback.
    request(ready.internal, "GET", f"/v1/stores/{STORE}", headers={
        "Authorization": f"Bearer {ready.key}", "X-Request-Id": "api", "traceparent": THEIRS})
    line = line_of(ready, "api")
    assert {name: line[name] for name in known} == known
    store = "store0002"
    ready.control("DELETE", "/requests")
    request(ready.public, "GET", f"/auth/callback?{ready.callback_query(store)}", headers={
        "X-Request-Id": "install", "traceparent": THEIRS})
    for line in wait_until(lambda: lines(ready, request_id="install", message="installed") and lines(ready, request_id="install"),
                           "the install's lines", 5):
        assert line["trace_id"] == TRACE and line["app"] == "default", line
    assert line_of(ready, "install")["store_hash"] == store
    # The token request is part of the same trace.
    [exchange] = ready.arrived(host="login")
    assert f"00-{TRACE}-" in dict((name.lower(), value) for name, value in exchange["headers"])["traceparent"]


def test_pushes_and_calls_of_our_own_have_traces(ready):
    with Receiver() as receiver:
        made = ready.api("POST", "/v1/subscriptions", {"url": receiver.url, "types": ["app/*"]})
        assert made.status == 201, made
        ready.install("store0003")
        wait_until(lambda: receiver.pushes, "a push", 20)
        fields, body = receiver.pushes[0]
        parent = {name.lower(): value for name, value in fields.items()}["traceparent"]
        trace = re.fullmatch("00-([0-9a-f]{32})-[0-9a-f]{16}-01", parent).group(1)
        [line] = wait_until(lambda: lines(ready, message="a push was made", trace_id=trace), "the push's line", 5)
        assert line["event_id"] == json.loads(body)["id"] and line["subscription_id"] == made.json["id"]
        assert line["store_hash"] and line["status"] == "200"
        receiver.verified(made.json["secret"])
    ready.control("DELETE", "/requests")
    assert ready.api("POST", f"/v1/stores/{STORE}/verify").json["verdict"] == "accepted"
    headers = dict((name.lower(), value) for name, value in ready.arrived(host="api")[-1]["headers"])
    trace = headers["traceparent"].split("-")[1]
    asked = wait_until(lambda: lines(ready, message="a store was asked", trace_id=trace), "the look's line", 5)
    assert asked[0]["store_hash"] == STORE
