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
        running.control("DELETE", "/requests")
        running.fault("delay", store=STORE, path="/v3/catalog/products", times=3, delay_ms=4000)
        answers = []
        threads = [threading.Thread(target=lambda: answers.append(
            running.call(key, "GET", f"/stores/{STORE}/v3/catalog/products"))) for _ in range(3)]
        for thread in threads:
            thread.start()
        wait_until(lambda: len(running.arrived(host="api")) >= 3, "the calls are under way")
        start = time.monotonic()
        running.service.send_signal(signal.SIGTERM)
        wait_until(lambda: request(running.internal, "GET", "/readyz").status == 503, "not ready while draining", 2)
        for thread in threads:
            thread.join()
        assert [a.status for a in answers] == [200, 200, 200]
        assert ends(running.service, 35) == 0
        assert time.monotonic() - start < 35
