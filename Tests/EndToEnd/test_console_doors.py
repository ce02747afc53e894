"""Who comes in to the console and by which door: over TLS, behind a proxy that names people, and how many live pages at once."""
import contextlib
import http.client
import re
import urllib.parse

import pytest
from deployment import deployment, request, self_signed, trusting, wait_until
from test_console import Visitor

PROXY_SECRET = "proxy-secret-" + "x" * 32


@pytest.fixture(scope="module")
def running(tmp_path_factory):
    """A deployment that speaks TLS itself."""
    certificate, key = self_signed(tmp_path_factory.mktemp("tls"))
    with deployment(start=False, stores=3, settings={
            "LATCHKEY_INTERNAL_TLS_CERT": str(certificate), "LATCHKEY_INTERNAL_TLS_KEY": str(key)}) as made:
        made.tls = trusting(certificate)
        made.certificate = certificate
        made.start(wait=False)
        made.await_ready_over_tls(certificate)
        made.bootstrap(tls=made.tls)
        made.install(made.fresh_store())
        yield made


def visitor(running, **headers):
    return Visitor(running.internal, running.tls, **headers)


def api(running, method, path, body=None):
    return request(running.internal, method, path, body, {"Authorization": f"Bearer {running.operator_key}"}, tls=running.tls)


def acts(running, **query):
    return api(running, "GET", "/v1/audit?" + urllib.parse.urlencode({"action": "console_act"} | query)).json["data"]


def test_over_tls_the_cookie_is_for_this_host_and_tls_only(running):
    me = visitor(running)
    answer = me.log_in(running.operator_key)
    assert answer.status == 303 and answer.headers["location"] == "/console"
    # All that the prefix demands (no Domain among it), and what keeps it from scripts and other sites.
    name, *attributes = answer.headers["set-cookie"].split("; ")
    assert re.fullmatch(r"__Host-latchkey_console=[\w-]{100,900}", name)
    assert sorted(attributes) == ["HttpOnly", "Path=/", "SameSite=Strict", "Secure"]
    assert me.get("/console/stores").status == 200
    # A cookie of the name that plain HTTP has is nobody's here: who can set it from another host of the domain wins nothing.
    plain = me.cookie.replace("__Host-", "")
    answer = request(running.internal, "GET", "/console/stores", headers={"Cookie": plain}, tls=running.tls)
    assert answer.status == 303 and answer.headers["location"].startswith("/console/login")
    gone = me.act("/console/logout").headers["set-cookie"]
    assert gone == "__Host-latchkey_console=; Max-Age=0; Path=/; Secure; HttpOnly; SameSite=Strict"


def test_a_hundred_pages_are_live_and_one_that_ends_makes_room(running):
    me = visitor(running)
    me.log_in(running.operator_key)

    def stream():
        connection = http.client.HTTPSConnection("127.0.0.1", running.internal, timeout=20, context=running.tls)
        connection.request("GET", "/console/callers", headers={"Cookie": me.cookie, "Accept": "text/event-stream"})
        return connection, connection.getresponse()
    with contextlib.ExitStack() as stack:
        held = []
        for _ in range(100):
            connection, answer = stream()
            stack.callback(connection.close)
            held.append((connection, answer))
            assert answer.status == 200 and answer.readline() == b"retry: 2000\n"
        connection, refused = stream()
        stack.callback(connection.close)
        assert refused.status == 503 and refused.getheader("retry-after") == "5"
        assert "as many live pages as it may" in refused.read().decode()
        # The page itself is served, and the script asks for it by itself.
        assert me.get("/console/callers").status == 200
        connection, answer = held.pop()
        answer.close()
        connection.close()

        def finds_room():
            connection, answer = stream()
            stack.callback(connection.close)
            return answer.status == 200
        wait_until(finds_room, "the place of the page that was closed", 10)
        assert stream()[1].status == 503


def test_the_audit_names_the_person_whom_the_proxy_named(running):
    made = api(running, "POST", "/v1/keys", {
        "name": "people", "app": "default", "stores": ["*"], "scopes": ["*"], "abilities": ["operator"]}).json
    running.stop()
    running.settings |= {"LATCHKEY_CONSOLE_PROXY_SECRET": PROXY_SECRET, "LATCHKEY_CONSOLE_PROXY_KEY": made["id"]}
    running.start(wait=False)
    running.await_ready_over_tls(running.certificate)
    ann = visitor(running, Latchkey_Console_Secret=PROXY_SECRET, X_Forwarded_User="ann@example.com")
    # The cookie of ann's first page is bob's no more than anybody else's.
    bob = visitor(running, Latchkey_Console_Secret=PROXY_SECRET, X_Forwarded_User="Bób “B.” <b@example.com>".encode().decode("latin-1"))
    store = "/console/stores/default/store0002"
    assert ann.act(store + "/suspend", {"confirmed": "yes"}).status == 303
    assert ann.act(store + "/resume", {"confirmed": "yes"}).status == 303
    bob.cookie = ann.cookie
    answer = bob.act("/console/callers/_new", {
        "name": "bob's", "app": "default", "stores": "*", "scopes": "*", "ability": ["proxy"]})
    assert answer.status == 200 and "lk_" in answer.text, answer.text
    lines = acts(running, actor=made["id"])
    told = [(line["details"]["act"], line["details"]["user"]) for line in lines]
    assert told == [("key_create", "Bób “B.” <b@example.com>"), ("store_resume", "ann@example.com"),
                    ("store_suspend", "ann@example.com")], lines
    # What the act changed has lines of its own, with the key as actor and the same request ID.
    changed = api(running, "GET", "/v1/audit?action=suspend").json["data"][0]
    assert (changed["actor"], changed["request_id"]) == (made["id"], lines[2]["request_id"]), changed
    # Without the secret a name is nobody's, and nothing is done or written.
    stranger = visitor(running, X_Forwarded_User="ann@example.com")
    stranger.cookie = ann.cookie
    assert stranger.send("POST", store + "/suspend", {"csrf": "0" * 32, "confirmed": "yes"}).status == 401
    assert len(acts(running, actor=made["id"])) == 3
