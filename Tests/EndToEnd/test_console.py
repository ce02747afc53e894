"""The console in a real browser and over plain HTTP: login, sessions, forged acts, and what each key may see."""
import http.client
import importlib.resources
import re
import urllib.parse

import pytest
from deployment import count, deployment, request, wait_until
from selenium.webdriver.common.by import By
from test_browser import browser, click, fits, shot

# Of the package nothing but axe-core itself is used: it is the one that carries a new version.
AXE = importlib.resources.files("axe_playwright_python").joinpath("axe.min.js").read_text()
WIDTHS = [(1280, 900, False), (1280, 900, True), (390, 844, False), (390, 844, True)]
NAMES = ["desktop-light", "desktop-dark", "phone-light", "phone-dark"]


@pytest.fixture(params=count(WIDTHS[::3], WIDTHS), ids=count(NAMES[::3], NAMES))
def page(request):
    made = browser(*request.param)
    made.kind = request.node.callspec.id
    yield made
    made.quit()


@pytest.fixture
def desktop():
    made = browser(1280, 900, False)
    made.kind = "desktop-light"
    yield made
    made.quit()


@pytest.fixture(scope="module")
def running():
    with deployment(stores=20) as made:
        for _ in range(8):
            made.install(made.fresh_store())
        yield made


class Visitor:
    """A browser without script: keeps its cookie, says where its acts come from."""

    def __init__(self, port, tls=None, **headers):
        self.port, self.tls, self.cookie, self.headers = port, tls, None, headers

    def send(self, method, path, form=None, **headers):
        sent = {"Sec_Fetch_Site": "same-origin"} | self.headers | headers
        sent = {name.replace("_", "-"): value for name, value in sent.items() if value is not None}
        if self.cookie:
            sent["Cookie"] = self.cookie
        body = None
        if form is not None:
            sent["Content-Type"] = "application/x-www-form-urlencoded"
            body = urllib.parse.urlencode(form, doseq=True)
        answer = request(self.port, method, path, body, sent, tls=self.tls)
        if "set-cookie" in answer.headers:
            value = answer.headers["set-cookie"].split(";")[0]
            self.cookie = None if value.endswith("=") else value
        return answer

    def get(self, path, **headers):
        return self.send("GET", path, **headers)

    def log_in(self, key):
        return self.send("POST", "/console/login", {"key": key})

    def token(self, path="/console/stores"):
        return re.search(r'name="csrf" value="([0-9a-f]{32})"', self.get(path).text).group(1)

    def act(self, path, form=None, **headers):
        """An act with the token of the session."""
        return self.send("POST", path, {"csrf": self.token()} | (form or {}), **headers)


def visitor(running, key=None, **headers):
    made = Visitor(running.internal, **headers)
    if key:
        answer = made.log_in(key)
        assert answer.status == 303, answer.text
    return made


def key_of(running, **grant):
    """A new key's ID and text, once it counts."""
    answer = running.api("POST", "/v1/keys", {
        "name": "console test", "app": "default", "stores": ["*"], "scopes": ["*"], "abilities": ["stores:read"]} | grant)
    assert answer.status == 201, answer
    return answer.json["id"], answer.json["key"]


def log_in(page, running, key=None):
    page.get(f"http://127.0.0.1:{running.internal}/console")
    page.find_element(By.ID, "key").send_keys(key or running.operator_key)
    click(page, "Log in")
    wait_until(lambda: page.find_elements(By.CSS_SELECTOR, "header.top"), "the console", 10)


def assert_accessible(page):
    """No violation of WCAG 2 A and AA that axe-core finds."""
    page.execute_script(AXE)
    found = page.execute_async_script("axe.run(document, arguments[0]).then(arguments[1])", {
        "runOnly": {"type": "tag", "values": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]},
        # Of what is good one node each is told, which takes half the time.
        "resultTypes": ["violations"]})
    assert len(found["passes"]) > 10, found["passes"]
    told = [f"{one['id']}: {one['help']}: {node['html'][:200]}" for one in found["violations"] for node in one["nodes"]]
    assert not told, "\n".join(told)


def text_of(page, css):
    """The text of the first such element; nothing while there is none, because the page is on its way."""
    return page.execute_script("return document.querySelector(arguments[0])?.innerText ?? ''", css)


