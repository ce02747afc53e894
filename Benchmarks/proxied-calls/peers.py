"""The proxies under test. Each puts the store's token on a call and passes it on; what else each does says docs/performance.md."""
import http.client
import json
import os
import subprocess
import sys
import time
from pathlib import Path

from measure import cpu_seconds
from programs import PATH, free_port, program, wait_for
from upstream import common

ROOT = Path(__file__).resolve().parents[2]
PEERS = Path(__file__).resolve().parent / "peers"
STORE = "bench0001"
TOKEN = "benchmarktoken0000000000000000000"
KEY = "svc_" + "0" * 32


class Peer:
    """A proxy that runs: its process, its port and the caller's key."""

    def __init__(self, name, process, port, key=KEY):
        self.name, self.process, self.port, self.key = name, process, port, key

    def cpu(self):
        if self.process.poll() is not None:
            sys.exit(f"{self.name} ended with {self.process.returncode}")
        return cpu_seconds(self.process.pid)

    def memory(self):
        """Resident bytes of the process that serves."""
        fields = Path(f"/proc/{self.process.pid}/statm").read_text().split()
        return int(fields[1]) * os.sysconf("SC_PAGE_SIZE")


def call(port, method, path, key, body=None):
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    headers = {"Authorization": f"Bearer {key}"} | ({"Content-Type": "application/json"} if body else {})
    connection.request(method, path, json.dumps(body) if body else None, headers)
    answer = connection.getresponse()
    return answer.status, answer.read()


