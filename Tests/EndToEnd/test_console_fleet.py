"""The console's Fleet: figures and charts of what stores and calls came to, for keys of all kinds, kept up to date."""
import contextlib
import http.client
import re
import time

import pytest
from console_checks import looked_at, texts
from deliveries import fire, in_the_feed, installed, settled
from deployment import ceiling, deployment, request, wait_until
from selenium.webdriver.common.by import By
from test_console import key_of, log_in, page, text_of, visitor  # noqa: F401

SERVICE = ("proxy", "proxy:unlisted")


@pytest.fixture(scope="module")
def running():
    with deployment(stores=20, settings={"BIGCOMMERCE_WEBHOOKS": "store/order/*"}) as made:
        made.names = installed(made, 6)
        made.api("POST", f"/v1/stores/{made.names[0]}/suspend")
        key = made.service_key(abilities=SERVICE)
        wait_until(lambda: made.call(key, "GET", f"/stores/{made.names[1]}/v3/catalog/products").status == 200, "a call", 5)
        for name in made.names[1:]:
            for _ in range(6):
                made.call(key, "GET", f"/stores/{name}/v3/catalog/products?limit=2")
            made.call(key, "GET", f"/stores/{name}/v3/catalog/products/999999")
        fire(made, made.names[1:], count=3)
        settled(made)
        in_the_feed(made, 3)
        wait_until(lambda: sum(row["calls"] for row in usage(made)) >= 36, "the usage is written", 15)
        wait_until(lambda: flow(made)["events"] >= 3, "what came is written", 15)
        yield made


def words(page):
    return " ".join(text_of(page, "#fleet").split())


def usage(made):
    return made.api("GET", "/v1/usage?step=total").json["data"]


def flow(running):
    """What /v1/flow says of the last hour, summed up."""
    rows = running.api("GET", "/v1/flow").json["data"]
    return {name: sum(row[name] for row in rows) for name in ("deliveries_taken", "deliveries_refused", "events", "pushes_made")}


def test_the_fleet_in_a_browser(running, page):
    log_in(page, running)
    assert page.current_url.endswith("/console/fleet")
    looked_at(page, "fleet-1-hour")
    # No part of the navigation is out of sight.
    beyond = page.execute_script("return [...document.querySelectorAll('.top nav a')].filter((link) => "
                                 "link.getBoundingClientRect().right > innerWidth).map((link) => link.textContent)")
    assert not beyond, beyond
    text = words(page)
    assert "6 installed" in text and "suspended 1" in text and "Calls" in text, text
    for span in ("day", "week"):
        page.get(f"http://127.0.0.1:{running.internal}/console/fleet?span={span}")
        # Not by a click: the part may be replaced between finding and clicking.
        page.execute_script("for (const part of document.querySelectorAll('#fleet details')) part.open = true")
        looked_at(page, f"fleet-2-{span}")
        lines = page.find_elements(By.CSS_SELECTOR, "path.line")
        assert len(lines) >= 4 and page.find_elements(By.CSS_SELECTOR, "path.fill.warn")


def test_what_is_open_stays_open_while_figures_change(running, page):
    if page.kind != "desktop-light":
        pytest.skip("once is enough")
    log_in(page, running)
    page.execute_script("const part = document.getElementById('usage-table'); part.open = true;"
                        "part.querySelector('summary').focus()")
    before = text_of(page, ".figures")
    running.api("POST", f"/v1/stores/{running.names[1]}/suspend")
    try:
        wait_until(lambda: "suspended 2" in words(page), f"the figures change: {before}", 20)
        assert page.execute_script("return document.getElementById('usage-table').open")
        assert page.execute_script("return document.activeElement.tagName") == "SUMMARY"
    finally:
        running.api("POST", f"/v1/stores/{running.names[1]}/resume")


def test_the_numbers_are_those_of_the_api(running):
    me = visitor(running, running.operator_key)
    answer = me.get("/console/fleet?span=day")
    calls = usage_of_day(running)
    assert f'<p class="figure">{calls["calls"]}</p>' in answer.text
    assert f'<p class="figure bad">{calls["rejected"] + calls["failed"] + calls["refused"]}</p>' in answer.text
    fleet = running.api("GET", "/v1/fleet").json
    assert fleet["data"][0]["stores"] == {"active": 5, "suspended": 1, "revoked": 0, "uninstalled": 0}
    assert sum(fleet["data"][0]["webhooks"].values()) == 6 and fleet["data"][0]["missing_scopes"] == 0
    assert fleet["backlog"]["pushes_dead"] == 0 and fleet["backlog"]["subscriptions"]["active"] == 0


def usage_of_day(running):
    return running.api("GET", "/v1/usage?step=total").json["data"][0]


