"""Three replicas, which do not know of each other's calls, share one store's quota."""
import base64
import contextlib
import os
import threading
import time

import pytest
from cluster import Cluster
from deployment import count, deployment, wait_until

pytestmark = pytest.mark.alone

STORE = "demo1234"
PATH = f"/stores/{STORE}/v3/catalog/products?limit=1"
WINDOW = count(6, 30)
QUOTA = 150


@pytest.fixture(scope="module")
def replicas():
    with contextlib.ExitStack() as made:
        cluster = Cluster()
        made.callback(cluster.close)
        first = made.enter_context(deployment(start=False, settings={
            "DATABASE_URL": cluster.url,
            "CREDENTIALS_ENCRYPTION_KEY": "k1:" + base64.b64encode(os.urandom(32)).decode()}))
        first.cli("migrate")
        first.start()
        first.bootstrap()
        found = [first]
        for name in ("second", "third"):
            found.append(first.replica(name))
            made.callback(found[-1].stop)
        first.install(STORE)
        key = first.service_key()
        for replica in found:
            replica.key = key
            wait_until(lambda: replica.call(key, "GET", PATH).status == 200,
                       "each replica knows the store and the key", 10)
        yield found


def test_no_window_sees_more_refusals_than_there_are_replicas(replicas):
    end = threading.Event()
    answers = []

    def call(replica):
        while not end.is_set():
            answers.append(replica.call(
                replica.key, "GET", PATH, headers={"Latchkey-Max-Wait": "120"}, timeout=150).status)

    replicas[0].control("PUT", f"/quota/{STORE}", {"limit": QUOTA, "window_ms": WINDOW * 1000})
    threads = [threading.Thread(target=call, args=(replica,)) for replica in replicas for _ in range(8)]
    try:
        for thread in threads:
            thread.start()
        time.sleep(WINDOW * 5 + 1)
        windows = replicas[0].control("GET", f"/quota/{STORE}")
    finally:
        end.set()
        replicas[0].control("PUT", f"/quota/{STORE}", {"limit": 100_000, "window_ms": 1000})
        for thread in threads:
            thread.join()
    assert len(windows) >= 4
    assert all(window["refused"] <= 3 for window in windows[1:]), windows
    assert sum(window["taken"] for window in windows[1:]) >= 0.95 * QUOTA * (len(windows) - 1), windows
    assert set(answers) == {200}
