"""Behind HAProxy and nginx: who the client is, streams, kept connections, and a restart that nobody notices."""
import base64
import contextlib
import http.client
import json
import os
import threading
import time

import pytest
from cluster import Cluster
from deployment import deployment, request, wait_until
from fronts import Front

STORE, CLIENT, FORGED = "demo1234", "127.0.0.9", "203.0.113.66"


@pytest.fixture(scope="module")
def replicas():
    """Two replicas on one PostgreSQL, which believe 127.0.0.1 alone."""
    with contextlib.ExitStack() as made:
        cluster = Cluster()
        made.callback(cluster.close)
        first = made.enter_context(deployment(start=False, stores=20, settings={
            "DATABASE_URL": cluster.url, "LATCHKEY_TRUSTED_PROXIES": "127.0.0.1", "LATCHKEY_DRAIN_DELAY": "1s",
            "CREDENTIALS_ENCRYPTION_KEY": "k1:" + base64.b64encode(os.urandom(32)).decode()}))
        first.cli("migrate")
        first.start()
        first.bootstrap()
        second = first.replica("second")
        made.callback(second.stop)
        first.control("PUT", "/quota/*", {"limit": 100_000_000, "window_ms": 30_000})
        first.install(STORE)
        first.key = second.key = first.service_key(stores=["*"])
        for replica in (first, second):
            wait_until(lambda: replica.call(first.key, "GET", f"/stores/{STORE}/v2/store").status == 200,
                       "each replica knows the store and the key", 10)
        yield first, second


@pytest.fixture(params=["haproxy", "nginx"])
def front(request, replicas):
    with contextlib.closing(Front(request.param, replicas)) as made:
        yield made


def logged(replicas, client):
    """How many requests of the client are in the access logs of both."""
    lines = [line for replica in replicas for line in replica.log.read_text().splitlines()]
    return sum(json.loads(line).get("client") == client for line in lines)


def test_an_install_through_the_front_has_the_merchants_address(replicas, front):
    first, _ = replicas
    store, before = first.fresh_store(), logged(replicas, CLIENT)
    merchant = http.client.HTTPConnection("127.0.0.1", front.public, timeout=30, source_address=(CLIENT, 0))
    with contextlib.closing(merchant):
        merchant.request("GET", f"/auth/callback?{first.callback_query(store)}", headers={"X-Forwarded-For": FORGED})
        assert merchant.getresponse().status == 200
    wait_until(lambda: logged(replicas, CLIENT) > before, "the merchant's address is logged", 5)
    assert logged(replicas, FORGED) == 0
    # Who does not come through the front is not believed.
    stranger = http.client.HTTPConnection("127.0.0.1", first.public, timeout=30, source_address=(CLIENT, 0))
    with contextlib.closing(stranger):
        stranger.request("GET", "/auth/load", headers={"X-Forwarded-For": FORGED})
        stranger.getresponse().read()
    assert logged(replicas, FORGED) == 0


def test_calls_reuse_connections_and_large_bodies_stream(replicas, front):
    first, _ = replicas
    kept = http.client.HTTPConnection("127.0.0.1", front.internal, timeout=30)
    with contextlib.closing(kept):
        for _ in range(200):
            kept.request("GET", f"/stores/{STORE}/v2/store", headers={"X-Auth-Token": first.key})
            answer = kept.getresponse()
            assert answer.status == 200 and json.loads(answer.read())["id"] == STORE
        # 3 MiB in pieces whose total nobody announced: refused by the sandbox's rules, but taken whole.
        body = (b" " * 65536 for _ in range(48))
        kept.request("POST", f"/stores/{STORE}/v3/catalog/products", body, {
            "X-Auth-Token": first.key, "Content-Type": "application/json"}, encode_chunked=True)
        answer = kept.getresponse()
        assert answer.headers["Latchkey-Origin"] == "upstream" and answer.status < 500, (answer.status, answer.read())


def test_no_request_fails_while_a_replica_restarts(replicas, front):
    first, second = replicas
    over, statuses = threading.Event(), []

    def client():
        with contextlib.closing(http.client.HTTPConnection("127.0.0.1", front.internal, timeout=30)) as kept:
            while not over.is_set():
                kept.request("GET", f"/stores/{STORE}/v2/store", headers={"X-Auth-Token": first.key})
                answer = kept.getresponse()
                answer.read()
                statuses.append((answer.status, request(front.public, "GET", "/").status))
                time.sleep(0.01)

    failures = []

    def guarded():
        try:
            client()
        except Exception as failure:
            failures.append(repr(failure))

    clients = [threading.Thread(target=guarded) for _ in range(4)]
    for thread in clients:
        thread.start()
    second.stop()
    second.start()
    before = len(statuses)
    wait_until(lambda: failures or len(statuses) > before + 50, "calls go on")
    over.set()
    for thread in clients:
        thread.join()
    assert failures == []
    assert {status for pair in statuses for status in pair} == {200}, set(statuses)


def test_haproxys_check_needs_a_host_field(replicas):
    """HTTP/1.0 without Host, HAProxy's default, is refused like any request without exactly one Host."""
    with contextlib.closing(Front("haproxy", replicas)) as front:
        wait_until(lambda: all(s == "UP" for s in front.states().values()), "checked with Host: up")
    with contextlib.closing(Front("haproxy", replicas, check="http-check send meth GET uri {path}")) as front:
        wait_until(lambda: all(s.startswith("DOWN") for s in front.states().values()), "checked without: down")
