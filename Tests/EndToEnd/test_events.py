"""The feed with the built program: pages, waiting, the stream, and `latchkey events tail` over interruptions."""
import base64
import contextlib
import http.client
import json
import queue
import signal
import socket
import subprocess
import threading
import time

import pytest
from cluster import Cluster
from deployment import BUILD, deployment, ends, new_key, wait_until

STORE = "demo1234"


@pytest.fixture(scope="module")
def ready():
    cluster = Cluster()
    try:
        with deployment(start=False, stores=20, settings={
                "DATABASE_URL": cluster.url, "CREDENTIALS_ENCRYPTION_KEY": new_key("k1"),
                "LATCHKEY_DRAIN_DELAY": "1s"}) as made:
            made.cluster = cluster
            made.cli("migrate")
            made.start()
            made.bootstrap()
            made.install(STORE)
            wait_until(lambda: page(made)["data"], "the install is in the feed")
            yield made
    finally:
        cluster.close()


def page(ready, query="", key=None):
    answer = ready.api("GET", f"/v1/events?{query}", key=key)
    assert answer.status == 200, answer
    return answer.json


def newest(ready):
    return page(ready, "after=newest")["next"]


def switched(ready, store, times=1):
    """So many pairs of app/suspended and app/resumed."""
    for _ in range(times):
        for verb in ("suspend", "resume"):
            assert ready.api("POST", f"/v1/stores/{store}/{verb}").status == 200


@contextlib.contextmanager
def streaming(ready, query="", key=None, last=None):
    """The messages of a stream as they come, in a queue; None is its end."""
    connection = http.client.HTTPConnection("127.0.0.1", ready.internal, timeout=40)
    connection.connect()
    wire = connection.sock
    connection.request("GET", f"/v1/events/stream?{query}", headers={
        "Authorization": f"Bearer {key or ready.operator_key}"} | ({"Last-Event-ID": last} if last else {}))
    answer = connection.getresponse()
    messages = queue.Queue()

    def read():
        fields = {}
        with contextlib.suppress(OSError, http.client.HTTPException, ValueError, AttributeError):
            while line := answer.readline():
                name, _, value = line.decode().rstrip("\n").partition(": ")
                if name:
                    fields[name] = value
                elif fields:
                    messages.put(fields)
                    fields = {}
        messages.put(None)
    assert answer.status == 200 and answer.headers["Content-Type"] == "text/event-stream", answer.read()
    reader = threading.Thread(target=read, daemon=True)
    reader.start()
    try:
        yield messages
    finally:
        with contextlib.suppress(OSError):
            wire.shutdown(socket.SHUT_RDWR)
        reader.join(5)
        answer.close()


def next_event(messages):
    while True:
        message = messages.get(timeout=20)
        assert message is not None, "the stream has ended"
        if "data" in message:
            return message


def test_an_install_is_in_the_page_the_wait_and_the_stream(ready):
    store = ready.fresh_store()
    start = newest(ready)
    waited = []
    waiting = threading.Thread(target=lambda: waited.append(page(ready, f"after={start}&wait=30&type=app/*")))
    with streaming(ready) as messages:
        assert messages.get(timeout=20) == {"retry": "2000"}
        place = messages.get(timeout=20)
        assert place == {"id": start}, "a place without an event"
        waiting.start()
        ready.install(store)
        message = next_event(messages)
    waiting.join(30)
    event = json.loads(message["data"])
    assert message["event"] == event["type"] == "app/installed" and message["id"] == event["cursor"]
    assert event["store_hash"] == store and event["origin"] == "lifecycle" and event["id"].startswith("evt_")
    assert waited[0]["data"][0] == event
    shown = ready.api("GET", f"/v1/events/{event['id']}").json
    assert shown == {name: value for name, value in event.items() if name != "cursor"}
    rest = page(ready, f"after={start}")
    assert rest["data"][0] == event and rest["more"] is False
    # Both ways of going on lead on behind the event.
    assert page(ready, f"after={event['cursor']}&store={store}&type=app/installed")["data"] == []
    switched(ready, store)
    with streaming(ready, last=event["cursor"]) as messages:
        assert [next_event(messages)["event"] for _ in range(2)] == ["app/suspended", "app/resumed"]


