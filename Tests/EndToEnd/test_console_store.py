"""A store's page in the console: what it tells, and every act on it by clicking."""
import re

import pytest
from deployment import deployment, wait_until
from selenium.webdriver.common.by import By
from test_browser import click, fits, shot
from test_console import assert_accessible, audit, desktop, key_of, log_in, page, text_of, visitor  # noqa: F401

STORE = "store0002"
PATH = f"/console/stores/default/{STORE}"


@pytest.fixture(scope="module")
def running():
    with deployment(stores=20, settings={"BIGCOMMERCE_WEBHOOKS": "store/order/*"}) as made:
        for _ in range(6):
            made.install(made.fresh_store())
        key = made.service_key(scopes=["*"])
        for path in ("/v3/catalog/products", "/v2/orders", "/v3/catalog/products/0"):
            made.call(key, "GET", f"/stores/{STORE}{path}")
        made.api("PATCH", f"/v1/stores/{STORE}", {"labels": ["vip", "eu"]})
        yield made


def whole(page):
    """Makes the window as high as the page, for a picture of all of it."""
    height = page.execute_script("return document.documentElement.scrollHeight")
    width = page.execute_script("return window.innerWidth")
    page.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", {
        "width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 600})


def test_a_store_s_page_tells_all_that_is_known(running, page):
    log_in(page, running)
    wait_until(lambda: running.api("GET", f"/v1/usage?store={STORE}").json["data"], "its calls are counted", 15)
    failed = wait_until(lambda: running.api("GET", f"/v1/stores/{STORE}/errors").json["data"], "the failed one is noted", 15)
    page.get(f"http://127.0.0.1:{running.internal}/console/stores")
    page.find_element(By.LINK_TEXT, STORE).click()
    wait_until(lambda: text_of(page, "h1") == STORE, "the store's page", 10)
    assert fits(page)
    text = text_of(page, "main")
    for words in ("active", "vip", "Token generation", "store_v2_products", "Catalogue: products", "granted",
                  "v3/catalog reads", "e2e", "owner", "install", "calls left in the window", "Recent errors",
                  "GET /v3/catalog/products/0", failed[0]["request_id"]):
        assert words in text, words
    click(page, "Ask the store")
    wait_until(lambda: "Time zone" in text_of(page, "main"), "the store's own facts", 10)
    name = running.control("GET", f"/stores/{STORE}")["name"]
    assert name in text_of(page, "main")
    assert fits(page)
    # What it said of itself is known from now on.
    page.get(f"http://127.0.0.1:{running.internal}{PATH}")
    assert name in text_of(page, ".head")
    page.get(f"http://127.0.0.1:{running.internal}/console/stores")
    page.find_element(By.ID, "q").send_keys(name[:6].lower())
    click(page, "Filter")
    wait_until(lambda: "q=" in page.current_url, "the stores of that name", 10)
    assert STORE in text_of(page, "tbody") and name in text_of(page, "tbody")
    assert fits(page)
    shot(page, "console-7-stores-by-name")
    page.get(f"http://127.0.0.1:{running.internal}{PATH}?ask=store")
    whole(page)
    shot(page, "console-7-store")
    assert_accessible(page)


def test_acts_on_a_store_by_clicking(running, desktop):
    store = "store0003"
    log_in(desktop, running)
    desktop.get(f"http://127.0.0.1:{running.internal}/console/stores/default/{store}")
    click(desktop, "Verify")
    wait_until(lambda: "Verify: token accepted." in text_of(desktop, ".notice"), "the notice", 10)
    desktop.refresh()
    assert "accepted" not in text_of(desktop, "main .notice"), "a notice is told once"
    click(desktop, "Suspend")
    wait_until(lambda: f"Suspend {store}?" in text_of(desktop, "h1"), "the question", 10)
    click(desktop, "Cancel")
    wait_until(lambda: text_of(desktop, "h1") == store, "the page", 10)
    assert running.store(store).json["state"] == "active"
    click(desktop, "Suspend")
    wait_until(lambda: "?" in text_of(desktop, "h1"), "the question", 10)
    click(desktop, "Suspend")
    wait_until(lambda: "Suspend: suspended." in text_of(desktop, ".notice"), "the notice", 10)
    assert running.store(store).json["state"] == "suspended"
    click(desktop, "Resume")
    wait_until(lambda: "Resume: active." in text_of(desktop, ".notice"), "the notice", 10)
    desktop.find_element(By.ID, "label").send_keys("spring")
    click(desktop, "Add")
    wait_until(lambda: running.store(store).json["labels"] == ["spring"], "the label", 10)
    wait_until(lambda: "labelled" in text_of(desktop, ".notice"), "the notice", 10)
    desktop.find_element(By.ID, "label").send_keys("spring")
    click(desktop, "Remove")
    wait_until(lambda: running.store(store).json["labels"] == [], "no label", 10)


