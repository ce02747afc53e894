"""Callers in the console: keys are made, shown once, rotated and revoked by clicking."""
import re

from deployment import request, wait_until
from selenium.webdriver.common.by import By
from test_browser import click, fits, shot
from test_console import assert_accessible, audit, desktop, key_of, log_in, page, text_of, visitor  # noqa: F401


def url(running, path=""):
    return f"http://127.0.0.1:{running.internal}/console/callers{path}"


def works(running, key):
    return request(running.internal, "GET", "/v1/stores", headers={"X-Auth-Token": key}).status == 200


def test_the_list_and_the_form_at_every_width(running, page):
    key_of(running, name="warehouse", scopes=["store_v2_products"], abilities=["proxy", "stores:read"], rate=600)
    log_in(page, running)
    page.get(url(running))
    assert "warehouse" in text_of(page, "main")
    shot(page, "console-9-callers")
    assert fits(page)
    assert_accessible(page)
    page.find_element(By.LINK_TEXT, "warehouse").click()
    wait_until(lambda: text_of(page, "h1") == "warehouse", "the key's page", 10)
    assert "600" in text_of(page, "main") and "store_v2_products" in text_of(page, "main")
    shot(page, "console-10-caller")
    assert fits(page)
    assert_accessible(page)
    page.get(url(running, "/_new"))
    shot(page, "console-11-new-caller")
    assert fits(page)
    assert_accessible(page)


def test_a_key_is_made_rotated_and_revoked(running, desktop):
    log_in(desktop, running)
    desktop.get(url(running))
    click(desktop, "New key")
    wait_until(lambda: text_of(desktop, "h1") == "New key", "the form", 10)
    desktop.find_element(By.ID, "name").send_keys("reports")
    desktop.find_element(By.CSS_SELECTOR, "input[value='stores:read']").click()
    desktop.find_element(By.ID, "stores").send_keys("No Store!")
    click(desktop, "Make the key")
    wait_until(lambda: "neither a store hash nor a label" in text_of(desktop, ".notice"), "what is wrong", 10)
    # What was filled in is still there.
    assert desktop.find_element(By.ID, "name").get_attribute("value") == "reports"
    assert desktop.find_element(By.CSS_SELECTOR, "input[value='stores:read']").is_selected()
    desktop.find_element(By.ID, "stores").clear()
    desktop.find_element(By.ID, "stores").send_keys("*")
    desktop.find_element(By.ID, "scopes").send_keys("store_v2_products store_v2_orders")
    click(desktop, "Make the key")
    key = wait_until(lambda: text_of(desktop, "#secret"), "the key", 10)
    shot(desktop, "console-12-secret")
    wait_until(lambda: works(running, key), "the key counts", 3)
    listed = next(one for one in running.api("GET", "/v1/keys?limit=1000").json["data"] if one["name"] == "reports")
    assert listed["scopes"] == ["store_v2_orders", "store_v2_products"] and set(listed["abilities"]) == {"proxy", "stores:read"}
    # It is shown this once only, and stands nowhere else.
    assert key not in desktop.get_cookie("latchkey_console")["value"] and key not in running.log.read_text()
    desktop.get(url(running, f"/{listed['id']}"))
    assert key not in desktop.page_source
    hours = desktop.find_element(By.ID, "hours")
    hours.clear()
    hours.send_keys("0")
    click(desktop, "Rotate")
    successor = wait_until(lambda: (found := text_of(desktop, "#secret")) != key and found, "the successor", 10)
    wait_until(lambda: works(running, successor) and not works(running, key), "only the successor works", 3)
    desktop.get(url(running, f"/{successor.split('_')[1]}"))
    click(desktop, "Revoke")
    wait_until(lambda: "Revoke “reports”?" in text_of(desktop, "h1"), "the question", 10)
    click(desktop, "Revoke")
    wait_until(lambda: "is revoked" in text_of(desktop, ".notice"), "the notice", 10)
    wait_until(lambda: not works(running, successor), "it works no more", 3)
    acts = [line["details"]["act"] for line in audit(running, "console_act")]
    assert acts[0] == "key_revoke" and {"key_create", "key_rotate"} <= set(acts)


def test_a_key_never_shows_or_makes_more_than_it_may(running):
    _, keeper = key_of(running, abilities=["keys", "stores:read"], stores=["demo1234"])
    operator_id, _ = key_of(running, abilities=["operator"])
    me = visitor(running, keeper)
    # The console lists what the API lists for this key: not those for all apps.
    listed = {one["id"] for one in running.api("GET", "/v1/keys?limit=1000", key=keeper).json["data"]}
    assert set(re.findall(r'href="/console/callers/([a-z2-7]{12})"', me.get("/console/callers").text)) == listed
    own = running.operator_key.split("_")[1]
    assert own not in listed and me.get(f"/console/callers/{own}").status == 404
    token = re.search(r'name="csrf" value="(\w+)"', me.get("/console/callers/_new").text).group(1)
    wide = {"csrf": token, "name": "wide", "app": "default", "stores": "*", "scopes": "*", "ability": ["proxy"]}
    answer = me.send("POST", "/console/callers/_new", wide)
    assert answer.status == 403 and "never grants more" in answer.text and "lk_" not in answer.text
    answer = me.send("POST", f"/console/callers/{operator_id}/revoke", {"csrf": token, "confirmed": "yes"})
    assert answer.status in (403, 404), answer
    assert me.send("POST", f"/console/callers/{own}/revoke", {"csrf": token, "confirmed": "yes"}).status == 404
    _, reader = key_of(running)
    text = visitor(running, reader).get("/console/stores").text
    assert "/console/callers" not in text
    assert visitor(running, reader).get("/console/callers").status == 403