def test_deliveries_and_what_waits_are_told_by_time(running):
    before = flow(running)
    assert before["deliveries_taken"] >= 3 and before["deliveries_refused"] == 0 and before["pushes_made"] == 0
    assert request(running.public, "POST", "/webhooks/default/" + "a" * 32, b"{}").status == 404
    fire(running, running.names[1:3], count=2)
    settled(running)
    wait_until(lambda: (now := flow(running))["deliveries_refused"] >= 1 and now["events"] >= before["events"] + 2,
               "what came is written", 20)
    # Hours have what their minutes have, unless the hour began but now; pages follow each other.
    rows = running.api("GET", "/v1/flow?step=minute").json["data"]
    assert all(row["feed_lag_seconds"] >= 0 and row["pushes_dead"] == 0 for row in rows)
    paged, after = [], ""
    while True:
        page = running.api("GET", f"/v1/flow?step=minute&limit=1{after}").json
        paged += page["data"]
        if not page["next"]:
            break
        after = f"&after={page['next']}"
    assert [row["starts_at"] for row in paged][:len(rows)] == [row["starts_at"] for row in rows]
    assert running.api("GET", "/v1/flow?step=hour").json["data"][-1]["deliveries_taken"] > 0
    for bad in ("step=day", "since=2026-01-01T00:00:00Z&until=2025-01-01T00:00:00Z", "after=Zjk5OTk5OTk5OTk5OTk5OTk5"):
        assert running.api("GET", f"/v1/flow?{bad}").status == 400, bad
    answer = visitor(running, running.operator_key).get("/console/fleet")
    assert answer.text.count("<figure") == 10 and "Deliveries per minute" in answer.text
    # It is not told apart by store or app.
    for grant in ({"stores": running.names[:2]}, {"abilities": ["stores:read"]}, {"app": "default"}):
        _, key = key_of(running, **({"abilities": ["stores:read", "events:read"]} | grant))
        assert running.api("GET", "/v1/flow", key=key).status == 403
        assert "Deliveries per minute" not in visitor(running, key).get("/console/fleet").text


def test_a_key_for_some_stores_sees_these_and_no_more(running):
    _, key = key_of(running, stores=running.names[:2])
    answer = visitor(running, key).get("/console/fleet")
    text = texts(answer)
    assert "2 installed" in text and "This key is for some" in text and "What waits" not in text
    assert "<figure" not in answer.text
    fleet = running.api("GET", "/v1/fleet", key=key).json
    assert fleet["backlog"] is None and fleet["data"][0]["stores"]["active"] == 1
    assert running.api("GET", "/v1/fleet?app=other", key=key).status == 403
    _, key = key_of(running, abilities=["events:read"])
    answer = visitor(running, key).get("/console/fleet")
    assert answer.status == 403 and "installed" not in answer.text
    assert running.api("GET", "/v1/fleet", key=key).status == 403


def test_figures_stream_until_the_key_ends_or_the_replica_stops(running):
    key_id, key = key_of(running)
    me = visitor(running, key)
    def stream(visitor):
        connection = http.client.HTTPConnection("127.0.0.1", running.internal, timeout=20)
        connection.request("GET", "/console/fleet", headers={"Cookie": visitor.cookie, "Accept": "text/event-stream"})
        answer = connection.getresponse()
        assert answer.status == 200 and answer.getheader("content-type") == "text/event-stream"
        assert answer.getheader("set-cookie") is None and answer.getheader("cache-control") == "no-store"
        return connection, answer
    with contextlib.ExitStack() as stack:
        connection, answer = stream(me)
        stack.callback(connection.close)
        lines = [answer.readline() for _ in range(3)]
        assert lines[0] == b"retry: 2000\n" and lines[2].startswith(b"data: <!doctype html>")
        running.api("DELETE", f"/v1/keys/{key_id}")
        began = time.monotonic()
        assert b"Fleet" in answer.read()
        assert time.monotonic() - began < ceiling(3)
        operator = visitor(running, running.operator_key)
        connection, answer = stream(operator)
        stack.callback(connection.close)
        for path in ("/console/nosuch", "/console/events/evt_none"):
            assert operator.get(path, Accept="text/event-stream").status == 404
        running.stop()
        assert b"Fleet" in answer.read()
    running.start()


def test_a_page_says_nothing_in_scripts_or_styles(running):
    me = visitor(running, running.operator_key)
    for path in ("/console/fleet", "/console/fleet?span=week", "/console/fleet?span=nosuch&app=%3Cb%3E"):
        answer = me.get(path)
        assert answer.status == 200, path
        assert not re.search(r"\sstyle=|\son\w+=|<style|<b>", answer.text)
        assert len(answer.body) < 400_000
