"""Subscriptions from outside: made, signed as the official library verifies it, replayed, killed in the middle, ended."""
import json

import pytest
from deployment import deployment, ends, wait_until
from receiver import Receiver
from standardwebhooks.webhooks import Webhook, WebhookVerificationError

# Where each delivery is when the process dies, and how often it may then arrive.
POINTS = {"before_fan_out": 1, "after_fan_out": 1, "before_send": 1, "after_send": 2, "after_finish": 1}


@pytest.fixture(scope="module")
def running():
    with deployment(stores=40) as made:
        yield made


def subscribe(running, receiver, types=("app/installed",), **extra):
    answer = running.api("POST", "/v1/subscriptions", {"url": receiver.url, "types": list(types)} | extra)
    assert answer.status == 201, answer
    return answer.json


def shown(running, subscription):
    return running.api("GET", f"/v1/subscriptions/{subscription['id']}").json


def deliveries(running, subscription, query=""):
    return running.api("GET", f"/v1/subscriptions/{subscription['id']}/deliveries{query}").json["data"]


def test_an_event_arrives_signed_and_as_the_feed_shows_it(running):
    with Receiver() as receiver:
        made = subscribe(running, receiver)
        assert made["secret"].startswith("whsec_") and made["state"] == "active" and made["stores"] == ["*"]
        assert "secret" not in shown(running, made)
        store = running.fresh_store()
        running.install(store)
        wait_until(lambda: receiver.pushes, "the push")
        event = receiver.verified(made["secret"])[0]
        assert event["type"] == "app/installed" and event["store_hash"] == store
        assert running.api("GET", f"/v1/events/{event['id']}").json == event
        headers = receiver.pushes[0][0]
        assert headers["webhook-id"] == event["id"]
        with pytest.raises(WebhookVerificationError):
            Webhook("whsec_" + "A" * 44).verify(receiver.pushes[0][1], headers)
        delivery = wait_until(
            lambda: [d for d in deliveries(running, made, "?state=delivered") if d["event"] == event], "the log")[0]
        assert delivery["log"][0]["status"] == 200 and delivery["attempts"] == 1


def test_rotation_overlaps_and_a_ping_shows_the_answer(running):
    with Receiver() as receiver:
        made = subscribe(running, receiver, name="ping me")
        receiver.answer(503, body=b"not now")
        ping = running.api("POST", f"/v1/subscriptions/{made['id']}/ping").json
        assert ping["delivered"] is False and ping["status"] == 503 and ping["answer"] == "not now"
        receiver.answer(204)
        new = running.api("POST", f"/v1/subscriptions/{made['id']}/rotate").json["secret"]
        ping = running.api("POST", f"/v1/subscriptions/{made['id']}/ping").json
        assert ping["delivered"] is True
        with receiver.lock:
            headers, body = receiver.pushes[-1]
        for secret in (made["secret"], new):
            assert Webhook(secret).verify(body, headers)["type"] == "app/subscription_ping"
        assert shown(running, made)["failures"] == 0, "a ping counts for nothing"


@pytest.mark.parametrize("url", [
    "https://169.254.169.254/latest/meta-data", "http://10.0.0.1/", "https://10.0.0.1/", "https://[::ffff:127.0.0.1]/",
    "https://user:pass@127.0.0.1/", "ftp://127.0.0.1/", "https://2130706433/", "https://[64:ff9b::a9fe:a9fe]/",
    "http://169.254.169.254/", "https://0.0.0.0/", "https://127.0.0.1/#x", "nonsense", "https://no-such-host.invalid/",
])
def test_urls_that_lead_inwards_are_refused(running, url):
    answer = running.api("POST", "/v1/subscriptions", {"url": url, "types": ["*"]})
    assert answer.status == 400 and "url" in answer.json["detail"], answer


