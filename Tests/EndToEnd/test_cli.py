"""The built program's client commands against a real service: what they change, print and exit with."""
import json
import os
import pty
import select
import shutil
import subprocess
import time

import pytest
from deployment import BUILD, deployment, self_signed, trusting

STORE, OTHER = "demo1234", "store0002"
OK, FAILURE, USAGE, UNHEALTHY = 0, 1, 2, 3


@pytest.fixture(scope="module")
def ready():
    with deployment(stores=8) as running:
        running.install(STORE)
        yield running


def ran(running, status, *arguments, **options):
    """Runs a command, and returns what it wrote when it ended with that status."""
    result = running.cli(*arguments, check=False, **options)
    assert result.returncode == status, f"{arguments}: exit {result.returncode}\n{result.stdout}\n{result.stderr}"
    return result


def document(running, *arguments, status=OK, **options):
    return json.loads(ran(running, status, *arguments, "--json", **options).stdout)


def on_a_terminal(running, answer, *arguments):
    """Runs a command on a pseudo-terminal, types an answer to its question; exit status and what was shown."""
    pid, terminal = pty.fork()
    if pid == 0:
        os.execve(BUILD / "latchkey", ["latchkey", *arguments], running.environment | running.client_environment())
    shown, end = b"", time.monotonic() + 30
    try:
        while time.monotonic() < end:
            if not select.select([terminal], [], [], 1)[0]:
                continue
            try:
                part = os.read(terminal, 65536)
            except OSError:
                break
            if not part:
                break
            asked = b"[y/N]" in shown
            shown += part
            if b"[y/N]" in shown and not asked:
                os.write(terminal, answer.encode() + b"\n")
    finally:
        os.close(terminal)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]), shown.decode()


def changes(running):
    """What a command that was not confirmed must leave as it was."""
    stores = running.api("GET", "/v1/stores").json["data"]
    return ([(s["store_hash"], s["state"], s["generation"]) for s in stores],
            [(k["id"], k["revoked_at"]) for k in running.api("GET", "/v1/keys").json["data"]])


# Reading


def test_stores_are_listed_and_shown_as_the_api_has_them(ready):
    assert document(ready, "stores", "list") == ready.api("GET", "/v1/stores").json
    assert document(ready, "stores", "show", STORE) == ready.store(STORE).json
    table = ran(ready, OK, "stores", "list").stdout
    assert table.splitlines()[0].startswith("STORE") and STORE in table and "\x1b" not in table
    facts = ran(ready, OK, "stores", "show", STORE).stdout
    assert "last_call_at" in facts and "quota" in facts and "@" in facts
    assert document(ready, "stores", "list", "--state", "suspended") == {"data": [], "next": None}
    assert ran(ready, OK, "stores", "list", "--state", "suspended").stdout == ""
    assert document(ready, "stores", "list", "--problem", "any") == {"data": [], "next": None}
    assert "drift" in ran(ready, FAILURE, "stores", "list", "--problem", "nosuch").stderr


@pytest.mark.parametrize("status,arguments", [
    (FAILURE, ["stores", "show", "nosuch"]), (USAGE, ["stores", "show", "NOT A HASH"]), (USAGE, ["stores", "show"]),
    (FAILURE, ["stores", "list", "--state", "nosuch"]), (USAGE, ["stores", "list", "--nosuch"]), (USAGE, ["nosuch"]),
    (FAILURE, ["keys", "revoke", "nosuchkey0", "--yes"]), (USAGE, ["keys", "create", "--name", "x"]),
    (USAGE, ["api", "get", "v2/store"]), (FAILURE, ["stores", "import", "/nonexistent"]),
])
def test_what_is_wrong_is_said_on_standard_error(ready, status, arguments):
    result = ran(ready, status, *arguments)
    assert result.stdout == "" and result.stderr.strip()


def test_a_wrong_key_and_a_service_that_is_away_fail(ready):
    assert "key_invalid" in ran(ready, FAILURE, "stores", "list", key="lk_a_b_c").stderr
    assert "Nothing answers" in ran(ready, FAILURE, "stores", "list", LATCHKEY_URL="http://127.0.0.1:1").stderr
    missing = ran(ready, USAGE, "stores", "list", LATCHKEY_KEY="", LATCHKEY_URL="http://example.com").stderr
    assert "LATCHKEY_KEY" in missing and "LATCHKEY_URL" in missing
    file = ready.folder / "operator.key"
    file.write_text(ready.operator_key + "\n")
    assert ran(ready, OK, "stores", "list", LATCHKEY_KEY="", LATCHKEY_KEY_FILE=str(file)).stdout


