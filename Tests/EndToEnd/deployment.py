"""A whole deployment for a test: sandbox, service and private PostgreSQL as real processes on free ports."""
import base64
import contextlib
import dataclasses
import http.client
import json
import os
import secrets
import shutil
import signal
import socket
import ssl
import subprocess
import tempfile
import time
import urllib.parse
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
BUILD = Path(os.environ.get("LATCHKEY_BUILD", ROOT / ".build/debug"))
FULL = os.environ.get("LATCHKEY_TEST_FULL") == "1"
SCOPES = (
    "store_v2_products store_v2_orders store_v2_customers store_v2_information_read_only "
    "store_v2_content store_inventory store_cart store_channel_settings_read_only"
)


def new_key(name):
    """An entry of `CREDENTIALS_ENCRYPTION_KEY`."""
    return f"{name}:{base64.b64encode(os.urandom(32)).decode()}"


def count(ordinary, full):
    """The count for this kind of run: `./scripts/test` or `./scripts/test --full`."""
    return full if FULL else ordinary


def ceiling(promised):
    """The most a time may be: with the full counts, which have a machine of their own, what is promised. An ordinary run
    may share its machine, so it looks for changes in kind only: five times as much."""
    return promised if FULL else 5 * promised


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def wait_until(condition, what, seconds=30):
    """Polls a condition about another process, for at most `seconds`; returns its first true value."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        value = condition()
        if value:
            return value
        time.sleep(0.05)
    raise AssertionError(f"{what}: not within {seconds} s")


@dataclass
class Answer:
    status: int
    headers: dict
    body: bytes

    @property
    def json(self):
        return json.loads(self.body)

    @property
    def text(self):
        return self.body.decode()


def request(port, method, path, body=None, headers=None, timeout=30, tls=None):
    """One request on a connection of its own; the path goes out as it is."""
    connection = (http.client.HTTPSConnection("127.0.0.1", port, timeout=timeout, context=tls)
                  if tls else http.client.HTTPConnection("127.0.0.1", port, timeout=timeout))
    with contextlib.closing(connection):
        sent = dict(headers or {})
        if isinstance(body, (dict, list)):
            body = json.dumps(body).encode()
            sent.setdefault("Content-Type", "application/json")
        connection.request(method, path, body, sent)
        answer = connection.getresponse()
        return Answer(answer.status, {k.lower(): v for k, v in answer.getheaders()}, answer.read())


def ends(process, seconds=40):
    """Waits for a process to end; kills it and fails when it does not."""
    try:
        return process.wait(seconds)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
        raise AssertionError(f"process {process.pid} did not end within {seconds} s")


@dataclass
class Deployment:
    folder: Path
    sandbox_port: int = field(default_factory=free_port)
    public: int = field(default_factory=free_port)
    internal: int = field(default_factory=free_port)
    client_id: str = "e2eclientid00000000000000000000"
    client_secret: str = field(default_factory=lambda: "canary-secret-" + secrets.token_hex(24))
    stores: int = 1
    settings: dict = field(default_factory=dict)
    # What the service is started with, before its own command.
    launcher: list = field(default_factory=list)
    sandbox_options: list = field(default_factory=list)
    sandbox: subprocess.Popen = None
    service: subprocess.Popen = None
    operator_key: str = None
    used_stores: int = 0

    def fresh_store(self):
        """A store that no test has touched: a store takes five installs a minute."""
        self.used_stores += 1
        return f"store{self.used_stores + 1:04d}"

    @property
    def data(self):
        return self.folder / "data"

    @property
    def log(self):
        return self.folder / "latchkey.log"

    @property
    def environment(self):
        sandbox = f"http://127.0.0.1:{self.sandbox_port}"
        return {
            "PATH": os.environ["PATH"], "HOME": str(self.folder), "SWIFT_BACKTRACE": "enable=no", "LANG": "C.UTF-8",
            "BIGCOMMERCE_CLIENT_ID": self.client_id, "BIGCOMMERCE_CLIENT_SECRET": self.client_secret,
            "BIGCOMMERCE_SCOPES": SCOPES, "BIGCOMMERCE_LOGIN_URL": sandbox, "BIGCOMMERCE_API_URL": sandbox,
            "APP_ORIGIN": f"http://127.0.0.1:{self.public}", "LATCHKEY_DATA_DIR": str(self.data),
            "LATCHKEY_PUBLIC_ADDRESS": f"127.0.0.1:{self.public}",
            "LATCHKEY_INTERNAL_ADDRESS": f"127.0.0.1:{self.internal}", "LATCHKEY_LOG_FORMAT": "json",
            "LATCHKEY_DRAIN_DELAY": "0s", "LATCHKEY_FRAME_ANCESTORS": sandbox,
            # No call but those that a test knows of.
            "LATCHKEY_CHECK_EVERY": "0s",
        } | self.settings

    # Processes

    def start_sandbox(self):
        self.sandbox = subprocess.Popen(
            [BUILD / "bigcommerce-sandbox", "--port", str(self.sandbox_port), "--stores", str(self.stores),
             "--client-id", self.client_id, "--client-secret", self.client_secret, "--scopes", SCOPES,
             "--app-origin", f"http://127.0.0.1:{self.public}", *self.sandbox_options],
            env={"PATH": os.environ["PATH"], "SWIFT_BACKTRACE": "enable=no"},
            stdout=open(self.folder / "sandbox.log", "ab"), stderr=subprocess.STDOUT)
        wait_until(lambda: listens(self.sandbox_port), "sandbox listens")

    def start(self, wait=True, **extra):
        self.service = subprocess.Popen(
            [*self.launcher, BUILD / "latchkey", "serve"], env=self.environment | extra,
            stdout=open(self.log, "ab"), stderr=subprocess.STDOUT)
        if wait:
            self.await_ready()

    def await_ready(self, seconds=60):
        def ready():
            if self.service.poll() is not None:
                raise AssertionError(f"latchkey ended with {self.service.returncode}:\n{self.log.read_text()[-3000:]}")
            with contextlib.suppress(OSError, http.client.HTTPException):
                return request(self.internal, "GET", "/readyz").status == 200
        wait_until(ready, "latchkey is ready", seconds)

    def await_ready_over_tls(self, certificate):
        def ready():
            with contextlib.suppress(OSError, http.client.HTTPException):
                return request(self.internal, "GET", "/readyz", tls=trusting(certificate)).status == 200
        wait_until(ready, "latchkey is ready over TLS", 60)

    def service_key_over_tls(self, certificate, stores, abilities=("proxy",)):
        answer = request(self.internal, "POST", "/v1/keys", {
            "name": "tls", "app": "default", "stores": stores, "scopes": ["*"], "abilities": list(abilities)},
            {"Authorization": f"Bearer {self.operator_key}"}, tls=trusting(certificate))
        assert answer.status == 201, answer
        return answer.json["key"]

    def replica(self, name):
        """Another replica of the same deployment, started; whoever asks for it stops it."""
        folder = self.folder / name
        folder.mkdir()
        other = dataclasses.replace(
            self, folder=folder, public=free_port(), internal=free_port(), service=None,
            settings=self.settings | {"APP_ORIGIN": self.environment["APP_ORIGIN"]})
        other.start()
        return other

    def stop(self):
        if self.service and self.service.poll() is None:
            self.service.send_signal(signal.SIGTERM)
            assert ends(self.service) == 0, f"exit {self.service.returncode}:\n{self.log.read_text()[-3000:]}"

    def kill(self):
        self.service.kill()
        self.service.wait()

    def client_environment(self, key=None):
        key = key or self.operator_key
        return {"LATCHKEY_URL": f"http://127.0.0.1:{self.internal}"} | ({"LATCHKEY_KEY": key} if key else {})

    def cli(self, *arguments, check=True, key=None, **extra):
        result = subprocess.run(
            [BUILD / "latchkey", *arguments],
            env=self.environment | self.client_environment(key) | extra,
            capture_output=True, text=True, stdin=subprocess.DEVNULL, timeout=120)
        if check:
            assert result.returncode == 0, f"{arguments}: exit {result.returncode}\n{result.stdout}\n{result.stderr}"
        return result

    # Acts

    def bootstrap(self, tls=None):
        self.operator_key = json.loads(
            self.cli("keys", "create", "--bootstrap", "--name", "e2e", "--json").stdout)["key"]
        self.await_key(tls)
        return self.operator_key

    def await_key(self, tls=None):
        """A new key counts on every replica within two seconds."""
        wait_until(lambda: request(self.internal, "GET", "/v1/keys", headers={
            "Authorization": f"Bearer {self.operator_key}"}, tls=tls).status == 200, "the operator's key counts", 5)

    def service_key(self, stores=("*",), scopes=("*",), abilities=("proxy",), **extra):
        answer = self.api("POST", "/v1/keys", {"name": "e2e", "app": "default", "stores": list(stores),
                                               "scopes": list(scopes), "abilities": list(abilities)} | extra)
        assert answer.status == 201, answer
        return answer.json["key"]

    def api(self, method, path, body=None, key=None):
        return request(self.internal, method, path, body, {"Authorization": f"Bearer {key or self.operator_key}"})

    def call(self, key, method, path, body=None, headers=None, **options):
        """A call through the gateway."""
        return request(self.internal, method, path, body, {"X-Auth-Token": key} | (headers or {}), **options)

    def control(self, method, path, body=None):
        """The sandbox's control API."""
        answer = request(self.sandbox_port, method, f"/control{path}", body)
        assert answer.status < 300, f"{method} {path}: {answer}"
        return answer.json if answer.body else None

    def callback_query(self, store, **extra):
        """A fresh code of the login host, as the query BigCommerce sends the browser with."""
        return self.control("POST", "/codes", {
            "client_id": self.client_id, "store_hash": store} | extra)["callback_query"]

    def install(self, store):
        answer = request(self.public, "GET", f"/auth/callback?{self.callback_query(store)}")
        assert answer.status == 200, answer
        return answer

    def signed_payload(self, store, **claims):
        """A payload as BigCommerce signs it, for the owner unless `user_id` says otherwise."""
        return self.control("POST", "/signed_payloads", {
            "client_id": self.client_id, "store_hash": store} | claims)["signed_payload_jwt"]

    def other_user(self, store):
        """A user of the store who is not its owner."""
        users = self.control("GET", f"/stores/{store}")["users"]
        return next(user["id"] for user in users if not user["is_owner"])

    def fault(self, kind, **order):
        """Orders a fault of the sandbox; `path` is behind the store's own."""
        self.control("POST", "/faults", {"kind": kind} | order)

    def faults_are_at_work(self):
        """Whether every fault that was ordered has begun; what it delays is under way now."""
        return not any(fault["remaining"] for fault in self.control("GET", "/faults"))

    def arrived(self, **query):
        """What reached the sandbox, newest last."""
        return self.control("GET", "/requests?" + urllib.parse.urlencode({"limit": 100_000} | query))

    def callback(self, kind, store, **claims):
        token = urllib.parse.quote(self.signed_payload(store, **claims))
        return request(self.public, "GET", f"/auth/{kind}?signed_payload_jwt={token}")

    def store(self, store):
        return self.api("GET", f"/v1/stores/{store}")


