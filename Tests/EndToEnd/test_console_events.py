"""The console's events, deliveries, subscriptions and audit: looked through, replayed and discarded, by keys of all kinds."""
import re

import pytest
from console_checks import looked_at, texts
from deliveries import fire, in_the_feed, installed, settled
from deployment import deployment, wait_until
from receiver import Receiver
from selenium.webdriver.common.by import By
from test_browser import click
from test_console import audit, key_of, log_in, page, visitor  # noqa: F401

EVENTS = "/console/events"


@pytest.fixture(scope="module")
def running():
    with deployment(stores=20, settings={
            "BIGCOMMERCE_WEBHOOKS": "store/order/*", "LATCHKEY_PUSH_SCHEDULE": "1s"}) as made:
        made.names = installed(made, 3)
        fire(made, made.names, count=3)
        settled(made)
        in_the_feed(made, 3)
        yield made


@pytest.fixture(scope="module")
def broken(running):
    """A subscription with dead letters, whose endpoint is whole again."""
    with Receiver() as receiver:
        receiver.answer(500, body=b"broken <b>")
        made = running.api("POST", "/v1/subscriptions", {
            "url": receiver.url, "types": ["store/order/*"], "name": "warehouse", "app": "default"}).json
        fire(running, running.names, count=3)
        settled(running)
        wait_until(lambda: running.api("GET", f"/v1/subscriptions/{made['id']}").json["dead"] == 3, "dead letters", 60)
        receiver.answer(200)
        made["receiver"] = receiver
        yield made


def ids(running, path):
    return [row["id"] for row in running.api("GET", path).json["data"]]


def test_events_and_deliveries_in_a_browser(running, broken, page):
    log_in(page, running)
    at = f"http://127.0.0.1:{running.internal}"
    for path, name in (("", "1-events"), ("/deliveries", "3-deliveries"), ("/subscriptions", "5-subscriptions")):
        page.get(at + EVENTS + path)
        looked_at(page, f"events-{name}")
        assert page.find_elements(By.CSS_SELECTOR, "tbody tr")
        page.find_element(By.CSS_SELECTOR, "tbody th a").click()
        looked_at(page, f"events-{int(name[0]) + 1}-one")
    page.get(at + EVENTS + "/deliveries?status=quarantined")
    assert "No delivery matches" in page.find_element(By.TAG_NAME, "main").text
    page.get(at + "/console/audit")
    page.find_element(By.CSS_SELECTOR, "details.peek summary").click()
    looked_at(page, "events-7-audit")


def test_stores_lead_to_their_pages_for_who_may_look_at_stores(running):
    me = visitor(running, running.operator_key)
    store = f'<a href="/console/stores/default/{running.names[0]}"><code>{running.names[0]}</code></a>'
    event, delivery = ids(running, "/v1/events/newest")[0], ids(running, "/v1/deliveries")[0]
    for path in ("/console/events", "/console/events/deliveries", "/console/audit"):
        assert store in me.get(path).text, path
    for path in (f"/console/events/{event}", f"/console/events/deliveries/{delivery}"):
        assert re.search(r'<a href="/console/stores/default/\w+"><code>\w+</code></a>', me.get(path).text), path
    _, key = key_of(running, abilities=["events:read"])
    assert "/console/stores/" not in visitor(running, key).get("/console/events").text


def test_a_delivery_is_shown_as_it_came_and_replayed_after_a_question(running, page):
    if page.kind != "desktop-light":
        pytest.skip("once is enough")
    delivery = ids(running, "/v1/deliveries")[0]
    log_in(page, running)
    page.get(f"http://127.0.0.1:{running.internal}{EVENTS}/deliveries/{delivery}")
    assert '"producer": "stores/' in page.find_element(By.TAG_NAME, "pre").text
    before = len(ids(running, "/v1/events/newest"))
    click(page, "Make an event once more")
    looked_at(page, "events-8-question")
    click(page, "Cancel")
    assert len(audit(running, "replay_delivery")) == 0
    click(page, "Make an event once more")
    click(page, "Make the event")
    wait_until(lambda: page.find_elements(By.CSS_SELECTOR, ".notice"), "the notice", 10)
    assert "on its way into the feed" in page.find_element(By.CSS_SELECTOR, ".notice").text
    wait_until(lambda: len(ids(running, "/v1/events/newest")) == before + 1, "the event", 10)
    lines = audit(running, "replay_delivery")
    acts = [line for line in audit(running, "console_act") if line["details"]["act"] == "delivery_replay"]
    assert len(lines) == len(acts) == 1 and lines[0]["request_id"] == acts[0]["request_id"]