def test_help_names_every_command(ready):
    shown = ran(ready, OK, "--help").stdout
    for name in ("serve", "migrate", "doctor", "vault", "keys", "stores", "deliveries", "events", "api", "LATCHKEY_CA_FILE"):
        assert name in shown
    assert max(map(len, shown.splitlines())) <= 120


def commands(running):
    """Every command that does something: its words, and the options that it has."""
    tree = json.loads(ran(running, OK, "--experimental-dump-help").stdout)["command"]

    def walk(command, words):
        below = [child for child in command.get("subcommands", []) if child["commandName"] != "help"]
        if not below:
            options = {name["name"] for argument in command.get("arguments", []) for name in argument.get("names", [])}
            yield " ".join(words), options, [a for a in command.get("arguments", []) if a["kind"] == "positional"]
        for child in below:
            yield from walk(child, [*words, child["commandName"]])
    return list(walk(tree, []))


# What changes nothing, what takes nothing away, and what asks before it does, with arguments for it.
READS = {
    "doctor", "vault status", "keys list", "stores list", "stores show", "stores errors", "scopes drift", "webhooks list", "webhooks plan",
    "webhooks repairs", "deliveries list", "deliveries show", "events list", "events show", "events tail", "subscriptions list",
    "subscriptions show", "subscriptions deliveries", "usage", "audit", "api get"}
HARMLESS = {
    "serve", "migrate", "keys create", "stores label", "stores import", "stores verify", "stores resume", "deliveries replay",
    "subscriptions create", "subscriptions enable", "subscriptions ping", "api post", "api put"}
DESTRUCTIVE = {
    "vault rewrap": [], "keys rotate": ["{key}"], "keys revoke": ["{key}"], "stores suspend": [STORE], "stores delete": [STORE],
    "webhooks apply": [], "webhooks rotate": [STORE], "webhooks repair": [], "events replay": ["--from", "oldest"],
    "subscriptions delete": ["{subscription}"], "subscriptions disable": ["{subscription}"],
    "subscriptions rotate": ["{subscription}"], "subscriptions replay": ["{subscription}", "--from", "oldest"],
    "subscriptions discard": ["{subscription}", "--failed"], "api delete": ["v3/catalog/products/1", "--store", STORE]}


def test_every_command_is_a_read_harmless_or_asks(ready):
    """A new command fails here until somebody says which it is."""
    known = {words: options for words, options, _ in commands(ready)}
    assert set(known) == READS | HARMLESS | set(DESTRUCTIVE)
    assert not [words for words in READS if "json" not in known[words]]
    assert not [words for words in DESTRUCTIVE if not {"dry-run", "yes"} <= known[words]]


@pytest.mark.parametrize("words", sorted(DESTRUCTIVE))
def test_what_is_destructive_changes_nothing_unasked(ready, words):
    made = document(ready, "keys", "create", "--name", "unchanged", "--app", "default", "--store", STORE,
                    "--scope", "*", "--ability", "proxy")
    subscription = ready.api("POST", "/v1/subscriptions", {"url": "http://127.0.0.1:1/", "types": ["*"]}).json["id"]
    arguments = [{"{key}": made["id"], "{subscription}": subscription}.get(a, a) for a in DESTRUCTIVE[words]]

    def state():
        return (changes(ready), ready.api("GET", "/v1/audit?limit=1").json["data"], [call for call in ready.arrived(host="api") if call["method"] not in ("GET", "HEAD")],
                ready.api("GET", f"/v1/subscriptions/{subscription}").json["state"])
    before = state()
    assert "--yes" in ran(ready, USAGE, *words.split(), *arguments).stderr
    ran(ready, OK, *words.split(), *arguments, "--dry-run")
    assert state() == before


