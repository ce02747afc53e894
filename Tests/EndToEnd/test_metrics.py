"""Metrics: what is counted, that it is exact, that labels stay few, and that docs and alert rules name what there is."""
import json
import re
import socket
import subprocess
import threading
import time

import pytest
import yaml
from deployment import ROOT, count, request, wait_until
from metrics import documented, scrape

OPS = ROOT / "docs/ops"
STORE = "demo1234"
PATH = f"/stores/{STORE}/v3/catalog/products?limit=1"


@pytest.fixture(scope="module")
def ready(running):
    running.install(STORE)
    running.key = running.service_key()
    return running


@pytest.fixture(autouse=True)
def plain(ready):
    ready.control("DELETE", "/faults")
    ready.control("PUT", f"/quota/{STORE}", {"limit": 10_000, "window_ms": 1000, "strangers": 0})
    wait_until(lambda: ready.call(ready.key, "GET", PATH).status == 200, "the store answers", 10)
    yield
    ready.control("DELETE", "/faults")


class Change:
    """How much each series has grown since this was made; what did not change is 0."""

    def __init__(self, ready):
        self.ready = ready
        self.before = scrape(ready)

    def __call__(self):
        after = scrape(self.ready)
        assert after.series == self.before.series
        return {name + ("{%s}" % ",".join(f'{k}="{v}"' for k, v in labels) if labels else ""):
                value - self.before.values[name, labels]
                for (name, labels), value in after.values.items() if value != self.before.values[name, labels]}


def counted(change, *prefixes):
    """The counters among the changes: whole metrics by their names."""
    return {name: grown for name, grown in change.items() if name.startswith(prefixes) and "_bucket" not in name
            and "_sum" not in name}


CALLS = ("latchkey_gateway", "latchkey_upstream", "latchkey_retries", "latchkey_retry", "latchkey_breaker",
         "latchkey_calls_not_sent", "latchkey_quota_wait")


def test_the_page_is_for_keys_with_the_ability(ready):
    assert request(ready.internal, "GET", "/metrics").status == 401
    refused = request(ready.internal, "GET", "/metrics", headers={"Authorization": f"Bearer {ready.key}"})
    assert (refused.status, refused.json["missing_ability"]) == (403, "metrics")
    # They count all stores together.
    some = ready.api("GET", "/metrics", key=ready.service_key(stores=["store0002"], abilities=["metrics"]))
    assert (some.status, some.json["code"]) == (403, "grant_missing") and "latchkey_" not in some.text
    scrape(ready, ready.service_key(abilities=["metrics"]))
    assert request(ready.public, "GET", "/metrics").status == 404


def test_docs_and_page_name_the_same_metrics(ready):
    page, docs = scrape(ready), documented()
    assert {name: (kind, page.labels(name)) for name, kind in page.types.items()} == docs


def test_alert_rules_are_in_order_and_name_metrics_that_there_are(ready):
    page = scrape(ready)
    groups = yaml.safe_load((OPS / "prometheus-rules.yaml").read_text())["groups"]
    rules = [rule for group in groups for rule in group["rules"]]
    assert len(rules) >= 8 and len({rule["alert"] for rule in rules}) == len(rules)
    known = {name for name, _ in page.series} | {"up"}
    for rule in rules:
        assert set(rule) == {"alert", "expr", "for", "labels", "annotations"}, rule
        assert rule["labels"]["severity"] in ("page", "ticket")
        assert re.fullmatch(r"\d+[smh]", rule["for"]) and set(rule["annotations"]) == {"summary", "action"}
        named = set(re.findall(r"\b((?:latchkey|process)_\w+|up)\b", rule["expr"]))
        assert named and named <= known, rule
        for name, matchers in re.findall(r"(\w+)\{([^}]*)\}", rule["expr"]):
            for label, value in re.findall(r'(\w+)="([^"]*)"', matchers):
                assert label == "job" or any(series == name and (label, value) in pairs
                                             for series, pairs in page.series), (rule, label, value)


def test_prometheus_takes_the_rules_and_each_alert_fires_when_it_should():
    for arguments in (["check", "rules", "prometheus-rules.yaml"], ["test", "rules", "prometheus-rules-test.yaml"]):
        done = subprocess.run(["promtool", *arguments], cwd=OPS, capture_output=True, text=True, timeout=60)
        assert done.returncode == 0, done.stdout + done.stderr
    alerts = re.findall(r"alert: (\w+)", (OPS / "prometheus-rules.yaml").read_text())
    tested = re.findall(r"- name: (\w+)", (OPS / "prometheus-rules-test.yaml").read_text())
    assert tested == alerts