def test_filters_and_grants_show_what_they_hold(ready):
    mine, other = ready.fresh_store(), ready.fresh_store()
    start = newest(ready)
    for store in (mine, other):
        ready.install(store)
        switched(ready, store)
    key = ready.service_key(stores=[mine], abilities=["events:read"])

    def settled(query="", wanted=1, key=None):
        wait_until(lambda: len(page(ready, f"after={start}&{query}", key)["data"]) >= wanted, "events", 10)
        return [(e["type"], e["store_hash"]) for e in page(ready, f"after={start}&{query}", key)["data"]]
    all_of_mine = [("app/installed", mine), ("app/suspended", mine), ("app/resumed", mine)]
    assert len(settled(wanted=6)) == 6
    assert settled(key=key, wanted=3) == all_of_mine == settled(f"store={mine}", 3)
    assert settled("type=app/installed,app/resumed", 4)[0:2] == [all_of_mine[0], all_of_mine[2]]
    assert settled("type=store/*", 0) == []
    assert ready.api("GET", f"/v1/events?store={other}", key=key).status == 403
    foreign = page(ready, f"after={start}&store={other}")["data"][0]["id"]
    assert ready.api("GET", f"/v1/events/{foreign}", key=key).status == 404
    with streaming(ready, f"after={start}", key) as messages:
        assert [json.loads(next_event(messages)["data"])["store_hash"] for _ in range(3)] == [mine] * 3
    listed = json.loads(ready.cli("events", "list", "--after", start, "--type", "app/*", "--json", key=key).stdout)
    assert [(e["type"], e["store_hash"]) for e in listed["data"]] == all_of_mine
    table = ready.cli("events", "list", "--after", start, "--limit", "2", key=key)
    assert table.stdout.count("\n") == 3 and "--after" in table.stderr
    assert "app/installed" in ready.cli("events", "show", listed["data"][0]["id"], key=key).stdout


def test_a_revoked_key_hears_no_more(ready):
    made = ready.api("POST", "/v1/keys", {
        "name": "short", "app": "default", "stores": ["*"], "scopes": ["*"], "abilities": ["events:read"]}).json
    start, answers = newest(ready), []
    waiting = threading.Thread(target=lambda: answers.append(
        ready.api("GET", f"/v1/events?after={start}&type=never/*&wait=30", key=made["key"])))
    with streaming(ready, key=made["key"]) as messages:
        waiting.start()
        assert [messages.get(timeout=20), messages.get(timeout=20)][1] == {"id": start}
        assert ready.api("DELETE", f"/v1/keys/{made['id']}").status == 204
        revoked = time.monotonic()
        while (message := messages.get(timeout=10)) is not None:
            assert "data" not in message
        waiting.join(10)
        assert time.monotonic() - revoked < 5
    assert answers[0].status == 401


