"""Writes with an Idempotency-Key: one upstream call and one answer, over two replicas, whatever is killed meanwhile."""
import contextlib
import http.client
import threading
import time
import urllib.parse
import uuid

import pytest
from cluster import Cluster
from deployment import count, deployment, ends, new_key, wait_until
from metrics import scrape

STORE = "demo1234"
PATH = f"/stores/{STORE}/v3/catalog/brands"
REPEATS = 100
KILLS = count(1, 20)
# Where the sender dies, and what the sandbox and later repetitions have seen of the write then.
STEPS = {
    "before_begin": "not sent, key free", "after_begin": "not sent, unknown", "after_head": "sent, unknown",
    "after_record": "sent, kept",
}


@pytest.fixture(scope="module")
def replicas():
    with contextlib.ExitStack() as made:
        cluster = Cluster()
        made.callback(cluster.close)
        first = made.enter_context(deployment(start=False, settings={
            "DATABASE_URL": cluster.url, "CREDENTIALS_ENCRYPTION_KEY": new_key("k1"), "LATCHKEY_METRICS_OPEN": "true"}))
        first.cli("migrate")
        first.start()
        first.bootstrap()
        second = first.replica("second")
        made.callback(second.stop)
        first.install(STORE)
        first.key = second.key = first.service_key()
        for replica in (first, second):
            wait_until(lambda: replica.call(first.key, "GET", PATH).status == 200, "the replica knows store and key", 10)
        first.control("PUT", f"/quota/{STORE}", {"limit": 100_000, "window_ms": 1000})
        first.cluster, first.second = cluster, second
        yield first, second


@pytest.fixture(autouse=True)
def plain(replicas):
    yield
    replicas[0].control("DELETE", "/faults")


def brand():
    """A body that is found again in the sandbox."""
    return {"name": f"brand {uuid.uuid4()}"}


def send(replica, key, body, **headers):
    return replica.call(replica.key, "POST", PATH, body, {"Idempotency-Key": key} | headers, timeout=60)


def carried_out(replica, body):
    """How many brands of that name there are: how often the write took effect."""
    name = urllib.parse.quote(body["name"])
    # After an outage the replica has to read the changes of its stores first.
    found = wait_until(
        lambda: (answer := replica.call(replica.key, "GET", f"{PATH}?name={name}")).status == 200 and answer, "asked", 20)
    return len(found.json["data"])


def writes(replica):
    """How many writes have reached the sandbox."""
    return sum(one["method"] == "POST" for one in replica.arrived(host="api", store=STORE))


def code(answer):
    return answer.json.get("code") if answer.headers.get("latchkey-origin") == "gateway" else None


def until_answered(replica, key, body, answers, alive):
    """Repeats as a caller does: after 409 in flight, after 503, after a connection that broke."""
    end = time.monotonic() + 60
    while time.monotonic() < end:
        target = next(one for one in (replica, *alive) if one.service.poll() is None)
        try:
            answer = send(target, key, body)
        except (OSError, http.client.HTTPException):
            continue
        if code(answer) in ("idempotency_in_flight", "database_unavailable", "overloaded", "draining"):
            time.sleep(0.2)
            continue
        answers.append(answer)
        return
    raise AssertionError("no answer in a minute")


def crowd(replicas, key, body):
    """A hundred repetitions at once, half of them at each replica; all answers."""
    answers = []
    threads = [threading.Thread(target=until_answered, args=(replicas[number % 2], key, body, answers, replicas))
               for number in range(REPEATS)]
    for thread in threads:
        thread.start()
    return threads, answers


def test_a_hundred_repetitions_over_two_replicas_are_one_call_and_one_answer(replicas):
    before, body = writes(replicas[0]), brand()
    threads, answers = crowd(replicas, str(uuid.uuid4()), body)
    for thread in threads:
        thread.join()
    assert len(answers) == REPEATS
    assert writes(replicas[0]) - before == 1
    assert carried_out(replicas[0], body) == 1
    assert {answer.status for answer in answers} == {200} and len({answer.body for answer in answers}) == 1
    assert sum("latchkey-idempotent-replay" not in answer.headers for answer in answers) == 1
    ours = ("x-request-id", "date", "latchkey-idempotent-replay")
    heads = {tuple(sorted((k, v) for k, v in answer.headers.items() if k not in ours)) for answer in answers}
    assert len(heads) == 1, heads