def test_prometheus_takes_the_page(ready):
    page = request(ready.internal, "GET", "/metrics", headers={"Authorization": f"Bearer {ready.operator_key}"}).text
    done = subprocess.run(["promtool", "check", "metrics"], input=page, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_dashboard_asks_for_metrics_that_there_are(ready):
    page = scrape(ready)
    known = {name for name, _ in page.series}
    dashboard = json.loads((OPS / "grafana-dashboard.json").read_text())
    asked = [target["expr"] for panel in dashboard["panels"] for target in panel.get("targets", ())]
    assert len(asked) > 20 and len({panel["id"] for panel in dashboard["panels"]}) == len(dashboard["panels"])
    for expression in asked:
        named = set(re.findall(r"\b((?:latchkey|process)_\w+)", expression))
        assert named and named <= known, expression
        labels = {label for by in re.findall(r"by \(([^)]*)\)", expression) for label in by.split(", ")}
        there = {label for name in named for series, pairs in page.series if series == name for label, _ in pairs}
        assert labels <= there | {"instance"}, (expression, labels - there)
        plain = expression.replace("$__rate_interval", "5m").replace("$job", "latchkey")
        rule = {"groups": [{"name": "x", "rules": [{"record": "x", "expr": plain}]}]}
        done = subprocess.run(["promtool", "check", "rules", "/dev/stdin"], input=yaml.safe_dump(rule), capture_output=True,
                              text=True, timeout=60)
        assert done.returncode == 0, (expression, done.stdout + done.stderr)


def test_a_call_is_counted_once_in_each_place(ready):
    change = Change(ready)
    for _ in range(7):
        assert ready.call(ready.key, "GET", PATH).status == 200
    missing = f"/stores/{STORE}/v3/catalog/products/999999"
    assert ready.call(ready.key, "GET", missing, headers={"Latchkey-Priority": "bulk"}).status == 404
    assert ready.call(ready.key, "GET", PATH, headers={"Latchkey-Dry-Run": "true"}).status == 200
    assert ready.call("nobody", "GET", PATH).status == 401
    assert ready.call(ready.key, "DELETE", "/stores/nosuch/v3/catalog/products/1").status == 404
    assert counted(change(), *CALLS) == {
        'latchkey_gateway_answers_total{method="GET",origin="upstream",status="2xx"}': 7,
        'latchkey_gateway_answers_total{method="GET",origin="upstream",status="4xx"}': 1,
        'latchkey_gateway_answers_total{method="GET",origin="gateway",status="2xx"}': 1,
        'latchkey_gateway_answers_total{method="GET",origin="gateway",status="4xx"}': 1,
        'latchkey_gateway_answers_total{method="DELETE",origin="gateway",status="4xx"}': 1,
        'latchkey_gateway_refusals_total{code="key_invalid"}': 1,
        'latchkey_gateway_refusals_total{code="store_unknown"}': 1,
        'latchkey_upstream_answers_total{status="2xx"}': 7,
        'latchkey_upstream_answers_total{status="4xx"}': 1,
        'latchkey_upstream_duration_seconds_count{priority="interactive"}': 7,
        'latchkey_upstream_duration_seconds_count{priority="bulk"}': 1,
        'latchkey_quota_wait_seconds_count{priority="interactive"}': 7,
        'latchkey_quota_wait_seconds_count{priority="bulk"}': 1,
    }


@pytest.mark.parametrize("fault,reason,seen", [
    ({"kind": "too_many_requests", "reset_ms": 300}, "throttled", {
        'latchkey_upstream_answers_total{status="4xx"}': 1, 'latchkey_upstream_throttled_total{status="429"}': 1}),
    ({"kind": "status", "status": 509}, "throttled", {
        'latchkey_upstream_answers_total{status="5xx"}': 1, 'latchkey_upstream_throttled_total{status="509"}': 1}),
    ({"kind": "status", "status": 502}, "502", {'latchkey_upstream_answers_total{status="5xx"}': 1}),
    ({"kind": "status", "status": 503, "headers": {"Retry-After": "1"}}, "503", {
        'latchkey_upstream_answers_total{status="5xx"}': 1}),
    ({"kind": "status", "status": 504}, "504", {'latchkey_upstream_answers_total{status="5xx"}': 1}),
    ({"kind": "close", "at": "head"}, "broken", {'latchkey_upstream_failures_total{reason="broken"}': 1}),
])
def test_a_retry_is_counted_with_its_reason(ready, fault, reason, seen):
    change = Change(ready)
    ready.fault(**fault, store=STORE, times=1)
    assert ready.call(ready.key, "GET", PATH).status == 200
    attempts = 1 + sum(1 for name in seen if "answers" in name)
    assert counted(change(), *CALLS) == seen | {
        'latchkey_gateway_answers_total{method="GET",origin="upstream",status="2xx"}': 1,
        'latchkey_upstream_answers_total{status="2xx"}': 1,
        f'latchkey_retries_total{{reason="{reason}"}}': 1,
        'latchkey_upstream_duration_seconds_count{priority="interactive"}': attempts,
        'latchkey_quota_wait_seconds_count{priority="interactive"}': 2,
    }


def test_retries_over_the_budget_are_counted(ready):
    # A fifth of 50 calls, so that the budget is full.
    for _ in range(50):
        assert ready.call(ready.key, "GET", PATH).status == 200
    change = Change(ready)
    ready.fault("status", store=STORE, status=502, times=100)
    for _ in range(3):
        assert ready.call(ready.key, "GET", PATH, headers={"Latchkey-Retry": "5"}).status == 502
    hits = sum(fault["hits"] for fault in ready.control("GET", "/faults"))
    grown = change()
    assert grown['latchkey_upstream_answers_total{status="5xx"}'] == hits
    assert grown['latchkey_retries_total{reason="502"}'] == hits - 3
    assert grown["latchkey_retry_budget_refusals_total"] == 1
    shown = ready.store(STORE).json["quota"]
    assert shown["retry_budget"] == 10 and shown["retry_budget_used"] >= 9, shown
    assert shown["breaker"] == "closed" and shown["recent_failures"] == hits, shown


def test_a_breaker_that_opens_shows_in_metrics_and_in_the_store(ready):
    change = Change(ready)
    ready.fault("status", store=STORE, path="/v2/customer_groups", status=500, times=21)
    path = f"/stores/{STORE}/v2/customer_groups"
    half_open = 'latchkey_stores_broken{breaker="half_open"}'
    for _ in range(20):
        assert ready.call(ready.key, "GET", path).status == 500
    # The first pause is short; the one after a failed try is long enough to be looked at.
    wait_until(lambda: scrape(ready)[half_open] == 1, "the breaker lets one try", 5)
    assert ready.call(ready.key, "GET", path).status == 500
    shown = ready.store(STORE).json["quota"]
    refused = ready.call(ready.key, "GET", path)
    assert (refused.status, refused.json["code"]) == (502, "upstream_unreachable"), refused
    grown = change()
    assert shown["breaker"] == "open" and shown["breaker_cause"] == "platform", shown
    assert shown["breaker_families"] == ["customer_group_list"] and shown["recent_failures"] == 20, shown
    assert shown["breaker_until_at"].endswith("Z")
    assert counted(grown, *CALLS, "latchkey_stores_broken") == {
        'latchkey_gateway_answers_total{method="GET",origin="upstream",status="5xx"}': 21,
        'latchkey_gateway_answers_total{method="GET",origin="gateway",status="5xx"}': 1,
        'latchkey_gateway_refusals_total{code="upstream_unreachable"}': 1,
        'latchkey_upstream_answers_total{status="5xx"}': 21,
        'latchkey_upstream_duration_seconds_count{priority="interactive"}': 21,
        'latchkey_quota_wait_seconds_count{priority="interactive"}': 21,
        'latchkey_breaker_trips_total{cause="platform"}': 1,
        'latchkey_calls_not_sent_total{reason="breaker_open"}': 1,
        'latchkey_stores_broken{breaker="open"}': 1,
    }
    wait_until(lambda: scrape(ready)[half_open] == 1, "the breaker lets one try", 5)
    assert ready.store(STORE).json["quota"]["breaker"] == "half_open"
    assert ready.call(ready.key, "GET", path).status == 200
    assert ready.store(STORE).json["quota"]["breaker"] == "closed"


def test_calls_that_wait_show_in_metrics_in_the_store_and_on_the_command_line(ready):
    ready.fault("status", store=STORE, status=429, times=1, headers={
        "X-Rate-Limit-Time-Reset-Ms": "4000", "X-Rate-Limit-Requests-Left": "0",
        "X-Rate-Limit-Requests-Quota": "150", "X-Rate-Limit-Time-Window-Ms": "5000"})
    change = Change(ready)
    assert ready.call(ready.key, "GET", PATH, headers={"Latchkey-Retry": "0"}).status == 429
    answers = []
    waiting = [threading.Thread(target=lambda priority=priority: answers.append(
        ready.call(ready.key, "GET", PATH, headers={"Latchkey-Priority": priority, "Latchkey-Max-Wait": "60"}).status))
        for priority in ("interactive", "interactive", "bulk")]
    for thread in waiting:
        thread.start()

    def all_wait():
        grown = change()
        return [grown.get(f'latchkey_calls_waiting{{priority="{name}"}}') for name in ("interactive", "bulk")] == [2, 1]
    wait_until(all_wait, "three calls wait", 3)
    grown, shown = change(), ready.store(STORE).json["quota"]
    assert grown["latchkey_stores_stopped"] == 1
    assert (shown["waiting_interactive"], shown["waiting_bulk"], shown["in_flight"], shown["held"]) == (2, 1, 0, 3)
    assert 0 < shown["longest_wait_ms"] < 4000 and shown["stopped_until_at"].endswith("Z"), shown
    assert (shown["remaining"], shown["limit"], shown["window_ms"], shown["reset_ms"]) == (0, 150, 5000, 4000)
    printed = ready.cli("stores", "show", STORE).stdout
    assert re.search(r"^quota\.waiting_interactive +2$", printed, re.M), printed
    assert re.search(r"^quota\.stopped_until_at +\S+Z$", printed, re.M), printed
    for thread in waiting:
        thread.join()
    assert sorted(answers) == [200, 200, 200]
    grown = change()
    assert 'latchkey_calls_waiting{priority="interactive"}' not in grown
    assert grown['latchkey_quota_wait_seconds_sum{priority="interactive"}'] > 2
    assert grown['latchkey_quota_wait_seconds_bucket{le="10",priority="interactive"}'] == 3
    assert grown['latchkey_quota_wait_seconds_bucket{le="0",priority="interactive"}'] == 1


def test_callbacks_and_refused_requests_are_counted(ready):
    store = ready.fresh_store()
    change = Change(ready)
    ready.install(store)
    assert request(ready.public, "GET", "/auth/load?signed_payload_jwt=forged").status >= 400
    for port in (ready.public, ready.internal):
        with socket.create_connection(("127.0.0.1", port)) as connection:
            connection.sendall(b"GET / HTTP/1.1\r\n\r\n")
            assert b" 400 " in connection.recv(4096)
    grown = change()
    assert counted(grown, "latchkey_callbacks", "latchkey_guard", "latchkey_stores{") == {
        'latchkey_callbacks_total{kind="install",outcome="done"}': 1,
        'latchkey_callbacks_total{kind="load",outcome="refused"}': 1,
        'latchkey_guard_refusals_total{listener="public",reason="bad_host"}': 1,
        'latchkey_guard_refusals_total{listener="internal",reason="bad_host"}': 1,
        'latchkey_stores{state="active"}': 1,
    }
    assert grown['latchkey_requests_total{listener="public"}'] == 2


def test_the_process_is_described_as_the_kernel_does(ready):
    page = scrape(ready)
    status = dict(re.findall(r"^(\w+):\s+(\d+) kB", open(f"/proc/{ready.service.pid}/status").read(), re.M))
    assert page["process_resident_memory_bytes"] == pytest.approx(int(status["VmRSS"]) * 1024, rel=0.3)
    assert 0 < time.time() - page["process_start_time_seconds"] < 3600
    assert 10 < page["process_open_fds"] < page["process_max_fds"] and page["process_cpu_seconds_total"] > 0
    assert page['latchkey_build_info{version="0.1.0"}'] == 1
    assert page["latchkey_postgres_connections_limit"] == 8
    assert 0 <= page["latchkey_directory_age_seconds"] < 5 and page["latchkey_spool_records"] == 0
    assert page["latchkey_calls_held"] == 0 and 0 < page["latchkey_calls_held_limit"] <= 2000
    # The scrape's own connection.
    assert page['latchkey_connections{listener="internal"}'] >= 1
    assert page['latchkey_requests_in_flight{listener="internal"}'] >= 1


def test_many_stores_callers_paths_and_request_ids_make_no_new_series(ready):
    change = Change(ready)
    number = count(500, 5000)
    for index in range(number):
        # Keys are real in part: what is not valid is a caller too.
        key = ready.service_key(name=f"caller {index}") if index % 10 == 0 else f"lk_{index:012}_x_y"
        answer = ready.call(key, "GET", f"/stores/s{index}/v3/catalog/products/{index}", headers={
            "X-Request-Id": f"request-{index}", "User-Agent": f"agent-{index}"})
        assert answer.status in (401, 404), answer
    grown = counted(change(), "latchkey_gateway_answers")
    assert grown == {'latchkey_gateway_answers_total{method="GET",origin="gateway",status="4xx"}': number}
    page = scrape(ready)
    for series, labels in page.series:
        for label, value in labels:
            assert re.fullmatch(r"[A-Za-z0-9_.+]{1,32}", value), (series, label, value)
            assert value != STORE and not re.match(r"s\d|lk_|request|agent", value), (series, label, value)
    assert len(page.series) < 400


def test_a_setting_opens_the_page(ready):
    ready.stop()
    ready.start(LATCHKEY_METRICS_OPEN="true")
    answer = request(ready.internal, "GET", "/metrics")
    assert answer.status == 200 and "latchkey_build_info" in answer.text
    assert request(ready.internal, "GET", "/v1/stores").status == 401