def test_long_work_shows_a_bar_on_a_terminal_and_nothing_elsewhere(ready, tmp_path):
    lines = tmp_path / "stores.ndjson"
    lines.write_text("".join(json.dumps({"store_hash": f"nosuch{n}", "access_token": "x"}) + "\n" for n in range(3)))
    piped = ran(ready, FAILURE, "stores", "import", str(lines))
    assert "░" not in piped.stderr + piped.stdout and "\x1b" not in piped.stderr
    status, shown = on_a_terminal(ready, "", "stores", "import", str(lines))
    assert status == FAILURE and "░" * 24 + " 0 %  0 of 3 stores" in shown
    # The bar is gone before the result is told.
    assert "\x1b[K" in shown and "refused." in shown.split("\x1b[K")[-1]


# Changing


@pytest.mark.parametrize("arguments", [
    ["stores", "suspend", STORE], ["stores", "delete", STORE], ["stores", "delete", STORE, "--purge"],
    ["keys", "revoke", "{key}"], ["keys", "rotate", "{key}"], ["api", "delete", "v3/catalog/products/1", "--store", STORE],
])
def test_nothing_changes_without_a_yes(ready, arguments):
    made = document(ready, "keys", "create", "--name", "unchanged", "--app", "default", "--store", STORE,
                    "--scope", "*", "--ability", "proxy")
    arguments = [made["id"] if a == "{key}" else a for a in arguments]
    before, arrived = changes(ready), len(ready.arrived(host="api"))
    refused = ran(ready, USAGE, *arguments)
    assert "--yes" in refused.stderr and refused.stdout == ""
    looked = ran(ready, OK, *arguments, "--dry-run")
    assert looked.stdout.startswith("Would ") and "Nothing was changed." in looked.stdout
    assert ran(ready, OK, *arguments, "--dry-run", "--yes").stdout == looked.stdout
    status, shown = on_a_terminal(ready, "n", *arguments)
    assert status == FAILURE and "[y/N]" in shown and "Nothing was changed" in shown
    assert changes(ready) == before and len(ready.arrived(host="api")) == arrived


def test_a_store_is_suspended_resumed_and_deleted(ready):
    store = ready.fresh_store()
    ready.install(store)
    key = ready.service_key(stores=[store])
    status, shown = on_a_terminal(ready, "y", "stores", "suspend", store)
    assert status == OK and f"Suspend store {store}" in shown and "suspended" in shown
    assert ready.call(key, "GET", f"/stores/{store}/v2/store").status == 423
    assert document(ready, "stores", "resume", store)["state"] == "active"
    assert ready.call(key, "GET", f"/stores/{store}/v2/store").status == 200
    assert document(ready, "stores", "suspend", store, "--yes")["state"] == "suspended"
    assert document(ready, "stores", "delete", store, "-y")["state"] == "uninstalled"
    # The suspension outlives the uninstall; ending it is all that can be resumed.
    assert document(ready, "stores", "resume", store)["suspended_at"] is None
    assert "store_uninstalled" in ran(ready, FAILURE, "stores", "resume", store).stderr
    assert ran(ready, OK, "stores", "delete", store, "--purge", "--yes").stdout
    assert ready.store(store).status == 404 or ready.store(store).json["users"] == []


def test_a_store_is_labelled_and_found_by_its_label(ready):
    store = ready.fresh_store()
    ready.install(store)
    assert document(ready, "stores", "label", store, "--add", "vip", "--add", "trial")["labels"] == ["trial", "vip"]
    assert "vip" in ran(ready, OK, "stores", "label", store, "--remove", "trial").stdout
    shown = ran(ready, OK, "stores", "list", "--label", "vip").stdout
    assert store in shown and "LABELS" in shown and STORE not in shown
    assert "has at most 16" in ran(ready, FAILURE, "stores", "label", store,
                                   *[w for n in range(16) for w in ("--add", f"l{n}")]).stderr


def test_verify_exits_with_3_when_the_token_is_refused(ready):
    assert document(ready, "stores", "verify", STORE)["verdict"] == "accepted"
    store = ready.fresh_store()
    ready.install(store)
    ready.fault("status", store=store, path="/v3/hooks", times=1, status=401)
    assert document(ready, "stores", "verify", store, status=UNHEALTHY)["verdict"] == "refused"
    ready.fault("status", store=store, path="/v3/hooks", times=1, status=503)
    assert document(ready, "stores", "verify", store, status=UNHEALTHY)["verdict"] == "unclear"