def test_wrong_bodies_are_refused_by_name(running):
    good = {"url": "http://127.0.0.1:9/", "types": ["*"]}
    for change, word in [
        ({"types": None}, "types"), ({"types": []}, "types"), ({"types": ["x"]}, "types"), ({"types": "a/b"}, "types"),
        ({"concurrency": 0}, "concurrency"), ({"stores": ["NO"]}, "stores"), ({"app": "No App"}, "app"),
        ({"app": "unheard"}, "app"), ({"name": "a\nb"}, "name"), ({"colour": 1}, "colour"), ({"url": None}, "url"),
    ]:
        answer = running.api("POST", "/v1/subscriptions", good | change)
        assert answer.status == 400 and word in answer.json["detail"], (change, answer)
    for path, method in [("", "GET"), ("", "DELETE"), ("/ping", "POST"), ("/rotate", "POST"), ("/deliveries", "GET")]:
        assert running.api(method, "/v1/subscriptions/sub_none" + path).status == 404
    answer = running.api("POST", "/v1/subscriptions/sub_none/replay", {"failed": True})
    assert answer.status == 404


def test_a_key_reaches_its_own_stores_only(running):
    with Receiver() as receiver:
        wide = subscribe(running, receiver)
        mine, other = running.fresh_store(), running.fresh_store()
        key = running.service_key(stores=[mine], abilities=["operator"])
        reader = running.service_key(stores=[mine], abilities=["events:read"])
        body = {"url": receiver.url, "types": ["app/*"]}
        wait_until(lambda: running.api("GET", "/v1/subscriptions", key=reader).status == 200, "the key counts")
        assert running.api("POST", "/v1/subscriptions", body, key=reader).status == 403
        assert running.api("POST", "/v1/subscriptions", body | {"stores": ["*"]}, key=key).status == 403
        assert running.api("POST", "/v1/subscriptions", body | {"stores": [other]}, key=key).status == 403
        made = running.api("POST", "/v1/subscriptions", body, key=key).json
        assert made["stores"] == [mine] and made["app"] == "default"
        seen = [s["id"] for s in running.api("GET", "/v1/subscriptions", key=reader).json["data"]]
        assert seen == [made["id"]]
        assert running.api("GET", f"/v1/subscriptions/{wide['id']}", key=key).status == 404
        assert running.api("PATCH", f"/v1/subscriptions/{made['id']}", {"stores": ["*"]}, key=key).status == 403
        running.install(other)
        running.install(mine)
        wait_until(lambda: any(d["event"]["store_hash"] == mine for d in deliveries(running, made)), "its own store")
        assert {d["event"]["store_hash"] for d in deliveries(running, made)} == {mine}


def test_dead_letters_are_kept_and_replayed(running):
    running.stop()
    running.start(LATCHKEY_PUSH_SCHEDULE="1s")
    with Receiver() as receiver:
        made = subscribe(running, receiver)
        receiver.answer(500, body=b"broken")
        running.install(running.fresh_store())
        wait_until(lambda: deliveries(running, made, "?state=dead"), "the dead letter")
        dead = deliveries(running, made, "?state=dead")[0]
        assert [attempt["answer"] for attempt in dead["log"]] == ["broken", "broken"]
        receiver.answer(200)
        target = f"/v1/subscriptions/{made['id']}/replay"
        assert running.api("POST", target, {"failed": True}).json == {"replayed": 1}
        wait_until(lambda: not shown(running, made)["dead"] and not shown(running, made)["pending"], "the replay")
        event = dead["event"]["id"]
        assert running.api("POST", target, {"event_ids": [event]}).json == {"replayed": 1}
        wait_until(lambda: receiver.ids().count(event) == 4, "the replay of one")
        cursors = running.api("GET", "/v1/events?limit=1000").json
        assert running.api("POST", target, {"from": "oldest", "to": cursors["next"]}).json["replayed"] >= 1
        assert running.api("POST", target, {}).status == 400
        assert "fields from and to" in running.api("POST", target, {"from": "nonsense"}).json["detail"]
        assert running.api("POST", target, {"event_ids": [event], "failed": True}).status == 400
        assert len(receiver.verified(made["secret"])) == len(receiver.pushes)


