"""The built program's commands on the database: migrate with and without a role, vault, doctor."""
import json

import pytest
from deployment import deployment, new_key

STORE = "demo1234"
ROLE = "latchkey service"
OK, FAILURE, USAGE, UNHEALTHY = 0, 1, 2, 3


@pytest.fixture(scope="module")
def running(cluster):
    """A service that works as a role that owns nothing."""
    made = cluster.psql(f'CREATE ROLE "{ROLE}" LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE NOBYPASSRLS')
    assert made.returncode == 0, made
    with deployment(start=False, stores=3, settings={
            "DATABASE_URL": cluster.url_of(ROLE.replace(" ", "%20")), "CREDENTIALS_ENCRYPTION_KEY": new_key("k1")}) as made:
        made.owner = {"DATABASE_URL": cluster.url}
        yield made


def ran(running, status, *arguments, **options):
    result = running.cli(*arguments, check=False, **options)
    assert result.returncode == status, f"{arguments}: exit {result.returncode}\n{result.stdout}\n{result.stderr}"
    return result


def as_role(cluster, sql):
    return cluster.psql(sql, role=ROLE.replace(" ", "%20"))


def test_migrate_is_repeated_and_prepares_the_role(running, cluster):
    assert "latchkey migrate" in ran(running, FAILURE, "serve").stderr + running.cli("serve", check=False).stdout
    assert ran(running, OK, "migrate", **running.owner).stdout.startswith("Applied 1")
    assert "already" in ran(running, OK, "migrate", **running.owner).stdout
    assert ran(running, FAILURE, "migrate", "--grant", "nosuchrole", **running.owner).stderr.count("nosuchrole") == 1
    for _ in range(2):
        assert ROLE in ran(running, OK, "migrate", "--grant", ROLE, **running.owner).stdout
    # The role itself finds nothing to do, and could not do it.
    assert "already" in ran(running, OK, "migrate").stdout


def test_the_role_serves_an_install_and_a_call(running, cluster):
    running.start()
    running.bootstrap()
    running.install(STORE)
    key = running.service_key(stores=[STORE])
    assert running.call(key, "GET", f"/stores/{STORE}/v2/store").status == 200
    assert running.callback("load", STORE).status == 200
    actions = cluster.psql("SELECT action FROM audit").stdout.split()
    assert "install" in actions and "key_create" in actions, actions


@pytest.mark.parametrize("sql", [
    "UPDATE audit SET actor = 'nobody'", "DELETE FROM audit", "TRUNCATE audit", "DROP TABLE audit",
    "ALTER TABLE audit ADD COLUMN x int", "CREATE TABLE made_by_role (x int)", "DROP TABLE installations",
    "UPDATE schema_migrations SET checksum = checksum", "TRUNCATE installations", "CREATE ROLE other",
    "COPY audit TO PROGRAM 'true'", "ALTER TABLE audit DISABLE TRIGGER ALL",
])
def test_the_role_can_change_neither_schema_nor_audit(running, cluster, sql):
    before = cluster.psql("SELECT count(*), max(audit_id) FROM audit").stdout
    refused = as_role(cluster, sql)
    assert refused.returncode != 0 and ("permission denied" in refused.stderr or "must be" in refused.stderr), refused
    assert cluster.psql("SELECT count(*), max(audit_id) FROM audit").stdout == before
    assert as_role(cluster, "SELECT count(*) FROM audit").returncode == 0


def test_a_second_key_takes_over(running, cluster):
    first, second = running.settings["CREDENTIALS_ENCRYPTION_KEY"], new_key("k2")
    key = running.service_key(stores=[STORE])

    def uses(keys, status=OK):
        result = ran(running, status, "vault", "status", "--json", CREDENTIALS_ENCRYPTION_KEY=keys)
        return {use["key_id"]: use for use in json.loads(result.stdout)["data"]}

    def serve_with(keys):
        running.stop()
        running.settings["CREDENTIALS_ENCRYPTION_KEY"] = keys
        running.start()
        assert running.call(key, "GET", f"/stores/{STORE}/v2/store").status == 200

    assert uses(first)["k1"]["tokens"] == 1 and uses(first)["k1"]["is_sealing"]
    serve_with(f"{first},{second}")
    both = f"{second},{first}"
    serve_with(both)
    assert "--yes" in ran(running, USAGE, "vault", "rewrap").stderr
    assert "Would seal 1 secrets with the key k2" in ran(running, OK, "vault", "rewrap", "--dry-run").stdout
    assert uses(both)["k1"]["tokens"] == 1
    assert "Sealed 1 secrets with k2." in ran(running, OK, "vault", "rewrap", "--yes").stdout
    assert "already" in ran(running, OK, "vault", "rewrap", "--yes").stdout
    assert uses(both)["k2"]["tokens"] == 1 and uses(both).get("k1", {"tokens": 0})["tokens"] == 0
    assert "k2" in ran(running, OK, "vault", "status").stdout
    missing = ran(running, UNHEALTHY, "vault", "status", CREDENTIALS_ENCRYPTION_KEY=first)
    assert "k2" in missing.stderr
    serve_with(second)


def doctor(running, status, **options):
    report = json.loads(ran(running, status, "doctor", "--json", **options).stdout)
    return {check["name"]: check["verdict"] for check in report["checks"]}


def test_doctor_finds_a_healthy_service_healthy(running):
    checks = doctor(running, OK)
    assert "failed" not in checks.values(), checks
    assert {"database", "migrations", "keyring", "keyring_canaries", "login_host", "api_host"} <= set(checks)
    text = ran(running, OK, "doctor").stdout
    assert "DATABASE_URL" in text and running.client_secret not in text


@pytest.mark.parametrize("check,settings", [
    ("database", {"DATABASE_URL": "postgresql://latchkey@127.0.0.1:1/latchkey"}),
    ("api_host", {"BIGCOMMERCE_API_URL": "http://127.0.0.1:1"}),
    ("login_host", {"BIGCOMMERCE_LOGIN_URL": "http://127.0.0.1:1"}),
    ("backtraces", {"SWIFT_BACKTRACE": ""}),
    ("keyring_canaries", {"CREDENTIALS_ENCRYPTION_KEY": new_key("k9")}),
])
def test_doctor_names_what_is_wrong_and_exits_with_3(running, check, settings):
    assert doctor(running, UNHEALTHY, **settings)[check] == "failed"
    assert check in ran(running, UNHEALTHY, "doctor", **settings).stdout


def test_doctor_exits_with_2_on_wrong_settings(running):
    result = ran(running, USAGE, "doctor", LATCHKEY_LOG_LEVL="info")
    assert "LATCHKEY_LOG_LEVEL" in result.stdout + result.stderr
