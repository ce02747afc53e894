"""PostgreSQL down, hung or restarted while a merchant installs, and BigCommerce's login host misbehaving."""
import threading

import pytest
from cluster import timed
from deployment import count, request, wait_until
from metrics import scrape



@pytest.fixture(scope="module")
def running(on_cluster):
    return on_cluster


def callback(running, query):
    return request(running.public, "GET", f"/auth/callback?{query}", timeout=30)


def usable(running, store):
    return running.call(running.key, "GET", f"/stores/{store}/v2/store").status == 200


def exchanges(running):
    return running.control("GET", "/counters")["token_requests"]


@pytest.mark.parametrize("fault", ["down", "hung"])
def test_away_before_the_exchange_leaves_the_code_unspent(running, cluster, fault):
    store = running.fresh_store()
    before = exchanges(running)
    query = running.callback_query(store)
    with getattr(cluster, fault)():
        page, seconds = timed(lambda: callback(running, query))
        assert page.status == 503 and seconds < 6, (page.status, seconds)
        assert exchanges(running) == before
    wait_until(lambda: request(running.internal, "GET", "/readyz").status == 200, "ready again", 10)
    assert callback(running, query).status == 200
    wait_until(lambda: usable(running, store), "the store can be called", 10)


@pytest.mark.parametrize("fault", ["down", "hung"])
def test_away_after_the_exchange_the_merchant_still_succeeds(running, cluster, fault):
    store = running.fresh_store()
    for _ in range(count(1, 10)):
        store = running.fresh_store()
        query = running.callback_query(store)
        running.fault("delay", path="/oauth2/token", times=1, delay_ms=3000)
        answers = []
        merchant = threading.Thread(target=lambda: answers.append(callback(running, query)))
        merchant.start()
        wait_until(running.faults_are_at_work, "the exchange is under way")
        with getattr(cluster, fault)():
            merchant.join(45)
            assert answers and answers[0].status == 200, answers
        wait_until(lambda: request(running.internal, "GET", "/readyz").status == 200, "ready again", 15)
        wait_until(lambda: running.store(store).status == 200,
                   "the token came back from the spool", 30)
        wait_until(lambda: usable(running, store), "the store can be called", 10)


def test_an_uninstall_is_accepted_while_postgresql_is_away(running, cluster):
    store = running.fresh_store()
    callback(running, running.callback_query(store))
    with cluster.down():
        answer, seconds = timed(lambda: running.callback("uninstall", store))
        assert answer.status == 200 and seconds < 10
    wait_until(lambda: running.store(store).json.get("state") == "uninstalled", "the spool is replayed", 30)


def test_gateway_answers_503_and_recovers(running, cluster):
    store = running.fresh_store()
    callback(running, running.callback_query(store))
    wait_until(lambda: usable(running, store), "the store can be called", 10)
    with cluster.down():
        assert usable(running, store), "the snapshot is trusted for a moment"
        wait_until(lambda: running.call(running.key, "GET", f"/stores/{store}/v2/store").status == 503,
                   "the snapshot is too old to trust", 10)
        assert request(running.internal, "GET", "/readyz").status == 503
    wait_until(lambda: usable(running, store), "good again", 8)


def test_a_hung_login_host_is_answered_in_time(running):
    store = running.fresh_store()
    running.fault("hang", path="/oauth2/token", times=1)
    page, seconds = timed(lambda: callback(running, running.callback_query(store)))
    assert page.status >= 500 and seconds < 20, (page.status, seconds)
    assert "<html" in page.text


def test_five_hundred_callbacks_with_one_code_make_one_exchange(running):
    store = running.fresh_store()
    query, before = running.callback_query(store), exchanges(running)
    statuses, workers = [], count(100, 500)
    threads = [threading.Thread(target=lambda: statuses.append(callback(running, query).status)) for _ in range(workers)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert exchanges(running) == before + 1
    assert statuses == [200] * workers, set(statuses)


@pytest.mark.parametrize("fault", [
    {"status": 400, "body": {"error": "invalid_grant"}}, {"status": 401, "body": {}},
    {"status": 200, "body": "<html>login</html>", "content_type": "text/html"}, {"status": 302, "body": ""},
    {"status": 500, "body": ""},
    {"status": 200, "body": {"access_token": "x", "scope": None, "context": "stores/x"}},
])
def test_a_failed_exchange_changes_nothing(running, fault):
    store = running.fresh_store()
    callback(running, running.callback_query(store))
    before = running.store(store).json
    running.fault("status", path="/oauth2/token", times=1, **fault)
    page = callback(running, running.callback_query(store))
    assert page.status >= 400 and "<html" in page.text
    after = running.store(store).json
    assert (before["generation"], before["state"]) == (after["generation"], after["state"])


def test_metrics_tell_of_an_outage_while_it_lasts(running, cluster):
    store = running.fresh_store()
    assert callback(running, running.callback_query(store)).status == 200
    wait_until(lambda: usable(running, store), "the store can be called", 10)
    before = scrape(running)
    assert before["latchkey_directory_age_seconds"] < 5 and before["latchkey_spool_records"] == 0
    refused = 'latchkey_gateway_refusals_total{code="database_unavailable"}'
    failed = 'latchkey_callbacks_total{kind="install",outcome="failed"}'
    with cluster.down():
        wait_until(lambda: scrape(running)["latchkey_directory_age_seconds"] > 5, "the age is over 5 s", 15)
        assert running.call(running.key, "GET", f"/stores/{store}/v2/store").status == 503
        assert callback(running, running.callback_query(running.fresh_store())).status == 503
        assert running.callback("uninstall", store).status == 200
        away = scrape(running)
        assert away["latchkey_spool_records"] == 1
        assert away[refused] - before[refused] == 1 and away[failed] - before[failed] == 1
        unavailable = 'latchkey_postgres_refusals_total{reason="unavailable"}'
        assert away[unavailable] > before[unavailable]
    wait_until(lambda: scrape(running)["latchkey_spool_records"] == 0, "the spool is replayed", 30)
    wait_until(lambda: scrape(running)["latchkey_directory_age_seconds"] < 5, "the directory is up to date", 10)