def test_stores_are_imported_from_a_file(ready, tmp_path):
    store = ready.fresh_store()
    token = ready.control("POST", "/tokens", {"client_id": ready.client_id, "store_hash": store})["access_token"]
    lines = tmp_path / "stores.ndjson"
    lines.write_text(json.dumps({"store_hash": store, "access_token": token}) + "\n")
    assert "1 would be imported, 0 refused." in ran(ready, OK, "stores", "import", str(lines), "--dry-run").stdout
    assert ready.store(store).status == 404
    assert "1 imported, 0 refused." in ran(ready, OK, "stores", "import", str(lines)).stdout
    assert ready.store(store).json["source"] == "import"
    with lines.open("a") as file:
        file.write("\n" + json.dumps({"store_hash": STORE, "access_token": "wrongtoken000000"}) + "\n")
    mixed = ran(ready, FAILURE, "stores", "import", str(lines))
    assert "1 imported, 1 refused." in mixed.stdout and token not in mixed.stdout + mixed.stderr
    rows = document(ready, "stores", "import", str(lines), status=FAILURE)["data"]
    assert [(r["line"], r["result"]) for r in rows] == [(1, "imported"), (3, "refused")]


def test_keys_are_created_listed_rotated_and_revoked(ready):
    made = document(ready, "keys", "create", "--name", "cli", "--app", "default", "--store", STORE,
                    "--scope", "store_v2_products_read_only", "--ability", "proxy", "--expires-in", "90d")
    path = f"/stores/{STORE}/v3/catalog/products?limit=1"
    assert ready.call(made["key"], "GET", path).status == 200
    listed = [k for k in document(ready, "keys", "list")["data"] if k["id"] == made["id"]]
    assert listed[0]["name"] == "cli" and "key" not in listed[0] and listed[0]["expires_at"]
    shown = ran(ready, OK, "keys", "list").stdout
    assert made["id"] in shown and made["key"] not in shown
    second = document(ready, "keys", "rotate", made["id"], "--overlap", "10m", "--yes")
    assert ready.call(made["key"], "GET", path).status == ready.call(second["key"], "GET", path).status == 200
    third = document(ready, "keys", "rotate", second["id"], "--yes")
    assert ready.call(second["key"], "GET", path).status == 401
    assert "Revoked" in ran(ready, OK, "keys", "revoke", third["id"], "--yes").stdout
    assert ready.call(third["key"], "GET", path).status == 401
    whole = ran(ready, USAGE, "keys", "revoke", third["key"], "--yes")
    assert third["key"] not in whole.stdout + whole.stderr, "a whole key is not repeated"


def test_api_reads_creates_changes_and_deletes(ready):
    call = ["--store", STORE]
    # An operator's key is for the fleet; calls to stores need a key of the app.
    key = ready.service_key(stores=[STORE], abilities=["proxy", "proxy:graphql"])
    products = json.loads(ran(ready, OK, "api", "get", "v3/catalog/products?limit=2", *call, key=key).stdout)
    assert len(products["data"]) == 2
    created = json.loads(ran(ready, OK, "api", "post", "v3/catalog/brands", *call, "--data", '{"name": "CLI"}',
                             key=key).stdout)["data"]
    file = ready.folder / "brand.json"
    file.write_text('{"name": "CLI 2"}')
    changed = json.loads(ran(ready, OK, "api", "put", f"v3/catalog/brands/{created['id']}", *call,
                             "--data", f"@{file}", key=key).stdout)["data"]
    assert changed["name"] == "CLI 2"
    graph = ran(ready, OK, "api", "post", "graphql", *call, "--data", '{"query": "{ store { name } }"}', key=key)
    assert json.loads(graph.stdout)["data"]["store"]["name"]
    assert ran(ready, OK, "api", "delete", f"v3/catalog/brands/{created['id']}", *call, "--yes", key=key).stdout == ""
    missing = ran(ready, FAILURE, "api", "get", f"v3/catalog/brands/{created['id']}", *call, key=key)
    assert json.loads(missing.stdout)["status"] == 404 and "BigCommerce answered 404" in missing.stderr
    outside = ran(ready, FAILURE, "api", "get", "v2/store", "--store", OTHER, key=key)
    assert outside.stdout == "" and "grant_missing" in outside.stderr


