"""What passes byte for byte, in both directions: targets, bodies of every framing, statuses with and without a body."""
import gzip
import hashlib
import json
import random

import pytest
from deployment import deployment
from misbehaving import Misbehaving
from wire import Wire, chunks

STORE = "demo1234"
BASE = f"/stores/{STORE}"


@pytest.fixture(scope="module")
def ready():
    upstream = Misbehaving()
    with deployment(settings={"BIGCOMMERCE_API_URL": f"http://127.0.0.1:{upstream.port}"}) as running:
        running.upstream = upstream
        running.install(STORE)
        running.key = running.service_key(abilities=["proxy", "proxy:graphql", "proxy:unlisted"])
        yield running
    upstream.close()


@pytest.fixture
def wire(ready):
    with Wire(ready.internal) as made:
        yield made


def fields(ready, **more):
    return {"X-Auth-Token": ready.key} | {name.replace("_", "-"): value for name, value in more.items()}


def echoed(reply):
    assert (reply.status, reply.complete, reply.field("latchkey-origin")) == (200, True, "upstream"), reply
    return json.loads(reply.body)


@pytest.mark.parametrize("target", [
    "/v2/orders.json", "/v2/orders/101.json", "/v2/products/7/images.json?page=1", "/v3/catalog/products/",
    "/v3/catalog/products?id:in=1,2,3&include_fields=name,sku", "/v3/catalog/products?date_modified:min=2026-01-01T00:00:00Z",
    "/v3/customers?email:in=a%40b.example,c+d@e.example", "/v3/catalog/products?name:like=%25caf%C3%A9%25",
    "/v3/catalog/products?keyword=%E6%97%A5%E6%9C%AC%E8%AA%9E", "/v3/catalog/products?keyword=%e6%97%A5", "/v3/catalog/%C3%89t%C3%A9",
    "/v3/catalog/products?a=%2F..%2f&b=%00&c=%", "/v3/catalog/products?", "/v3/catalog/products??x=?&&y==",
    "/v3/catalog/products?q=\"<>`{}^\\[]'|;", "/v3/catalog/products/1@2:3,4(5)*!~$&'+=", "/v3/catalog/products?x=" + "y" * 7000])
def test_a_target_arrives_as_it_was_written(ready, wire, target):
    assert echoed(wire.call("GET", BASE + target, fields(ready)))["target"] == BASE + target


def multipart(picture):
    boundary = b"----latchkey0123456789"
    return (b"--" + boundary + b'\r\nContent-Disposition: form-data; name="image_file"; filename="caf\xc3\xa9 \xe2\x84\x96.png"\r\n'
            b"Content-Type: image/png\r\n\r\n" + picture + b"\r\n--" + boundary + b"--\r\n",
            f"multipart/form-data; boundary={boundary.decode()}")


# All byte values, line ends and what looks like a boundary or a chunk among them.
PICTURE = random.Random(8).randbytes((8 << 20) - 4096) + bytes(range(256)) * 8 + b"\r\n0\r\n\r\n--\r\n" * 200


@pytest.mark.parametrize("chunked", [False, True])
@pytest.mark.parametrize("size", [0, 1, 65_535, 65_536, 1 << 20, (1 << 20) + 1, 8 << 20])
def test_a_body_arrives_whole(ready, wire, size, chunked):
    body = PICTURE[:size]
    said = echoed(wire.call("POST", BASE + "/v3/catalog/products", fields(ready), body, chunked))
    assert (said["length"], said["sha256"]) == (len(body), hashlib.sha256(body).hexdigest())


@pytest.mark.parametrize("chunked", [False, True])
def test_an_image_of_eight_mebibytes_arrives_as_it_is(ready, wire, chunked):
    body, kind = multipart(PICTURE)
    case = f"image {chunked}"
    said = echoed(wire.call("POST", BASE + "/v3/catalog/products/77/images",
                            fields(ready, Content_Type=kind, X_Case=case), body, chunked))
    assert said["sha256"] == hashlib.sha256(body).hexdigest()
    assert ready.upstream.arrived[case][0].fields["content-type"] == kind


