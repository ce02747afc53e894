"""kill -9 at every durable step: a usable token, or a visible "not connected"; never a silent loss."""
import contextlib
import http.client
import json

import pytest
from deployment import count, deployment, ends, request

STORE = "demo1234"
RUNS = count(1, 50)
INSTALL = [
    "install.before_attempt", "install.after_attempt", "install.before_exchange", "install.after_exchange",
    "install.before_seal", "install.after_seal", "install.before_commit", "install.after_commit", "install.before_answer",
]
UNINSTALL = [
    "uninstall.after_verify", "uninstall.before_commit", "uninstall.after_commit", "uninstall.before_spool",
    "uninstall.after_spool", "uninstall.before_answer",
]
REMOVE_USER = [
    "remove_user.after_verify", "remove_user.before_commit", "remove_user.after_commit", "remove_user.before_spool",
    "remove_user.after_spool",
]
NOT_REACHED_WITH_DATABASE = ("before_spool", "after_spool")


@pytest.fixture(scope="module")
def killable():
    with deployment() as running:
        running.key = running.service_key(stores=[STORE])
        yield running


def restart_with(running, fail_point):
    running.stop()
    running.start(LATCHKEY_FAILPOINT=f"{fail_point}:1")


def dies_during(running, act):
    """Acts, expects the process to be killed meanwhile, and starts it again."""
    with contextlib.suppress(OSError, http.client.HTTPException):
        act()
    assert ends(running.service) == -9, "the fail point was reached"
    running.start()


def is_usable(running):
    return running.call(running.key, "GET", f"/stores/{STORE}/v2/store").status == 200


@pytest.mark.parametrize("point", INSTALL)
def test_killed_while_installing(killable, point):
    for _ in range(RUNS):
        running = killable
        running.install(STORE)
        running.callback("uninstall", STORE)
        restart_with(running, point)
        query = running.callback_query(STORE)
        dies_during(running, lambda: request(running.public, "GET", f"/auth/callback?{query}"))
        if is_usable(running):
            assert running.store(STORE).json["state"] == "active"
            continue
        assert running.store(STORE).json["state"] == "uninstalled", "not connected is visible"
        page = running.callback("load", STORE)
        assert page.status >= 400 and "install" in page.text.lower(), "the merchant is told what to do"
        again = request(running.public, "GET", f"/auth/callback?{query}")
        assert again.status != 500
        if not is_usable(running):
            running.install(STORE)
        assert is_usable(running)


@pytest.mark.parametrize("point", [p for p in UNINSTALL if not p.endswith(NOT_REACHED_WITH_DATABASE)])
def test_killed_while_uninstalling(killable, point):
    for _ in range(RUNS):
        running = killable
        running.install(STORE)
        restart_with(running, point)
        dies_during(running, lambda: running.callback("uninstall", STORE))
        state = running.store(STORE).json["state"]
        assert state in ("active", "uninstalled")
        assert is_usable(running) == (state == "active")
        assert running.callback("uninstall", STORE).status == 200
        assert running.store(STORE).json["state"] == "uninstalled"
        assert running.call(running.key, "GET", f"/stores/{STORE}/v2/store").status == 410


@pytest.mark.parametrize("point", [p for p in REMOVE_USER if not p.endswith(NOT_REACHED_WITH_DATABASE)])
def test_killed_while_removing_a_user(killable, point):
    for _ in range(RUNS):
        running = killable
        running.install(STORE)
        user = {"user_id": running.other_user(STORE)}
        assert running.callback("load", STORE, **user).status == 200
        old = running.signed_payload(STORE, **user)
        restart_with(running, point)
        dies_during(running, lambda: running.callback("remove_user", STORE, **user))
        assert running.callback("remove_user", STORE, **user).status == 200
        replay = request(running.public, "GET", f"/auth/load?signed_payload_jwt={old}")
        assert replay.status >= 400, "a load that is not newer than the removal is refused"


def test_killed_while_rewrapping(killable):
    running = killable
    running.install(STORE)
    running.stop()
    old = (running.data / "keyring").read_text().strip()
    new = "fresh:" + "QUFB" * 10 + "QUE="
    try:
        for point in ["rewrap.before_batch", "rewrap.after_batch", "rewrap.before_audit"]:
            for _ in range(RUNS):
                running.settings["CREDENTIALS_ENCRYPTION_KEY"] = f"{new},{old}"
                running.start()
                killed = running.cli("vault", "rewrap", check=False, LATCHKEY_FAILPOINT=f"{point}:1")
                assert killed.returncode == -9, killed
                running.cli("vault", "rewrap")
                status = json.loads(running.cli("vault", "status", "--json").stdout)
                assert status, status
                assert is_usable(running)
                running.stop()
                new, old = old, new
    finally:
        running.settings["CREDENTIALS_ENCRYPTION_KEY"] = f"{new},{old}"
        running.start()
        assert is_usable(running)