@pytest.mark.parametrize("step", STEPS)
def test_killed_at_each_step(replicas, step):
    """The sender dies; the other replica never sends the write again, and says what is known of it."""
    first, second = replicas
    for _ in range(KILLS):
        first.stop()
        first.start(LATCHKEY_FAILPOINT=f"keyed_write.{step}:1")
        wait_until(lambda: first.call(first.key, "GET", PATH).status == 200, "the replica is back", 10)
        before, body, key = writes(second), brand(), str(uuid.uuid4())
        with contextlib.suppress(OSError, http.client.HTTPException):
            send(first, key, body)
        assert ends(first.service) == -9, "the fail point was reached"
        sent = 1 if "sent," in STEPS[step] and "not sent" not in STEPS[step] else 0
        assert writes(second) - before == sent
        answer = send(second, key, body)
        if STEPS[step].endswith("unknown"):
            assert code(answer) == "idempotency_in_flight" and answer.headers["retry-after"] == "1"
            # Its lease, 15 s, is over sooner for the test.
            first.cluster.sql("UPDATE keyed_writes SET lease_until = now()")
            answer = send(second, key, body)
            assert (answer.status, code(answer)) == (409, "idempotency_unknown")
            assert (answer.json["outcome"], answer.json["cause"]) == ("unknown", "interrupted")
        elif STEPS[step].endswith("kept"):
            assert answer.status == 200 and answer.headers["latchkey-idempotent-replay"] == "true"
        else:
            assert answer.status == 200 and "latchkey-idempotent-replay" not in answer.headers
            sent = 1
        assert writes(second) - before == sent
        assert carried_out(second, body) == sent
        first.start()


def test_killed_in_the_middle_of_a_hundred(replicas):
    """kill -9 while the write is with BigCommerce: one call, and one word about it for everybody."""
    first, second = replicas
    for _ in range(count(1, 5)):
        before, body, key = writes(second), brand(), str(uuid.uuid4())
        first.fault("delay", method="POST", path="/v3/catalog/brands", delay_ms=8000, times=1)
        sender = threading.Thread(target=quiet, args=(first, key, body))
        sender.start()
        wait_until(first.faults_are_at_work, "the write is with BigCommerce")
        threads, answers = crowd(replicas, key, body)
        first.kill()
        # The rest of its lease, 15 s, is shortened for the test.
        first.cluster.sql("UPDATE keyed_writes SET lease_until = lease_until - interval '10 s' WHERE state = 'in_flight'")
        for thread in threads:
            thread.join()
        sender.join()
        first.start()
        assert len(answers) == REPEATS
        assert {code(answer) for answer in answers} == {"idempotency_unknown"}
        assert writes(second) - before <= 1 and carried_out(second, body) <= 1


def quiet(replica, key, body):
    with contextlib.suppress(OSError, http.client.HTTPException):
        send(replica, key, body)


def test_a_caller_who_left_finds_the_answer(replicas):
    first, second = replicas
    before, body, key = writes(first), brand(), str(uuid.uuid4())
    first.fault("delay", method="POST", path="/v3/catalog/brands", delay_ms=1000, times=1)
    with pytest.raises(OSError):
        first.call(first.key, "POST", PATH, body, {"Idempotency-Key": key}, timeout=0.5)
    answer = wait_until(lambda: (again := send(second, key, body)).status == 200 and again, "the answer is kept", 10)
    assert answer.headers["latchkey-idempotent-replay"] == "true"
    assert writes(first) - before == 1 and carried_out(first, body) == 1


def test_without_postgres_nothing_is_sent(replicas):
    first, _ = replicas
    before, key, body = writes(first), str(uuid.uuid4()), brand()
    with first.cluster.hung():
        answer = send(first, key, body)
        assert (answer.status, code(answer), answer.json["outcome"]) == (503, "database_unavailable", "not_sent")
    assert writes(first) == before
    answers = []
    until_answered(first, key, body, answers, replicas)
    assert answers[0].status == 200, "what was not sent leaves its key free, also when its record was in doubt"
    assert writes(first) - before == 1


def test_an_outage_at_the_end_costs_the_record_not_the_answer(replicas):
    first, second = replicas
    before, key, body = writes(first), str(uuid.uuid4()), brand()
    first.fault("delay", method="POST", path="/v3/catalog/brands", delay_ms=700, times=1)
    answers = []
    sender = threading.Thread(target=lambda: answers.append(send(first, key, body)))
    sender.start()
    wait_until(first.faults_are_at_work, "the write is with BigCommerce")
    with first.cluster.hung():
        sender.join()
    assert answers[0].status == 200, "the caller learns what happened"
    told = []
    until_answered(second, key, body, told, replicas)
    assert told[0].status == 200 or code(told[0]) == "idempotency_unknown"
    assert writes(first) - before == 1 and carried_out(first, body) == 1


def test_metrics_and_log_tell_what_keys_came_to(replicas):
    first, _ = replicas
    page = scrape(first)
    results = {dict(labels)["result"]: value for (name, labels), value in page.values.items()
               if name == "latchkey_idempotency_requests_total"}
    assert results["first"] >= 1
    key, body = str(uuid.uuid4()), brand()
    # The outage of the test before may not be over for this replica.
    until_answered(first, key, body, [], replicas)
    assert send(first, key, body).headers["latchkey-idempotent-replay"] == "true"
    assert code(send(first, key, brand())) == "idempotency_conflict"
    for word in ("first", "replayed", "conflict"):
        wait_until(lambda: f'"idempotency":"{word}"' in first.log.read_text(), word, 5)
    assert key not in first.log.read_text()