class Tail:
    """`latchkey events tail --json` as a process, and what it has shown so far."""

    def __init__(self, ready, *arguments, key=None):
        self.process = subprocess.Popen(
            [BUILD / "latchkey", "events", "tail", "--json", *arguments],
            env=ready.environment | ready.client_environment(key), text=True,
            stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        self.events, self.notes = [], []
        self.threads = [threading.Thread(target=self.read, args=part, daemon=True) for part in (
            (self.process.stdout, lambda line: self.events.append(json.loads(line))),
            (self.process.stderr, self.notes.append))]
        for thread in self.threads:
            thread.start()

    def read(self, pipe, take):
        for line in pipe:
            take(line)

    def shows(self, count):
        wait_until(lambda: len(self.events) >= count, f"{count} events in {self.events} {self.notes}", 25)

    def ended(self):
        status = ends(self.process, 20)
        for thread in self.threads:
            thread.join(5)
        return status


def test_tail_goes_on_over_a_killed_service(ready):
    start = newest(ready)
    tail, filtered = Tail(ready, "--after", start), Tail(ready, "--after", start, "--type", "app/resumed", "--limit", "4")
    switched(ready, STORE, 2)
    tail.shows(4)
    ready.kill()
    wait_until(lambda: any("Trying again" in note for note in tail.notes), f"a note in {tail.notes}")
    ready.start()
    ready.await_key()
    switched(ready, STORE, 3)
    tail.shows(10)
    tail.process.send_signal(signal.SIGINT)
    assert tail.ended() == 0
    assert filtered.ended() == 0
    everything = page(ready, f"after={start}")["data"]
    assert tail.events == everything and len({e["id"] for e in everything}) == 10
    assert filtered.events == [e for e in everything if e["type"] == "app/resumed"][:4]
    assert any("Connected again" in note for note in tail.notes)


def test_tail_says_what_is_wrong_and_ends(ready):
    for arguments, code in ((["--after", "nonsense"], "bad_request"), (["--store", "nosuch"], "grant_missing")):
        key = ready.service_key(stores=[STORE], abilities=["events:read"])
        failed = ready.cli("events", "tail", *arguments, check=False, key=key)
        assert failed.returncode == 1 and code in failed.stderr
    away = ready.cli("events", "tail", check=False, LATCHKEY_URL="http://127.0.0.1:1")
    assert away.returncode == 1 and "Nothing answers" in away.stderr
    assert ready.cli("events", "tail", "--limit", "0", check=False).returncode == 2


def test_cursors_that_lead_nowhere(ready):
    cursor = newest(ready)
    raw = bytearray(base64.urlsafe_b64decode(cursor + "=="))
    raw[0] ^= 1
    foreign = base64.urlsafe_b64encode(raw).decode().rstrip("=")
    for wrong in ("nonsense", foreign, cursor + "A"):
        for path in ("/v1/events?after=", "/v1/events/stream?after="):
            refused = ready.api("GET", path + wrong)
            assert refused.status == 400 and "after" in refused.json["detail"], refused
    old = page(ready, "limit=1")["data"][0]["cursor"]
    switched(ready, STORE)
    wait_until(lambda: page(ready, f"after={cursor}")["data"], "the events are in the feed")
    # As if the first events were of a day that is over, and retention had dropped it.
    position = int.from_bytes(base64.urlsafe_b64decode(cursor + "==")[8:], "big")
    ready.cluster.sql(f"UPDATE event_days SET first_position = {position + 1}")
    for path in ("/v1/events?after=", "/v1/events/stream?after="):
        gone = ready.api("GET", path + old)
        assert gone.status == 410 and gone.json["code"] == "cursor_expired"
        assert gone.json["oldest"] == cursor
    failed = ready.cli("events", "tail", "--after", old, check=False)
    assert failed.returncode == 1 and "cursor_expired" in failed.stderr
    assert [e["type"] for e in page(ready, f"after={gone.json['oldest']}")["data"]][:1] == ["app/suspended"]


def test_open_streams_and_waits_end_at_once_when_the_service_stops(ready):
    start, answers = newest(ready), []
    waits = [threading.Thread(target=lambda: answers.append(page(ready, f"after={start}&wait=60"))) for _ in range(3)]
    with streaming(ready) as first, streaming(ready, "type=never/*") as second:
        for messages in (first, second):
            messages.get(timeout=20)
        for wait in waits:
            wait.start()
        stopped = time.monotonic()
        ready.service.send_signal(signal.SIGTERM)
        assert ends(ready.service, 35) == 0
        assert time.monotonic() - stopped < 10
        for messages in (first, second):
            while messages.get(timeout=5) is not None:
                pass
        for wait in waits:
            wait.join(5)
    assert [a["next"] for a in answers] == [start] * 3
    ready.start()