# Completions


@pytest.mark.parametrize("shell,ask,expected", [
    ("bash", """source "$1"
        COMP_WORDS=(latchkey stores s) COMP_CWORD=2 COMP_LINE="latchkey stores s" COMP_POINT=17
        _latchkey; printf '%s\\n' "${COMPREPLY[@]}" """, {"show", "suspend"}),
    ("zsh", """autoload -Uz compinit; compinit -u -D; fpath=(${1:h} $fpath)
        autoload -Uz _latchkey; compinit -u -D; print -r -- ${_comps[latchkey]}; autoload +X _latchkey && print loaded
        """, {"_latchkey", "loaded"}),
    ("fish", """source $argv[1]; complete -C 'latchkey stores s' | string split -f1 \\t""", {"show", "suspend"}),
])
def test_completions_load_in_the_shell(ready, tmp_path, shell, ask, expected):
    script = tmp_path / "_latchkey"
    script.write_text(ran(ready, OK, "--generate-completion-script", shell).stdout)
    program = shutil.which(shell)
    assert program, f"{shell} is not installed; see scripts/packages"
    (tmp_path / "ask").write_text(ask)
    quiet = {"bash": ["--norc"], "zsh": ["-f"], "fish": ["--no-config"]}[shell]
    path = f"{BUILD}:{os.environ['PATH']}"
    made = subprocess.run([program, *quiet, tmp_path / "ask", script], capture_output=True, text=True, timeout=60,
                          env={"PATH": path, "HOME": str(tmp_path), "LC_ALL": "C.UTF-8"})
    assert made.returncode == 0 and not made.stderr, made
    assert expected <= set(made.stdout.split()), made.stdout


# TLS


def certificates(folder):
    """A listener's certificate, and an authority with an operator's certificate; all readable by the service."""
    folder.chmod(0o755)
    certificate, key = self_signed(folder)
    certificate, key = certificate.rename(folder / "listener.pem"), key.rename(folder / "listener.key")
    client, client_key = self_signed(folder)
    for file in (certificate, key, client, client_key):
        file.chmod(0o644)
    return certificate, key, client, client_key


def test_the_internal_listener_is_reached_over_tls(tmp_path):
    certificate, key, client, client_key = certificates(tmp_path)
    with deployment(start=False, settings={
            "LATCHKEY_INTERNAL_TLS_CERT": str(certificate), "LATCHKEY_INTERNAL_TLS_KEY": str(key)}) as running:
        running.start(wait=False)
        running.await_ready_over_tls(certificate)
        running.bootstrap(tls=trusting(certificate))
        url = {"LATCHKEY_URL": f"https://localhost:{running.internal}"}
        trust = {"LATCHKEY_CA_FILE": str(certificate)}
        assert document(running, "stores", "list", **url, **trust)["data"] == []
        assert document(running, "stores", "list", **trust,
                        LATCHKEY_URL=f"https://127.0.0.1:{running.internal}")["data"] == []
        assert "LATCHKEY_CA_FILE" in ran(running, FAILURE, "stores", "list", **url).stderr
        assert ran(running, FAILURE, "stores", "list", **url, LATCHKEY_CA_FILE=str(client)).stderr
        assert "LATCHKEY_CA_FILE" in ran(running, USAGE, "stores", "list", **url, LATCHKEY_CA_FILE="/nonexistent").stderr
        plain = ran(running, FAILURE, "stores", "list", LATCHKEY_URL=f"http://localhost:{running.internal}").stderr
        assert running.operator_key not in plain

        running.stop()
        running.start(wait=False, LATCHKEY_INTERNAL_TLS_CLIENT_CA=str(client))
        shown = {"LATCHKEY_CLIENT_CERT": str(client), "LATCHKEY_CLIENT_KEY": str(client_key)}
        end = time.monotonic() + 60
        while running.cli("stores", "list", check=False, **url, **trust, **shown).returncode and time.monotonic() < end:
            time.sleep(0.2)
        assert document(running, "stores", "list", **url, **trust, **shown)["data"] == []
        assert "LATCHKEY_CLIENT_CERT" in ran(running, FAILURE, "stores", "list", **url, **trust).stderr
