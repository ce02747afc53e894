"""The console's client for a store: what the gateway decides, what the store answers, and that no rule is passed by."""
import pytest
from console_checks import looked_at, texts
from deployment import deployment, wait_until
from selenium.webdriver.common.by import By
from test_browser import click
from test_console import audit, key_of, log_in, page, visitor  # noqa: F401

TRY = "/console/try"


@pytest.fixture(scope="module")
def running():
    with deployment(stores=10) as made:
        made.names = [made.fresh_store() for _ in range(2)]
        for name in made.names:
            made.install(name)
        yield made


def tried(me, store, method="GET", path="/v3/catalog/products?limit=1", step="send", **extra):
    return me.send("POST", TRY, {
        "csrf": me.token(TRY), "store": store, "method": method, "path": path, "step": step} | extra)


def arrived(running, method):
    return len([row for row in running.arrived() if row["method"] == method])


def test_a_call_in_a_browser(running, page):
    log_in(page, running)
    click(page, "Try it")
    looked_at(page, "try-1-form")
    page.find_element(By.ID, "store").send_keys(running.names[0])
    page.find_element(By.ID, "path").send_keys("/v3/catalog/products?limit=2")
    click(page, "Send")
    wait_until(lambda: page.find_elements(By.ID, "answer"), "the answer", 20)
    looked_at(page, "try-2-answer")
    assert "Answer of BigCommerce" in page.find_element(By.ID, "answer").text
    assert "store_v2_products_read_only" in page.find_element(By.ID, "decision").text
    page.find_element(By.ID, "path").clear()
    page.find_element(By.ID, "path").send_keys("/v2/coupons")
    click(page, "Only say what would happen")
    wait_until(lambda: page.find_elements(By.CSS_SELECTOR, ".refusal"), "the refusal", 20)
    looked_at(page, "try-3-refused")
    assert "scope_missing" in page.find_element(By.CSS_SELECTOR, ".refusal").text
    assert not page.find_elements(By.ID, "answer")


def test_a_write_is_asked_about_once_more(running, page):
    if page.kind not in ("desktop-light", "phone-dark"):
        pytest.skip("twice is enough")
    before = arrived(running, "POST")
    log_in(page, running)
    page.get(f"http://127.0.0.1:{running.internal}{TRY}?store={running.names[0]}&method=POST&path=/v3/catalog/brands")
    page.find_element(By.ID, "body").send_keys('{"name": "Brand <b>' + page.kind + '"}')
    click(page, "Send")
    wait_until(lambda: page.find_elements(By.CSS_SELECTOR, ".confirm"), "the question", 10)
    looked_at(page, "try-4-question")
    assert arrived(running, "POST") == before
    click(page, "Send it")
    wait_until(lambda: page.find_elements(By.ID, "answer"), "the answer", 20)
    assert "Brand <b>" in page.find_element(By.ID, "answer").text
    assert arrived(running, "POST") == before + 1
    acts = [line for line in audit(running, "console_act") if line["details"]["act"] == "store_call"]
    assert acts[0]["details"] == {
        "act": "store_call", "store_hash": running.names[0], "method": "POST", "path": "/v3/catalog/brands"}


def test_no_rule_of_the_gateway_is_passed_by(running):
    mine, other = running.names
    _, key = key_of(running, abilities=["proxy", "stores:read"], stores=[mine], scopes=["store_v2_products_read_only"])
    me = visitor(running, key)
    before = len(running.arrived())
    for call, code in (
            ({"store": other}, "grant_missing"), ({"store": "nosuch"}, "grant_missing"),
            ({"store": mine, "path": "/v2/orders"}, "grant_missing"),
            ({"store": mine, "path": "/v3/no/such/thing"}, "grant_missing"),
            ({"store": mine, "path": "/v3/catalog/../../x/v2/orders"}, "bad_target"),
            ({"store": mine, "path": "/v3/catalog/%2e%2e/x"}, "bad_target"),
            ({"store": mine, "method": "POST", "path": "/v3/catalog/brands", "confirmed": "yes"}, "grant_missing"),
            ({"store": mine, "method": "POST", "path": "/graphql", "confirmed": "yes"}, "grant_missing")):
        answer = tried(me, **call)
        assert answer.status == 200 and code in answer.text, (call, texts(answer)[-400:])
    for call, words in (
            ({"store": "../x"}, "store hash"), ({"store": mine, "path": "v3/x"}, "begins with"),
            ({"store": mine, "path": "/v3/a b"}, "begins with"), ({"store": mine, "path": "/v3/x\r\nX: y"}, "begins with"),
            ({"store": mine, "path": "/v3/catalog/products/{product_id}"}, "value in the place"),
            ({"store": mine, "method": "CONNECT"}, "no method"), ({"store": mine, "app": "<b>"}, "no app")):
        answer = tried(me, **call)
        assert answer.status == 200 and words in texts(answer), call
    assert len(running.arrived()) == before
    assert "Answer of BigCommerce" in texts(tried(me, mine))


def test_answers_are_shown_safely_and_never_whole_when_large(running):
    me = visitor(running, running.operator_key)
    store = running.names[0]
    answer = tried(me, store, path="/v3/catalog/products?limit=250")
    assert answer.status == 200 and len(answer.body) < 1_200_000
    hostile = '{"name": "<script>alert(1)</script>"}'
    answer = tried(me, store, "POST", "/v3/catalog/brands", body=hostile, confirmed="yes")
    assert "<script>alert" not in answer.text and "&lt;script&gt;alert" in answer.text
    token = [row for row in running.arrived()][-1]
    assert "X-Auth-Token" not in texts(answer) and str(token.get("token", "none of it")) not in answer.text


def test_only_our_pages_may_send_and_a_session_ends_with_its_key(running):
    key_id, key = key_of(running, abilities=["proxy"])
    me = visitor(running, key)
    form = {"store": running.names[0], "method": "GET", "path": "/v3/catalog/products", "step": "send"}
    assert me.send("POST", TRY, form).status == 403
    token = me.token(TRY)
    assert me.send("POST", TRY, form | {"csrf": token}, Sec_Fetch_Site="cross-site").status == 403
    assert me.send("POST", TRY, form | {"csrf": token}).status == 200
    _, reader = key_of(running, abilities=["stores:read"])
    assert visitor(running, reader).get(TRY).status == 403
    running.api("DELETE", f"/v1/keys/{key_id}")
    wait_until(lambda: me.send("POST", TRY, form | {"csrf": token}).status in (401, 303), "the key ends it", 3)
