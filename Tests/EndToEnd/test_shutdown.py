"""SIGTERM drains: nothing new is taken, what is under way ends, and the process is gone in time."""
import signal
import threading
import time

from deployment import deployment, ends, request, wait_until

STORE = "demo1234"


def test_calls_in_flight_end_and_the_process_exits_with_0():
    with deployment(settings={"LATCHKEY_DRAIN_DELAY": "1s"}) as running:
        running.install(STORE)
        key = running.service_key(stores=[STORE])
        running.fault("delay", store=STORE, path="/v3/catalog/products", times=3, delay_ms=4000)
        answers = []
        threads = [threading.Thread(target=lambda: answers.append(
            running.call(key, "GET", f"/stores/{STORE}/v3/catalog/products"))) for _ in range(3)]
        for thread in threads:
            thread.start()
        wait_until(running.faults_are_at_work, "the calls are under way")
        start = time.monotonic()
        running.service.send_signal(signal.SIGTERM)
        wait_until(lambda: request(running.internal, "GET", "/readyz").status == 503, "not ready while draining", 2)
        for thread in threads:
            thread.join()
        assert [a.status for a in answers] == [200, 200, 200]
        assert ends(running.service, 35) == 0
        assert time.monotonic() - start < 35


def test_a_call_that_will_not_end_does_not_hold_the_exit():
    with deployment(settings={"LATCHKEY_DRAIN_DELAY": "0s"}) as running:
        running.install(STORE)
        key = running.service_key(stores=[STORE])
        running.fault("delay", store=STORE, path="/v3/catalog/products", times=2, delay_ms=100_000)
        answers = []
        threads = [threading.Thread(target=lambda: answers.append(outcome(running, key))) for _ in range(2)]
        for thread in threads:
            thread.start()
        wait_until(running.faults_are_at_work, "the calls are under way")
        start = time.monotonic()
        running.service.send_signal(signal.SIGTERM)
        assert ends(running.service, 40) == 0
        assert 20 < time.monotonic() - start < 35, "the calls got their chance, and no more"
        for thread in threads:
            thread.join()
        assert all(answer in (None, 503) for answer in answers), answers


def outcome(running, key):
    """The status of a call, or None when its connection was cut."""
    try:
        return running.call(key, "GET", f"/stores/{STORE}/v3/catalog/products",
                            headers={"Latchkey-Timeout": "120"}, timeout=60).status
    except OSError:
        return None


def test_the_last_use_of_keys_is_known_after_the_exit():
    with deployment(settings={"LATCHKEY_DRAIN_DELAY": "0s"}) as running:
        running.install(STORE)
        used, unused = (running.service_key(stores=[STORE], name=name) for name in ("used", "unused"))
        assert running.call(used, "GET", f"/stores/{STORE}/v2/store").status == 200
        assert running.call(unused[:-1], "GET", f"/stores/{STORE}/v2/store").status == 401
        running.stop()
        running.start()
        keys = {k["name"]: k["last_used_at"] for k in running.api("GET", "/v1/keys").json["data"]}
        assert keys["used"].endswith(":00.000Z") and keys["unused"] is None, keys