def listens(port):
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def connected(pid, port, at="local"):
    """How many connections the process has at the port, its own or the other side's: established ones of its own sockets."""
    sockets = set()
    for entry in os.scandir(f"/proc/{pid}/fd"):
        with contextlib.suppress(OSError):
            sockets.add(os.readlink(entry.path))
    rows = [line.split() for line in Path("/proc/net/tcp").read_text().splitlines()[1:]]
    return sum(row[3] == "01" and row[1 if at == "local" else 2].endswith(f":{port:04X}")
               and f"socket:[{row[9]}]" in sockets for row in rows)


@contextlib.contextmanager
def deployment(start=True, **options):
    """A deployment in a folder of its own; everything it started is gone afterwards."""
    folder = Path(tempfile.mkdtemp(prefix="latchkey-e2e-"))
    os.chmod(folder, 0o755)
    made = Deployment(folder, **options)
    try:
        made.start_sandbox()
        if start:
            made.start()
            made.bootstrap()
        yield made
    finally:
        for process in (made.service, made.sandbox):
            if process and process.poll() is None:
                process.terminate()
                with contextlib.suppress(AssertionError):
                    ends(process)
        stop_private_postgres(made.data)
        shutil.rmtree(folder, ignore_errors=True)


def private_postgres_pid(data):
    with contextlib.suppress(OSError, ValueError, IndexError):
        return int((data / "postgres/data/postmaster.pid").read_text().split()[0])


def stop_private_postgres(data):
    """Ends the cluster of a service that was killed; a service that ended in order has stopped it itself."""
    pid = private_postgres_pid(data)
    if pid:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGQUIT)
            wait_until(lambda: not Path(f"/proc/{pid}").exists(), "PostgreSQL is gone")


def self_signed(folder, names="DNS:localhost,IP:127.0.0.1"):
    """A certificate for 127.0.0.1 and localhost, or other names: the paths of certificate and key."""
    certificate, key = folder / "tls.pem", folder / "tls.key"
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2",
         "-subj", "/CN=localhost", "-addext", f"subjectAltName={names}",
         "-keyout", key, "-out", certificate], check=True, capture_output=True)
    return certificate, key


def trusting(certificate):
    return ssl.create_default_context(cafile=str(certificate))
