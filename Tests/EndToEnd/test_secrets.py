"""Canary secrets appear in no log, answer, PostgreSQL file or dump."""
import base64
import os
import subprocess
import urllib.parse
from pathlib import Path

from deployment import deployment, request

STORE = "demo1234"


def test_no_secret_is_found_anywhere():
    keyring = base64.b64encode(os.urandom(32)).decode()
    with deployment(settings={"CREDENTIALS_ENCRYPTION_KEY": f"k1:{keyring}"}) as running:
        answers = []
        query = running.callback_query(STORE)
        code = urllib.parse.parse_qs(query)["code"][0]
        answers.append(request(running.public, "GET", f"/auth/callback?{query}"))
        answers.append(request(running.public, "GET", f"/auth/callback?{query}"))
        payload = running.signed_payload(STORE)
        answers.append(request(running.public, "GET", f"/auth/load?signed_payload_jwt={payload}"))
        answers.append(request(running.public, "GET", f"/auth/load?signed_payload_jwt={payload}x"))
        key = running.service_key(stores=[STORE])
        answers.append(running.call(key, "GET", f"/stores/{STORE}/v3/catalog/products"))
        answers.append(running.call(key, "GET", f"/stores/{STORE}/../x"))
        answers.append(running.call(key + "x", "GET", f"/stores/{STORE}/v2/store"))
        answers += [running.api("GET", path) for path in ("/v1/stores", f"/v1/stores/{STORE}", "/v1/keys")]
        tokens = [t["access_token"] for t in running.control("GET", "/tokens")]
        assert tokens
        for arguments in (["doctor"], ["vault", "status"], ["keys", "list"], ["stores", "show", STORE]):
            made = running.cli(*arguments, check=False)
            answers.append(type("Output", (), {"body": (made.stdout + made.stderr).encode(), "headers": {}}))
        environment = Path(f"/proc/{running.service.pid}/cmdline").read_bytes()

        dump = subprocess.run(
            ["pg_dump", "--inserts", "-h", str(running.data / "postgres/socket"), "-U", "latchkey", "latchkey"],
            capture_output=True)
        running.callback("uninstall", STORE)
        running.stop()

        secrets = {
            "access token": tokens[0], "client secret": running.client_secret, "keyring": keyring, "code": code,
            "signed payload": payload, "service key": key, "operator key": running.operator_key,
        }
        raw = {name: [value.encode(), value.encode().hex().encode(), base64.b64encode(value.encode()).rstrip(b"=")]
               for name, value in secrets.items()}
        raw["keyring"].append(base64.b64decode(keyring))

        def search(where, data, exempt=()):
            for name, forms in raw.items():
                if name not in exempt:
                    assert not any(form in data for form in forms), f"{name} found in {where}"

        for number, answer in enumerate(answers):
            search(f"answer {number}", answer.body + repr(answer.headers).encode())
        search("command line", environment)
        search("log", running.log.read_bytes())
        if dump.returncode == 0:
            search("dump", dump.stdout)
        files = [f for f in running.data.rglob("*") if f.is_file()]
        assert any("base" in str(f) for f in files) and any("pg_wal" in str(f) for f in files)
        for file in files:
            search(str(file.relative_to(running.data)), file.read_bytes())
        assert dump.returncode == 0, dump.stderr