def audit(running, action, **query):
    return running.api("GET", "/v1/audit?" + urllib.parse.urlencode({"action": action} | query)).json["data"]


def test_log_in_look_around_and_log_out(running, page):
    page.get(f"http://127.0.0.1:{running.internal}/console/stores?state=active")
    shot(page, "console-1-login")
    assert_accessible(page)
    assert fits(page)
    page.find_element(By.ID, "key").send_keys("lk_wrong")
    click(page, "Log in")
    wait_until(lambda: "not valid" in text_of(page, "#words"), "the refusal", 10)
    shot(page, "console-2-login-refused")
    assert_accessible(page)
    page.find_element(By.ID, "key").send_keys(running.operator_key)
    click(page, "Log in")
    # Back to where the login was asked for.
    wait_until(lambda: page.current_url.endswith("/console/stores?state=active"), "the page that was asked for", 10)
    assert page.find_elements(By.LINK_TEXT, "Stores")
    shot(page, "console-3-stores")
    assert_accessible(page)
    assert fits(page)
    page.get(f"http://127.0.0.1:{running.internal}/console/nosuch")
    assert "no such page" in text_of(page, "h1")
    shot(page, "console-4-problem")
    assert_accessible(page)
    assert fits(page)
    click(page, "Log out")
    wait_until(lambda: "logged out" in text_of(page, "body"), "the login page", 10)
    page.get(f"http://127.0.0.1:{running.internal}/console/stores")
    assert page.find_elements(By.ID, "key")
    # A browser complains in its log about what the policy forbids.
    complaints = [line for line in page.get_log("browser") if "Content Security Policy" in line["message"]]
    assert not complaints, complaints


def test_pages_and_assets_say_what_browsers_may_do_with_them(running):
    me = visitor(running, running.operator_key)
    for path in ("/console/stores", "/console/nosuch", "/console/login?ended=logout"):
        answer = me.get(path) if path != "/console/login?ended=logout" else visitor(running).get(path)
        policy = answer.headers["content-security-policy"]
        assert "unsafe" not in policy and "default-src 'none'" in policy and "frame-ancestors 'none'" in policy
        assert answer.headers["cache-control"] == "no-store"
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.headers["referrer-policy"] == "same-origin"
        assert answer.headers["x-request-id"] in answer.text
        assert "<style" not in answer.text and " style=" not in answer.text and not re.search(r"\son\w+=", answer.text)
        for asset in re.findall(r'(?:href|src)="(/console/assets/[^"]+)"', answer.text):
            first = request(running.internal, "GET", asset)
            assert first.status == 200 and "immutable" in first.headers["cache-control"], asset
            again = request(running.internal, "GET", asset, headers={"If-None-Match": first.headers["etag"]})
            assert again.status == 304 and again.body == b""
    # Nothing of it is on the public listener.
    for path in ("/console", "/console/login", "/console/assets/console.css"):
        assert request(running.public, "GET", path).status == 404


def test_the_cookie_is_shut_in(running):
    answer = visitor(running).log_in(running.operator_key)
    cookie = answer.headers["set-cookie"]
    assert re.fullmatch(r"latchkey_console=[\w-]{100,900}; Path=/console; HttpOnly; SameSite=Strict", cookie)
    assert running.operator_key not in answer.headers["set-cookie"]
    # It is no key of the API or the gateway.
    value = cookie.split(";")[0]
    assert request(running.internal, "GET", "/v1/stores", headers={"Cookie": value}).status == 401
    assert request(running.internal, "GET", "/stores/store0002/v2/store", headers={"Cookie": value}).status == 401
    # Altered in any place, it is nobody's.
    for place in range(20, len(value), 37):
        altered = value[:place] + ("A" if value[place] != "A" else "B") + value[place + 1:]
        answer = request(running.internal, "GET", "/console/stores", headers={"Cookie": altered})
        assert answer.status == 303 and answer.headers["location"].startswith("/console/login?ended=session")