def test_gone_ends_it_and_the_feed_says_so(running):
    with Receiver() as receiver:
        made = subscribe(running, receiver)
        receiver.answer(410)
        running.install(running.fresh_store())
        wait_until(lambda: shown(running, made)["state"] == "gone", "the end")
        found = running.api("GET", "/v1/events?type=app/subscription_gone&wait=5").json["data"]
        assert made["id"] in [event["data"]["subscription_id"] for event in found]
        receiver.answer(200)
        assert running.api("POST", f"/v1/subscriptions/{made['id']}/enable").json["state"] == "active"


def test_events_are_pushed_once_more_to_those_that_want_them(running):
    with Receiver() as one, Receiver() as two:
        installs, all_of_app = subscribe(running, one), subscribe(running, two, ["app/*"])
        store = running.fresh_store()
        running.install(store)
        running.api("POST", f"/v1/stores/{store}/suspend")
        # What came is done when it is written down: an attempt that is under way is not replayed.
        came = lambda first, second: wait_until(
            lambda: len(one.pushes) == first and len(two.pushes) == second
            and not any(shown(running, each)["pending"] for each in (installs, all_of_app)), "the pushes")
        came(1, 2)
        body = {"since": "2020-01-01T00:00:00Z", "store": store, "subscriptions": [installs["id"], all_of_app["id"]]}
        dry = running.api("POST", "/v1/events/replay", body | {"dry_run": True}).json
        assert dry["would_replay"] == 3
        counts = {row["id"]: row["would_replay"] for row in dry["subscriptions"]}
        assert counts == {installs["id"]: 1, all_of_app["id"]: 2}
        assert len(one.pushes) == 1, "nothing was done"
        assert running.api("POST", "/v1/events/replay", body).json["replayed"] == 3
        came(2, 4)
        assert set(one.ids()) == {one.ids()[0]} and len(set(two.ids())) == 2, "an event keeps its ID"
        event = one.ids()[0]
        # Without names: to all active ones that want it.
        answer = running.api("POST", "/v1/events/replay", {"event_ids": [event]}).json
        assert {installs["id"], all_of_app["id"]} <= {row["id"] for row in answer["subscriptions"]}
        came(3, 5)
        other = running.service_key(stores=["elsewhere"], abilities=["operator"])
        wait_until(lambda: running.api("GET", "/v1/subscriptions", key=other).status == 200, "the key counts")
        assert running.api("POST", "/v1/events/replay", {"event_ids": [event]}, key=other).json["replayed"] == 0
        assert running.api("POST", "/v1/events/replay", body, key=other).status in (403, 404)
        for wrong in ({}, {"to": "x"}, {"event_ids": []}, {"event_ids": [event], "types": ["a/b"]}, {"since": "soon"},
                      {"failed": True, "subscriptions": []}, {"since": "2020-01-01T00:00:00Z", "store": "NO"},
                      {"since": "2020-01-01T00:00:00Z", "colour": 1}):
            assert running.api("POST", "/v1/events/replay", wrong).status == 400, wrong
        # And on the command line.
        arguments = ("events", "replay", "--store", store, "--since", "1h", "--subscription", installs["id"])
        assert running.cli(*arguments, check=False).returncode == 2, "nobody to ask"
        assert "1 to " + installs["id"] in running.cli(*arguments, "--dry-run").stdout
        assert json.loads(running.cli(*arguments, "--yes", "--json").stdout)["replayed"] == 1
        came(4, 5)