@pytest.mark.parametrize("button, store, act", [("Delete token", "store0004", "delete"), ("Purge all data", "store0005", "purge")])
def test_what_cannot_be_undone_is_asked_twice(running, desktop, button, store, act):
    log_in(desktop, running)
    desktop.get(f"http://127.0.0.1:{running.internal}/console/stores/default/{store}")
    click(desktop, button)
    wait_until(lambda: f"{store}?" in text_of(desktop, "h1"), "the first question", 10)
    click(desktop, "Go on")
    wait_until(lambda: "for good?" in text_of(desktop, "h1"), "the second question", 10)
    shot(desktop, f"console-8-{act}")
    desktop.find_element(By.ID, "typed").send_keys("store9999")
    click(desktop, act.title())
    wait_until(lambda: "not the store’s hash" in text_of(desktop, "main"), "it says what was wrong", 10)
    assert running.store(store).json["state"] == "active"
    desktop.find_element(By.ID, "typed").send_keys(store)
    click(desktop, act.title())
    wait_until(lambda: f"{act.title()}: {act}" in text_of(desktop, ".notice"), "the notice", 10)
    assert running.store(store).json["state"] == "uninstalled"
    line = next(line for line in audit(running, "console_act") if line["store_hash"] == store)
    assert line["details"] == {"act": f"store_{act}"}


def test_a_store_beyond_the_grant_is_like_one_that_is_not_there(running):
    _, key = key_of(running, stores=["store0003"])
    me = visitor(running, key)
    assert me.get("/console/stores/default/store0003").status == 200
    there, missing = me.get(PATH), me.get("/console/stores/default/nosuch")
    assert there.status == missing.status == 403
    same = [re.sub(r"<code>r[\w-]+</code>", "", answer.text).replace(name, "") for answer, name in
            ((there, STORE), (missing, "nosuch"))]
    assert same[0] == same[1]
    assert visitor(running, running.operator_key).get("/console/stores/default/nosuch").status == 404
    for path in ("/console/stores/default/UP", "/console/stores/No/abc", "/console/stores/default/a%2Fb"):
        assert visitor(running, running.operator_key).get(path).status == 404


def test_abilities_decide_what_a_store_s_page_shows_and_does(running):
    _, reader = key_of(running)
    me = visitor(running, reader)
    text = me.get(PATH).text
    for words in ("Suspend", "Purge", "Ask the store", "console_login", "h-audit"):
        assert words not in text, words
    for act in ("verify", "suspend", "resume", "label", "unlabel", "delete", "purge", "nosuch"):
        answer = me.send("POST", f"{PATH}/{act}", {"csrf": me.token(), "confirmed": "yes", "typed": STORE, "label": "x"})
        assert answer.status == 403 and "stores:write" in answer.text, act
    assert running.store(STORE).json["state"] == "active"
    # Asking the store takes what any call takes: the ability, and the scope.
    _, narrow = key_of(running, abilities=["stores:read", "proxy"], scopes=["store_v2_orders"])
    text = visitor(running, narrow).get(PATH + "?ask=store").text
    assert "store_v2_information" in text and "Time zone" not in text
    before = len(running.arrived())
    assert "Time zone" not in me.get(PATH + "?ask=store").text
    assert not [one for one in running.arrived()[before:] if one["path"].endswith("/v2/store")]


def test_an_act_is_not_done_by_another_site_or_a_link(running):
    me = visitor(running, running.operator_key)
    for act in ("verify", "suspend", "delete", "purge"):
        form = {"confirmed": "yes", "typed": STORE}
        assert me.send("POST", f"{PATH}/{act}", form).status == 403
        assert me.act(f"{PATH}/{act}", form, Sec_Fetch_Site="cross-site").status == 403
        assert me.get(f"{PATH}/{act}?confirmed=yes&typed={STORE}").status == 405
    assert running.store(STORE).json["state"] == "active"