def test_a_session_survives_restarts_and_ends_with_its_key(running):
    key_id, key = key_of(running)
    me = visitor(running, key)
    running.stop()
    running.start()
    running.await_key()
    assert me.get("/console/stores").status == 200
    assert running.api("DELETE", f"/v1/keys/{key_id}").status == 204
    wait_until(lambda: me.get("/console/stores").status == 303, "the session has ended", 2)
    answer = visitor(running).log_in(key)
    assert answer.status == 401 and "not valid" in answer.text


@pytest.mark.parametrize("changed", [
    {"Sec_Fetch_Site": "cross-site"}, {"Sec_Fetch_Site": "same-site"}, {"Sec_Fetch_Site": None},
    {"Origin": "https://evil.example"}, {"Sec_Fetch_Site": None, "Origin": "null"}])
def test_acts_of_other_sites_are_refused(running, changed):
    me = visitor(running, running.operator_key)
    answer = me.act("/console/logout", **changed)
    assert answer.status == 403 and "did not come from a page" in answer.text
    assert me.get("/console/stores").status == 200
    answer = visitor(running).send("POST", "/console/login", {"key": running.operator_key}, **changed)
    assert answer.status == 403 and "set-cookie" not in answer.headers


def test_an_act_needs_its_session_s_token(running):
    key_id, key = key_of(running)
    me, other = visitor(running, key), visitor(running, key)
    for form in ({}, {"csrf": ""}, {"csrf": "0" * 32}, {"csrf": other.token()}):
        assert me.send("POST", "/console/logout", form).status == 403
    assert me.send("GET", "/console/logout").status == 405
    assert me.act("/console/logout").status == 303
    assert len(audit(running, "console_logout", actor=key_id)) == 1
    assert len(audit(running, "console_login", actor=key_id)) == 2


def test_failed_logins_are_limited_by_address(running):
    # Each address of the loopback network is a visitor of its own behind a trusted proxy.
    with deployment(settings={"LATCHKEY_TRUSTED_PROXIES": "127.0.0.1"}) as made:
        first = visitor(made, X_Forwarded_For="192.0.2.1")
        for _ in range(5):
            assert first.log_in("lk_wrong").status == 401
        for key in ("lk_wrong", made.operator_key):
            answer = first.log_in(key)
            assert answer.status == 429 and 50 <= int(answer.headers["retry-after"]) <= 60
            assert "Wait" in answer.text and "set-cookie" not in answer.headers
        assert visitor(made, X_Forwarded_For="192.0.2.2").log_in(made.operator_key).status == 303
        lines = audit(made, "console_login_failed")
        assert len(lines) == 5
        assert lines[0]["details"] == {"client": "192.0.2.1", "reason": "key_invalid"}
        assert "lk_wrong" not in made.log.read_text()
        # A proxy that speaks TLS to the browser makes the cookie one for TLS only.
        answer = visitor(made, X_Forwarded_Proto="https").log_in(made.operator_key)
        assert re.fullmatch(r"__Host-latchkey_console=[\w-]+; Path=/; Secure; HttpOnly; SameSite=Strict",
                            answer.headers["set-cookie"])


def test_a_proxy_with_the_secret_names_people(running):
    secret = "proxy-secret-" + "x" * 32
    with deployment(stores=3) as made:
        key_id, key = key_of(made, abilities=["stores:read", "stores:write"])
        made.install(made.fresh_store())
        made.stop()
        made.settings |= {"LATCHKEY_CONSOLE_PROXY_SECRET": secret, "LATCHKEY_CONSOLE_PROXY_KEY": key_id,
                          "LATCHKEY_CONSOLE_PROXY_USER_HEADER": "X-Auth-User"}
        made.start()
        ann = visitor(made, Latchkey_Console_Secret=secret, X_Auth_User="ann@example.com")
        answer = ann.get("/console/stores")
        assert answer.status == 200 and "ann@example.com" in answer.text and "Log out" not in answer.text
        for headers in ({"Latchkey_Console_Secret": "wrong"}, {"Latchkey_Console_Secret": None},
                        {"X_Auth_User": None}, {"X_Auth_User": ""}):
            answer = ann.get("/console/stores", **headers)
            assert answer.status == 303 and answer.headers["location"].startswith("/console/login"), headers
            ann.get("/console/stores")
        made.api("DELETE", f"/v1/keys/{key_id}")
        wait_until(lambda: ann.get("/console/stores").status == 403, "the proxy's people are out", 2)
        assert secret not in made.log.read_text()