def test_dead_letters_are_pushed_again_and_discarded(running, broken):
    me = visitor(running, running.operator_key)
    own = f"{EVENTS}/subscriptions/{broken['id']}"
    dead = running.api("GET", f"/v1/subscriptions/{broken['id']}/deliveries?state=dead").json["data"]
    text = me.get(own + "?state=dead").text
    assert "HTTP 500" in text and "<b>" not in text
    one = dead[0]["event"]["id"]
    assert "Push once more?" in me.get(f"{own}/replay?event={one}").text
    before = broken["receiver"].ids().count(one)
    answer = me.act(f"{own}/replay", {"event": one})
    assert answer.status == 303 and "Put in the queue: 1." in me.get(own).text
    wait_until(lambda: broken["receiver"].ids().count(one) == before + 1, "it arrives", 20)
    two = dead[1]["event"]["id"]
    assert "Discard?" in me.get(f"{own}/discard?event={two}").text
    assert me.act(f"{own}/discard", {"event": two}).status == 303
    rest = len(dead) - 2
    wait_until(lambda: running.api("GET", f"/v1/subscriptions/{broken['id']}").json["dead"] == rest, "one is forgotten", 20)
    assert f"{rest} dead letter goes to" in texts(me.get(f"{own}/replay"))
    assert me.act(f"{own}/replay").status == 303
    wait_until(lambda: running.api("GET", f"/v1/subscriptions/{broken['id']}").json["dead"] == 0, "all are pushed", 20)
    assert me.get(f"{own}/replay").status == 303
    assert "There is nothing to replay" in me.get(own).text
    for act, state in (("disable", "disabled"), ("enable", "active")):
        assert me.get(f"{own}/{act}").status == 200
        assert me.act(f"{own}/{act}").status == 303
        assert running.api("GET", f"/v1/subscriptions/{broken['id']}").json["state"] == state
    assert me.get(f"{own}/nosuch").status == 404 and me.act(f"{own}/nosuch").status == 404


def test_an_event_is_pushed_once_more(running, broken):
    me = visitor(running, running.operator_key)
    event = running.api("GET", "/v1/events/newest?type=store/order/created&limit=1").json["data"][0]["id"]
    assert broken["receiver"].url in me.get(f"{EVENTS}/{event}/replay").text
    before = broken["receiver"].ids().count(event)
    assert me.act(f"{EVENTS}/{event}/replay").status == 303
    wait_until(lambda: broken["receiver"].ids().count(event) == before + 1, "it arrives", 20)


def test_acts_need_their_ability_and_their_token(running, broken):
    _, key = key_of(running, abilities=["events:read"])
    reader = visitor(running, key)
    event = ids(running, "/v1/events/newest?type=store/*")[0]
    delivery = ids(running, "/v1/deliveries")[0]
    own = f"{EVENTS}/subscriptions/{broken['id']}"
    for path in (f"{EVENTS}/{event}", f"{EVENTS}/deliveries/{delivery}", own):
        answer = reader.get(path)
        assert answer.status == 200 and "/replay" not in answer.text and "/discard" not in answer.text
    for path in (f"{EVENTS}/{event}/replay", f"{EVENTS}/deliveries/{delivery}/replay", f"{own}/discard", f"{own}/disable"):
        assert reader.get(path).status == 403
        assert reader.send("POST", path, {"csrf": reader.token(EVENTS)}).status == 403
        operator = visitor(running, running.operator_key)
        assert operator.send("POST", path, {}).status == 403
        assert operator.act(path, Sec_Fetch_Site="cross-site").status == 403
    assert reader.get("/console/audit").status == 403
    for path in (f"{EVENTS}/evt_none", f"{EVENTS}/deliveries/99999999", f"{EVENTS}/deliveries/x", f"{EVENTS}/subscriptions/x"):
        assert reader.get(path).status == 404, path


def test_a_key_for_one_store_sees_its_events_only(running):
    mine, other = running.names[:2]
    _, key = key_of(running, abilities=["events:read"], stores=[mine])
    me = visitor(running, key)
    for path in (EVENTS, EVENTS + "/deliveries"):
        text = me.get(path).text
        assert mine in text and other not in text, path
    event = ids(running, f"/v1/events/newest?store={other}")[0]
    assert me.get(f"{EVENTS}/{event}").status == 404
    found = running.api("GET", "/v1/events/newest", key=key).json["data"]
    assert found and {row["store_hash"] for row in found} == {mine}
    assert me.get(f"{EVENTS}?store={other}").status == 403


def test_lists_are_filtered_and_paged(running):
    me = visitor(running, running.operator_key)
    fire(running, running.names, count=90)
    settled(running)
    in_the_feed(running, 90)
    seen, path = [], f"{EVENTS}?type=store%2Forder%2F*&store={running.names[0]}"
    kept = ids(running, f"/v1/events/newest?type=store/order/*&store={running.names[0]}&limit=1000")
    while path:
        text = me.get(path).text
        seen += re.findall(r'<th scope="row"><a href="/console/events/(evt_[0-9a-f]+)"', text)
        older = re.search(r'href="([^"]+)" rel="next"', text)
        path = older and older.group(1).replace("&amp;", "&").replace("&#x3D;", "=").replace("&#61;", "=")
    assert len(seen) == len(set(seen)) and set(kept) <= set(seen)
    feed = [row["id"] for row in running.api("GET", "/v1/events?limit=1000").json["data"]]
    assert ids(running, "/v1/events/newest?limit=1000") == feed[::-1]
    assert "key_create" not in texts(me.get("/console/audit?action=store_suspend")).split("newest first.")[1]
    assert me.get("/console/audit?since=soon").status == 400
    for path in (EVENTS + "?type=%3Cscript%3E", "/console/audit?actor=%22%3E%3Cscript%3E"):
        assert "<script>" not in me.get(path).text.replace("<script src", "")
