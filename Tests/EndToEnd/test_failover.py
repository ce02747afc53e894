"""The primary dies and its synchronous standby is promoted: the service finds it without a restart, and loses nothing."""
import base64
import contextlib
import os
import threading
import time

import pytest
from cluster import Cluster
from deployment import ceiling, deployment, request, wait_until

KEYRING = "k1:" + base64.b64encode(os.urandom(32)).decode()


@pytest.fixture
def pair():
    with contextlib.ExitStack() as made:
        primary = Cluster()
        made.callback(primary.close)
        standby = primary.standby()
        made.callback(standby.close)
        yield primary, standby


def install(running, store):
    return request(running.public, "GET", f"/auth/callback?{running.callback_query(store)}")


def usable(running, store):
    return running.call(running.key, "GET", f"/stores/{store}/v2/store").status == 200


def writes(running):
    """Whether the service can write: the attempt of an install is a row before anything else."""
    return install(running, running.fresh_store()).status == 200


def served_by(primary, standby, **settings):
    hosts = f"127.0.0.1:{primary.port},127.0.0.1:{standby.port}"
    return deployment(start=False, stores=100, settings={
        "DATABASE_URL": f"postgresql://latchkey@{hosts}/latchkey?target_session_attrs=read-write",
        "CREDENTIALS_ENCRYPTION_KEY": KEYRING} | settings)


def begin(running):
    running.cli("migrate")
    running.start()
    running.bootstrap()
    running.key = running.service_key(stores=["*"])


def test_a_promoted_standby_takes_over_without_a_restart(pair):
    primary, standby = pair
    with served_by(primary, standby) as running:
        begin(running)
        acknowledged = [running.fresh_store() for _ in range(5)]
        for store in acknowledged:
            assert install(running, store).status == 200
        # Merchants go on installing while the primary dies; what they are told must be true.
        over, told = threading.Event(), []

        def merchants():
            while not over.is_set():
                store = running.fresh_store()
                told.append((store, install(running, store).status))

        merchant = threading.Thread(target=merchants)
        merchant.start()
        wait_until(lambda: len(told) >= 3, "merchants install")
        primary.kill()
        # Long enough for the service to have given up on the primary, and for some merchants to have been refused.
        wait_until(lambda: any(status == 503 for _, status in told), "a merchant is asked to come again", 15)
        wait_until(lambda: request(running.internal, "GET", "/readyz").status == 503, "not ready", 10)
        standby.promote()
        promoted = time.monotonic()
        wait_until(lambda: writes(running), "writes are back", ceiling(10))
        seconds = time.monotonic() - promoted
        over.set()
        merchant.join()
        assert seconds <= ceiling(10), seconds
        assert primary.psql("SELECT 1").returncode != 0, "the primary is gone for good"
        assert request(running.internal, "GET", "/readyz").status == 200
        acknowledged += [store for store, status in told if status == 200]
        for store in acknowledged:
            wait_until(lambda: running.store(store).json.get("state") == "active", f"{store} is still installed", 20)
            wait_until(lambda: usable(running, store), f"{store} can be called", 10)
        assert running.service.poll() is None
        print(f"writes {seconds:.1f} s after the promotion; statuses {sorted({s for _, s in told})}")


def test_a_demoted_server_is_left(pair):
    """25006: the server that the pool is connected to takes no writes any more."""
    primary, standby = pair
    with served_by(primary, standby) as running:
        begin(running)
        assert writes(running)
        # Connections stand through this: whoever is in a session keeps it, and its next write fails with 25006.
        standby.promote()
        primary.sql("ALTER SYSTEM SET synchronous_standby_names = ''", "ALTER SYSTEM SET default_transaction_read_only = on",
                    "SELECT pg_reload_conf()")
        wait_until(lambda: primary.sql("SHOW default_transaction_read_only") == "on", "the primary is read-only")
        wait_until(lambda: writes(running), "writes go to the other server", 10)
        assert standby.sql("SELECT count(*) > 0 FROM pg_stat_activity WHERE application_name = 'latchkey'") == "t"
        # The pool has nothing left on the server that takes no writes.
        wait_until(lambda: primary.sql("SELECT count(*) FROM pg_stat_activity WHERE application_name = 'latchkey'") == "0",
                   "no connection to the demoted server is kept", 10)
        assert "looking for another server" in running.log.read_text()