def test_a_key_that_opens_nothing_is_not_let_in(running):
    _, key = key_of(running, abilities=["metrics"])
    answer = visitor(running).log_in(key)
    assert answer.status == 403 and "opens no page" in answer.text and "set-cookie" not in answer.headers


def test_hostile_words_are_shown_as_they_are(running):
    me = visitor(running, running.operator_key)
    hostile = "\"'><script>alert(1)</script>{{csrf}}"
    answer = me.get("/console/stores?" + urllib.parse.urlencode({"q": hostile}))
    assert answer.status == 200 and "<script>alert" not in answer.text and "{{csrf}}" in answer.text
    assert "&lt;script&gt;" in answer.text
    for path in ("/console/stores?state=nosuch", "/console/stores?after=%00", "/console/stores?q=%zz"):
        answer = me.get(path)
        assert answer.status == 400 and answer.headers["content-type"].startswith("text/html"), path


def rows(answer):
    return re.findall(r'<th scope="row"><a href="/console/stores/default/([a-z0-9]+)">', answer.text)


def test_stores_are_filtered_sorted_paged_and_downloaded(running):
    me = visitor(running, running.operator_key)
    hashes = [f"store{number:04d}" for number in range(2, 10)]
    running.api("PATCH", "/v1/stores/store0003", {"labels": ["vip"]})
    running.api("POST", "/v1/stores/store0004/suspend")
    running.control("POST", "/codes", {"client_id": running.client_id, "store_hash": "store0005"})
    assert rows(me.get("/console/stores")) == hashes
    assert rows(me.get("/console/stores?q=store0003")) == ["store0003"]
    assert rows(me.get("/console/stores?label=vip")) == ["store0003"]
    assert rows(me.get("/console/stores?state=suspended")) == ["store0004"]
    assert rows(me.get("/console/stores?missing_scope=store_v2_products")) == []
    assert rows(me.get("/console/stores?scope=store_v2_products")) == hashes
    assert rows(me.get("/console/stores?problem=revoked")) == []
    assert rows(me.get("/console/stores?sort=-store")) == hashes[::-1]
    assert rows(me.get("/console/stores?sort=installed_at")) == hashes
    assert rows(me.get("/console/stores?sort=-state"))[0] == "store0004"
    assert 'aria-sort="descending"' in me.get("/console/stores?sort=-state").text
    assert "No store matches" in me.get("/console/stores?q=nosuch").text
    # Pages of the API's cursor, in an order of its own.
    seen, after = [], None
    while True:
        page = running.api("GET", "/v1/stores?sort=-state&limit=3" + (f"&after={after}" if after else "")).json
        seen += [store["store_hash"] for store in page["data"]]
        after = page["next"]
        if not after:
            break
    assert sorted(seen) == hashes and seen[0] == "store0004"
    assert running.api("GET", f"/v1/stores?sort=state&after={running.api('GET', '/v1/stores?sort=-state&limit=3').json['next']}").status == 400
    table = me.get("/console/stores.csv?label=vip")
    assert table.headers["content-disposition"] == 'attachment; filename="stores.csv"'
    lines = table.text.split("\r\n")
    assert lines[0].startswith("store_hash,app,state,labels") and lines[1].startswith("store0003,default,active,vip,")
    assert lines[2:] == [""]
    assert len(me.get("/console/stores.csv").text.split("\r\n")) == len(hashes) + 2
    assert [store["store_hash"] for store in me.get("/console/stores.json?sort=-store").json] == hashes[::-1]
    assert me.get("/console/stores.json?q=nosuch").json == []
    running.api("POST", "/v1/stores/store0004/resume")