def test_chunks_of_every_size_arrive_as_one_body(ready, wire):
    chance, body = random.Random(3), PICTURE[:300_000]
    for size in (1, 7, 1000, 16_384, 299_999):
        data = chunks(body[:size * 2000], size)
        head = f"PUT {BASE}/v3/catalog/products/1 HTTP/1.1\r\nHost: x\r\nX-Auth-Token: {ready.key}\r\nTransfer-Encoding: chunked\r\n\r\n"
        data = head.encode() + data
        while data:
            cut = chance.choice([1, 3, 100, 5000, 100_000])
            wire.send(data[:cut])
            data = data[cut:]
        assert echoed(wire.read())["sha256"] == hashlib.sha256(body[:size * 2000]).hexdigest()


def test_a_client_that_waits_with_its_body_is_asked_for_it(ready, wire):
    wire.ask("POST", BASE + "/v3/catalog/products", fields(ready, Expect="100-continue", Content_Length="5"))
    assert wire.line() == b"HTTP/1.1 100 Continue" and wire.line() == b""
    wire.send(b"hello")
    assert echoed(wire.read())["length"] == 5


def test_graphql_arrives_as_it_is(ready, wire):
    body = json.dumps({"query": "query($n: Int!) {\n store { name } # é\n}", "variables": {"n": 1}}, ensure_ascii=False).encode()
    said = echoed(wire.call("POST", BASE + "/graphql", fields(ready, Content_Type="application/json"), body))
    assert (said["target"], said["sha256"]) == (BASE + "/graphql", hashlib.sha256(body).hexdigest())


ANSWERS = {
    "gzip": (200, b"Content-Encoding: gzip\r\nVary: Accept-Encoding\r\n", gzip.compress(b'{"data":[]}' * 5000, mtime=0)),
    "207": (207, b"Content-Type: application/json\r\n", b'{"data":[],"meta":{"failed":1}}'),
    "201": (201, b"Location: /v2/orders/5\r\n", b"{}"), "202": (202, b"", b""), "204": (204, b"", None),
    "304": (304, b'ETag: "x"\r\n', None), "304-with-length": (304, b"Content-Length: 1234\r\n", None),
    "403": (403, b"X-Odd: caf\xc3\xa9\r\n", b"\xff\xfe not JSON \x00"), "empty": (200, b"", b""),
    "large": (200, b"", PICTURE), "409": (409, b"", b"{}"), "422": (422, b"", b'{"errors":{"name":"\xc3\xa9"}}'),
    "599": (599, b"", b"odd"), "303": (303, b"Location: https://elsewhere.example/\r\n", b"moved"),
}


@pytest.mark.parametrize("framing", ["length", "chunks"])
@pytest.mark.parametrize("method", ["GET", "HEAD", "PUT"])
@pytest.mark.parametrize("name", ANSWERS)
def test_an_answer_passes_as_it_is(ready, wire, name, method, framing):
    status, more, body = ANSWERS[name]
    ready.upstream.answers[name] = (status, more, body, framing)
    reply = wire.call(method, BASE + "/v3/catalog/products/5", fields(
        ready, X_Fault=f"answer:{name}", Latchkey_Retry="0"), b"{}" if method == "PUT" else None)
    assert (reply.status, reply.complete, reply.field("latchkey-origin")) == (status, True, "upstream"), reply
    assert reply.body == (b"" if method == "HEAD" or body is None else body)
    for line in more.decode("latin-1").split("\r\n")[:-1]:
        field, value = line.split(": ", 1)
        # What a 304 says of the length of another answer's body is the one thing that is left out.
        assert field == "Content-Length" or reply.field(field.lower()) == value, reply.fields
    if method == "HEAD" and body is not None and framing == "length":
        assert reply.field("content-length") == str(len(body))
    # What follows is the next answer, and nothing of this one.
    assert echoed(wire.call("GET", BASE + "/v3/catalog/products", fields(ready)))["method"] == "GET"