class Starter:
    """Starts peers of a scenario before one upstream, on `cores` cores."""

    def __init__(self, folder, programs, upstream, scenario, cores):
        self.folder, self.programs, self.upstream = folder, programs, upstream
        self.secure, self.cores = scenario.secure, cores
        self.cpus = ",".join(str(core) for core in range(cores))
        self.origin = upstream.origin(scenario.secure)

    def start(self, name, **settings):
        """Starts a peer by its name; settings are for Latchkey only."""
        return getattr(self, name.replace("-", "_").replace("+", "_"))(name, **settings)

    def run(self, name, command, port, key=KEY, **options):
        process = self.programs.start(command, self.cpus, **options)
        wait_for(port)
        return Peer(name, process, port, key)

    def nginx(self, name):
        port = free_port()
        file, origin = self.folder / f"nginx-{port}.conf", self.origin.replace("localhost", "127.0.0.1")
        checked = f"proxy_ssl_verify on; proxy_ssl_name localhost; proxy_ssl_trusted_certificate {self.upstream.authority};"
        file.write_text(common(self.folder, f"nginx-{port}", self.cores) + f"""
  upstream api {{ server {origin.split("//")[1]}; keepalive 256; keepalive_requests 100000000; }}
  server {{
    listen 127.0.0.1:{port};
    location / {{
      proxy_pass {origin.split("//")[0]}//api; proxy_http_version 1.1; proxy_set_header Connection "";
      proxy_set_header X-Auth-Token {TOKEN}; proxy_set_header Authorization "";
      proxy_request_buffering off; {checked if self.secure else ""}
    }}
  }}
}}""")
        return self.run(name, [program("nginx"), "-c", file], port)

    def haproxy(self, name):
        port = free_port()
        file = self.folder / f"haproxy-{port}.cfg"
        checked = f" ssl verify required verifyhost localhost ca-file {self.upstream.authority}"
        file.write_text(f"""
global
  nbthread {self.cores}
defaults
  mode http
  timeout connect 5s
  timeout client 600s
  timeout server 600s
  timeout queue 30s
  http-reuse always
frontend calls
  bind 127.0.0.1:{port}
  http-request del-header Authorization
  http-request set-header X-Auth-Token {TOKEN}
  default_backend api
backend api
  server one {self.origin.split("//")[1].replace("localhost", "127.0.0.1")}{checked if self.secure else ""} maxconn 4000
""")
        return self.run(name, [program("haproxy"), "-db", "-f", file], port)

    def node(self, name):
        return self.script(name, "node-http.js")

    def express_http_proxy(self, name):
        return self.script(name, "express-http-proxy.js")

    def express_axios(self, name):
        return self.script(name, "express-axios.js")

    def script(self, name, file):
        port = free_port()
        return self.run(
            name, [program("node"), PEERS / file, port, self.origin, KEY, STORE, TOKEN], port,
            env=os.environ | {"NODE_PATH": "/usr/share/nodejs", "NODE_ENV": "production",
                              "NODE_EXTRA_CA_CERTS": str(self.upstream.authority)})

    def go(self, name):
        port, binary = free_port(), self.folder / "reverse-proxy"
        if not binary.exists():
            subprocess.run([program("go"), "build", "-o", binary, PEERS / "reverse-proxy.go"], check=True,
                           env=os.environ | {"GOCACHE": str(self.folder / "go"), "PATH": PATH})
        return self.run(name, [binary, port, self.origin, KEY, STORE, TOKEN], port,
                        env=os.environ | {"GOMAXPROCS": str(self.cores), "SSL_CERT_FILE": str(self.upstream.authority)})

    def latchkey(self, name, **settings):
        build = Path(os.environ.get("LATCHKEY_BUILD", ROOT / ".build/release"))
        binary = build / "latchkey"
        if not binary.exists():
            sys.exit(f"no latchkey in {build}: run swift build -c release --static-swift-stdlib --product latchkey")
        public, internal = free_port(), free_port()
        environment = {
            "PATH": os.environ["PATH"], "HOME": os.environ.get("HOME", "/"), "SWIFT_BACKTRACE": "enable=no",
            "BIGCOMMERCE_CLIENT_ID": "bench", "BIGCOMMERCE_CLIENT_SECRET": "benchmark-secret-benchmark-secret",
            "BIGCOMMERCE_SCOPES": "store_v2_products", "APP_ORIGIN": f"http://127.0.0.1:{public}",
            "BIGCOMMERCE_LOGIN_URL": self.origin, "BIGCOMMERCE_API_URL": self.origin,
            "LATCHKEY_PUBLIC_ADDRESS": f"127.0.0.1:{public}", "LATCHKEY_INTERNAL_ADDRESS": f"127.0.0.1:{internal}",
            "LATCHKEY_DATA_DIR": str(self.folder / f"data-{internal}"), "LATCHKEY_LOG_LEVEL": "warning",
        } | ({"BIGCOMMERCE_CA_FILE": str(self.upstream.authority)} if self.secure else {}) | settings
        peer = self.run(name, [binary, "serve"], internal, env=environment,
                        stdout=open(self.folder / f"latchkey-{internal}.log", "w"), stderr=subprocess.STDOUT)
        peer.key = service_key(binary, environment, internal)
        return peer


def service_key(binary, environment, port):
    """Imports the store and makes a key that may call it."""
    made = subprocess.run(
        [binary, "keys", "create", "--bootstrap", "--name", "bench-operator", "--json"],
        env=environment, capture_output=True, text=True)
    if made.returncode != 0:
        sys.exit(f"no key could be made: {made.stderr}")
    operator = json.loads(made.stdout)["key"]
    end = time.monotonic() + 10
    # A key made beside a running server counts within 2 s.
    while call(port, "GET", "/v1/stores?limit=1", operator)[0] != 200:
        if time.monotonic() > end:
            sys.exit("the operator's key does not count after 10 s")
        time.sleep(0.1)
    status, answer = call(port, "POST", "/v1/stores", operator, {"store_hash": STORE, "access_token": TOKEN})
    if status not in (200, 201):
        sys.exit(f"the store could not be imported: {status} {answer!r}")
    status, answer = call(port, "POST", "/v1/keys", operator, {
        "name": "bench", "app": "default", "stores": [STORE], "scopes": ["store_v2_products"], "abilities": ["proxy"]})
    if status != 201:
        sys.exit(f"no service key: {status} {answer!r}")
    return json.loads(answer)["key"]