def test_ticked_stores_are_acted_on_with_progress(running, desktop):
    log_in(desktop, running)
    click(desktop, "Stores")
    wait_until(lambda: desktop.find_elements(By.CSS_SELECTOR, "[data-ticks=store]"), "the stores", 10)[0].click()
    ticked = [box for box in desktop.find_elements(By.NAME, "store") if box.is_selected()]
    assert len(ticked) == 8 and "8 ticked" in desktop.find_element(By.CSS_SELECTOR, "[data-ticked]").text
    click(desktop, "Verify")
    wait_until(lambda: "Verify: 8 stores?" in text_of(desktop, "h1"), "the question", 10)
    shot(desktop, "console-5-confirm")
    assert_accessible(desktop)
    click(desktop, "Verify")
    wait_until(lambda: "Done." in text_of(desktop, "#progress"), "all are verified", 20)
    shot(desktop, "console-6-progress")
    assert_accessible(desktop)
    assert "8 of 8" in desktop.find_element(By.ID, "progress").text
    desktop.get(f"http://127.0.0.1:{running.internal}/console/stores?q=store0006")
    desktop.find_element(By.NAME, "store").click()
    # The filters have a field for a label too.
    desktop.find_element(By.CSS_SELECTOR, ".bulk input[name=label]").send_keys("spring")
    click(desktop, "Add label")
    wait_until(lambda: "Add label “spring”: 1 store?" in text_of(desktop, "h1"), "the question", 10)
    click(desktop, "Add label")
    wait_until(lambda: "Done." in text_of(desktop, "#progress"), "it is labelled", 20)
    assert running.store("store0006").json["labels"] == ["spring"]


def test_acts_on_many_stores_without_script(running):
    me = visitor(running, running.operator_key)
    stores = ["default/store0007", "default/store0008", "default/nosuch"]
    asked = me.act("/console/stores/_acts", {"act": "suspend", "store": stores})
    assert asked.status == 200 and "Suspend: 3 stores?" in asked.text
    assert running.store("store0007").json["state"] == "active"
    begun = me.act("/console/stores/_acts", {"act": "suspend", "store": stores, "confirmed": "yes"})
    assert begun.status == 303
    where = begun.headers["location"]
    done = wait_until(lambda: "Done." in (answer := me.get(where)).text and answer, "the act is done", 10)
    assert "3 of 3" in done.text and "2 went well, 1 did not" in done.text and "refresh" not in done.text
    assert running.store("store0007").json["state"] == "suspended"
    lines = [line for line in audit(running, "console_act") if line["details"]["act"] == "store_suspend"]
    assert lines[0]["details"]["stores"] == 3
    assert {line["request_id"] for line in audit(running, "suspend", store="store0007")} == {lines[0]["request_id"]}
    # Another key does not see how far it is.
    _, key = key_of(running, abilities=["operator"])
    assert "does not know it" in visitor(running, key).get(where).text
    me.act("/console/stores/_acts", {"act": "resume", "store": stores, "confirmed": "yes"})
    wait_until(lambda: running.store("store0008").json["state"] == "active", "they are resumed", 10)
    for form in ({"act": "delete", "store": stores}, {"act": "suspend", "store": ["x"]}, {"store": stores},
                 {"act": "label", "store": stores, "label": "No Label"}):
        assert me.act("/console/stores/_acts", form | {"confirmed": "yes"}).status == 400
    assert me.act("/console/stores/_acts", {"act": "verify"}).status == 303


def test_no_act_without_its_ability_and_no_store_beyond_the_grant(running):
    _, reader = key_of(running, abilities=["stores:read"], stores=["store0002", "store0003"])
    me = visitor(running, reader)
    page = me.get("/console/stores")
    assert rows(page) == ["store0002", "store0003"] and "Suspend" not in page.text
    assert len(me.get("/console/stores.csv").text.split("\r\n")) == 4
    form = {"act": "suspend", "store": ["default/store0002"], "confirmed": "yes"}
    answer = me.send("POST", "/console/stores/_acts", {"csrf": me.token()} | form)
    assert answer.status == 403 and "stores:write" in answer.text
    _, writer = key_of(running, abilities=["stores:read", "stores:write"], stores=["store0002"])
    me = visitor(running, writer)
    begun = me.act("/console/stores/_acts", form | {"act": "verify", "store": ["default/store0004", "default/nosuch"]})
    done = wait_until(lambda: "Done." in (answer := me.get(begun.headers["location"])).text and answer, "it is done", 10)
    told = re.findall(r"Not granted: This key is not for the store (\w+)", done.text)
    assert sorted(told) == ["nosuch", "store0004"] and "0 went well" in done.text
