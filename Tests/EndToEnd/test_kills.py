"""kill -9 at every durable step: a usable token, or a visible "not connected"; never a silent loss."""
import contextlib
import http.client
import json
import time

import pytest
from deployment import count, deployment, ends, request

RUNS = count(1, 50)
INSTALL = [
    "before_attempt", "after_attempt", "after_exchange", "after_verify", "after_spool", "before_commit", "in_transaction",
    "after_commit", "after_unspool", "before_answer",
]
# after_spool is reached only while PostgreSQL is away: the module tests of Install kill there.
UNINSTALL = ["after_verify", "before_commit", "in_transaction", "after_commit", "before_answer"]
REMOVE_USER = ["after_verify", "before_commit", "after_commit", "before_answer"]
REWRAP = ["before_write", "after_write", "after_page", "before_audit"]


@pytest.fixture(scope="module")
def running():
    with deployment(stores=RUNS * 25 + 10) as made:
        made.key = made.service_key(stores=["*"])
        yield made


def restart_with(running, fail_point):
    running.stop()
    running.start(LATCHKEY_FAILPOINT=f"{fail_point}:1")


def dies_during(running, act):
    """Acts, expects the process to be killed meanwhile, and starts it again."""
    with contextlib.suppress(OSError, http.client.HTTPException):
        act()
    assert ends(running.service) == -9, "the fail point was reached"
    running.start()


def is_usable(running, store):
    return running.call(running.key, "GET", f"/stores/{store}/v2/store").status == 200


def state(running, store):
    answer = running.store(store)
    return answer.json["state"] if answer.status == 200 else None


def recovers(running, store):
    """What the spool holds is stored within moments of the start."""
    end = time.monotonic() + 3
    while time.monotonic() < end:
        if is_usable(running, store):
            return True
        time.sleep(0.2)
    return False


@pytest.mark.parametrize("point", INSTALL)
def test_killed_while_installing(running, point):
    for _ in range(RUNS):
        store = running.fresh_store()
        restart_with(running, f"install.{point}")
        query = running.callback_query(store)
        dies_during(running, lambda: request(running.public, "GET", f"/auth/callback?{query}"))
        if recovers(running, store):
            assert state(running, store) == "active"
            continue
        assert state(running, store) is None, "not connected is visible"
        page = running.callback("load", store)
        assert page.status >= 400 and "install" in page.text.lower(), "the merchant is told what to do"
        assert request(running.public, "GET", f"/auth/callback?{query}").status != 500
        if not is_usable(running, store):
            running.install(store)
        assert is_usable(running, store)


@pytest.mark.parametrize("point", UNINSTALL)
def test_killed_while_uninstalling(running, point):
    for _ in range(RUNS):
        store = running.fresh_store()
        restart_with(running, f"uninstall.{point}")
        running.install(store)
        dies_during(running, lambda: running.callback("uninstall", store))
        left = state(running, store)
        assert left in ("active", "uninstalled")
        assert is_usable(running, store) == (left == "active")
        assert running.callback("uninstall", store).status == 200
        assert state(running, store) == "uninstalled"
        assert running.call(running.key, "GET", f"/stores/{store}/v2/store").status == 410


@pytest.mark.parametrize("point", REMOVE_USER)
def test_killed_while_removing_a_user(running, point):
    for _ in range(RUNS):
        store = running.fresh_store()
        restart_with(running, f"remove_user.{point}")
        running.install(store)
        user = {"user_id": running.other_user(store)}
        assert running.callback("load", store, **user).status == 200
        old = running.signed_payload(store, **user)
        dies_during(running, lambda: running.callback("remove_user", store, **user))
        assert running.callback("remove_user", store, **user).status == 200
        replay = request(running.public, "GET", f"/auth/load?signed_payload_jwt={old}")
        assert replay.status >= 400, "a load that is not newer than the removal is refused"


def test_killed_while_rewrapping(running):
    store = running.fresh_store()
    running.install(store)
    running.stop()
    old = (running.data / "encryption.key").read_text().strip()
    new = "fresh:" + "QUFB" * 10 + "QUE="
    for point in REWRAP:
        for _ in range(RUNS):
            running.settings["CREDENTIALS_ENCRYPTION_KEY"] = f"{new},{old}"
            killed = running.cli("vault", "rewrap", "--yes", check=False, LATCHKEY_FAILPOINT=f"rewrap.{point}:1")
            assert killed.returncode == -9, killed
            running.cli("vault", "rewrap", "--yes")
            uses = json.loads(running.cli("vault", "status", "--json").stdout)
            assert "fresh" in json.dumps(uses)
            running.start()
            assert is_usable(running, store)
            running.stop()
            new, old = old, new
    running.start()
    assert is_usable(running, store)