def test_dead_letters_are_forgotten_when_an_operator_says_so(running):
    running.stop()
    running.start(LATCHKEY_PUSH_SCHEDULE="1s")
    with Receiver() as receiver:
        made = subscribe(running, receiver, ["app/*"])
        receiver.answer(500)
        store = running.fresh_store()
        running.install(store)
        running.api("POST", f"/v1/stores/{store}/suspend")
        wait_until(lambda: shown(running, made)["dead"] == 2, "they are dead")
        dead = {d["event"]["type"]: d["event"]["id"] for d in deliveries(running, made, "?state=dead")}
        target = f"/v1/subscriptions/{made['id']}/discard"
        assert running.api("POST", target, {"failed": True, "dry_run": True}).json == {"would_discard": 2}
        body = {"from": "oldest", "types": ["app/installed"], "dry_run": True}
        assert running.api("POST", target, body).json == {"would_discard": 1}
        assert running.api("POST", target, {"event_ids": [dead["app/suspended"]]}).json == {"discarded": 1}
        assert running.api("POST", target, {}).status == 400
        reader = running.service_key(abilities=["events:read"])
        wait_until(lambda: running.api("GET", "/v1/subscriptions", key=reader).status == 200, "the key counts")
        assert running.api("POST", target, {"failed": True}, key=reader).status == 403
        command = ("subscriptions", "discard", made["id"], "--failed")
        assert "Would forget 1 dead" in running.cli(*command, "--dry-run").stdout
        assert "1 dead letters are forgotten" in running.cli(*command, "--yes").stdout
        assert shown(running, made)["dead"] == 0 and not deliveries(running, made, "?state=dead")
        receiver.answer(200)
        body = {"event_ids": [dead["app/suspended"]]}
        assert running.api("POST", target.replace("discard", "replay"), body).json == {"replayed": 1}, "the feed has it"
        wait_until(lambda: dead["app/suspended"] in receiver.ids()[-1:], "it arrives")


@pytest.mark.parametrize("point", POINTS)
def test_killed_in_the_middle_nothing_is_lost(on_cluster, cluster, point):
    # Others have attempts of their own that would reach the fail point.
    for other in on_cluster.api("GET", "/v1/subscriptions").json["data"]:
        on_cluster.api("DELETE", f"/v1/subscriptions/{other['id']}")
    with Receiver() as receiver:
        made = subscribe(on_cluster, receiver)
        on_cluster.stop()
        on_cluster.start(LATCHKEY_FAILPOINT=f"push.{point}:1")
        store = on_cluster.fresh_store()
        with_store = lambda: [d for d in deliveries(on_cluster, made) if d["event"]["store_hash"] == store]
        try:
            on_cluster.install(store)
        except OSError:
            pass
        assert ends(on_cluster.service) == -9, "the fail point was reached"
        on_cluster.start()
        if point in ("before_send", "after_send"):
            # Nobody else makes an attempt while it has its lease, which is then over.
            assert [(d["state"], d["under_way"]) for d in with_store()] == [("pending", True)]
            cluster.sql("UPDATE push_deliveries SET due_at = now() WHERE lease_id IS NOT NULL")
        delivery = wait_until(lambda: [d for d in with_store() if d["state"] == "delivered"], "the push", 20)[0]
        assert receiver.ids().count(delivery["event"]["id"]) == POINTS[point]
        assert len(with_store()) == 1


def test_the_command_line_does_the_same(running):
    with Receiver() as receiver:
        made = json.loads(running.cli(
            "subscriptions", "create", "--url", receiver.url, "--type", "app/*", "--name", "cli", "--json").stdout)
        assert made["secret"].startswith("whsec_")
        assert made["id"] in running.cli("subscriptions", "list").stdout
        assert "cli" in running.cli("subscriptions", "show", made["id"]).stdout
        assert "delivered" in running.cli("subscriptions", "ping", made["id"]).stdout
        receiver.answer(500)
        assert running.cli("subscriptions", "ping", made["id"], check=False).returncode == 3
        receiver.answer(200)
        assert running.cli("subscriptions", "rotate", made["id"], check=False).returncode == 2, "nobody to ask"
        assert "whsec_" in running.cli("subscriptions", "rotate", made["id"], "--yes").stdout
        running.install(running.fresh_store())
        wait_until(lambda: shown(running, made)["pending"] == 0 and len(receiver.pushes) > 2, "the pushes")
        assert "delivered" in running.cli("subscriptions", "deliveries", made["id"]).stdout
        assert "due again" in running.cli(
            "subscriptions", "replay", made["id"], "--from", "oldest", "--yes").stdout
        running.cli("subscriptions", "disable", made["id"], "--yes")
        assert shown(running, made)["state"] == "disabled"
        running.cli("subscriptions", "enable", made["id"])
        assert "Would" in running.cli("subscriptions", "delete", made["id"], "--dry-run").stdout
        running.cli("subscriptions", "delete", made["id"], "--yes")
        assert running.cli("subscriptions", "show", made["id"], check=False).returncode == 1
