#!/usr/bin/env python3
"""CPU per proxied GET: Latchkey against nginx and plain Node, in one interleaved run.

Usage: Benchmarks/proxied-get/run.py [--rounds 6] [--seconds 2] [--connections 64]

Needs: a release build (swift build -c release), nginx, wrk, node (apt-get install nginx-light wrk nodejs).
Every peer proxies the same 4 KB JSON answer of one nginx upstream, which refuses a call without X-Auth-Token.
A slice is some seconds of wrk against one peer; slices alternate and the order turns each round. The figure is
user + system time of the peer's processes divided by requests; the best quartile of slices counts, because
noise only adds. Load and upstream run on other cores than the peer where the machine has at least three.
"""
import argparse
import http.client
import json
import os
import re
import shutil
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(ROOT / "Benchmarks/common"))
from measure import CORES, best_quartile, cpu_seconds, headline  # noqa: E402

STORE = "bench0001"
TOKEN = "benchmarktoken0000000000000000000"
PINNED = CORES >= 3
PEER_CPU, LOAD_CPUS = "0", ",".join(str(n) for n in range(1, CORES))


def free_port():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


def pinned(command, cpus):
    return (["taskset", "-c", cpus] if PINNED else []) + command


def wait_for(port, deadline=60):
    end = time.monotonic() + deadline
    while time.monotonic() < end:
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.05)
    sys.exit(f"nothing listens on port {port} after {deadline} s")


class Peer:
    """A proxy under test: its processes, its port and what a request to it carries."""

    def __init__(self, name, process, port, key):
        self.name, self.process, self.port, self.key = name, process, port, key
        self.slices = []

    def slice(self, seconds, connections):
        if self.process.poll() is not None:
            sys.exit(f"{self.name} ended with {self.process.returncode}")
        before = cpu_seconds(self.process.pid)
        output = subprocess.run(
            pinned(["wrk", "-t2", f"-c{connections}", f"-d{seconds}s", "--latency",
                    "-H", f"Authorization: Bearer {self.key}", "-H", "Accept: application/json",
                    f"http://127.0.0.1:{self.port}/stores/{STORE}/v3/catalog/products?limit=8"], LOAD_CPUS),
            capture_output=True, text=True, check=True).stdout
        used = cpu_seconds(self.process.pid) - before
        if "Non-2xx" in output or "Socket errors" in output:
            sys.exit(f"{self.name}: not every answer was good:\n{output}")
        requests = int(re.search(r"(\d+) requests in", output).group(1))
        p99 = re.search(r"99%\s+(\S+)", output).group(1)
        return {"micros": used / requests * 1e6, "rps": requests / seconds, "p99": p99, "requests": requests}


def nginx_config(folder, body):
    upstream, proxy = free_port(), free_port()
    common = f"""
daemon off; worker_processes 1; pid {folder}/NAME.pid; error_log {folder}/NAME.log crit;
events {{ worker_connections 4096; }}
http {{
  access_log off; client_body_temp_path {folder}/b; proxy_temp_path {folder}/p; fastcgi_temp_path {folder}/f;
  uwsgi_temp_path {folder}/u; scgi_temp_path {folder}/s; keepalive_requests 100000000;
"""
    (folder / "products.json").write_bytes(body)
    (folder / "upstream.conf").write_text(common.replace("NAME", "upstream") + f"""
  server {{
    listen 127.0.0.1:{upstream}; root {folder}; default_type application/json;
    add_header X-Rate-Limit-Requests-Left 100000; add_header X-Rate-Limit-Requests-Quota 100000;
    add_header X-Rate-Limit-Time-Window-Ms 30000; add_header X-Rate-Limit-Time-Reset-Ms 15000;
    add_header X-Request-Id 0123456789abcdef;
    location / {{ if ($http_x_auth_token = "") {{ return 401; }} rewrite ^ /products.json break; }}
  }}
}}""")
    (folder / "proxy.conf").write_text(common.replace("NAME", "proxy") + f"""
  upstream api {{ server 127.0.0.1:{upstream}; keepalive 256; keepalive_requests 100000000; }}
  server {{
    listen 127.0.0.1:{proxy};
    location / {{
      proxy_pass http://api; proxy_http_version 1.1; proxy_set_header Connection "";
      proxy_set_header X-Auth-Token {TOKEN}; proxy_set_header Authorization "";
    }}
  }}
}}""")
    return upstream, proxy


def call(port, method, path, key, body=None):
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
    headers = {"Authorization": f"Bearer {key}", "Content-Type": "application/json"}
    connection.request(method, path, json.dumps(body) if body else None, headers)
    answer = connection.getresponse()
    return answer.status, answer.read()


def wait_for_key(port, key, deadline=10):
    """A key made beside a running server counts within 2 s."""
    end = time.monotonic() + deadline
    while time.monotonic() < end:
        if call(port, "GET", "/v1/stores?limit=1", key)[0] == 200:
            return
        time.sleep(0.1)
    sys.exit(f"the operator's key does not count after {deadline} s")


def start_latchkey(folder, upstream, processes):
    binary = ROOT / ".build/release/latchkey"
    if not binary.exists():
        sys.exit("no release build: run swift build -c release")
    public, internal = free_port(), free_port()
    environment = {
        "PATH": os.environ["PATH"], "HOME": os.environ.get("HOME", "/"), "SWIFT_BACKTRACE": "enable=no",
        "BIGCOMMERCE_CLIENT_ID": "bench", "BIGCOMMERCE_CLIENT_SECRET": "benchmark-secret-benchmark-secret",
        "BIGCOMMERCE_SCOPES": "store_v2_products_read_only", "APP_ORIGIN": f"http://127.0.0.1:{public}",
        "BIGCOMMERCE_LOGIN_URL": f"http://127.0.0.1:{upstream}",
        "BIGCOMMERCE_API_URL": f"http://127.0.0.1:{upstream}",
        "LATCHKEY_PUBLIC_ADDRESS": f"127.0.0.1:{public}", "LATCHKEY_INTERNAL_ADDRESS": f"127.0.0.1:{internal}",
        "LATCHKEY_DATA_DIR": str(folder / "latchkey"), "LATCHKEY_LOG_LEVEL": "warning",
    }
    server = subprocess.Popen(
        pinned([str(binary), "serve"], PEER_CPU), env=environment,
        stdout=open(folder / "latchkey.log", "w"), stderr=subprocess.STDOUT)
    processes.append(server)
    wait_for(internal)
    made = subprocess.run(
        [str(binary), "keys", "create", "--bootstrap", "--name", "bench-operator", "--json"],
        env=environment, capture_output=True, text=True)
    if made.returncode != 0:
        sys.exit(f"no key could be made: {made.stderr}")
    operator = json.loads(made.stdout)["key"]
    wait_for_key(internal, operator)
    status, answer = call(internal, "POST", "/v1/stores", operator, {"store_hash": STORE, "access_token": TOKEN})
    if status not in (200, 201):
        sys.exit(f"the store could not be imported: {status} {answer!r}")
    status, answer = call(internal, "POST", "/v1/keys", operator, {
        "name": "bench", "app": "default", "stores": [STORE],
        "scopes": ["store_v2_products_read_only"], "abilities": ["proxy"]})
    if status != 201:
        sys.exit(f"no service key: {status} {answer!r}")
    return Peer("latchkey", server, internal, json.loads(answer)["key"])


def main():
    options = argparse.ArgumentParser()
    options.add_argument("--rounds", type=int, default=6)
    options.add_argument("--seconds", type=int, default=2)
    options.add_argument("--connections", type=int, default=64)
    chosen = options.parse_args()
    for program in ("nginx", "wrk", "node", "taskset"):
        if not shutil.which(program, path=os.environ["PATH"] + ":/usr/sbin"):
            sys.exit(f"{program} is missing: apt-get install nginx-light wrk nodejs util-linux")
    folder, processes = Path(tempfile.mkdtemp(prefix="latchkey-bench-")), []
    os.chmod(folder, 0o755)
    body = json.dumps({"data": [{"id": n, "name": f"Product {n}", "description": "x" * 460} for n in range(8)],
                       "meta": {"pagination": {"total": 8}}}).encode()
    try:
        upstream, proxy = nginx_config(folder, body)
        nginx = shutil.which("nginx", path=os.environ["PATH"] + ":/usr/sbin")
        processes.append(subprocess.Popen(pinned([nginx, "-c", f"{folder}/upstream.conf"], LOAD_CPUS)))
        proxy_process = subprocess.Popen(pinned([nginx, "-c", f"{folder}/proxy.conf"], PEER_CPU))
        node_port = free_port()
        key = "svc_" + "0" * 32
        node = subprocess.Popen(pinned(
            ["node", str(HERE / "node-proxy.js"), str(node_port), str(upstream), key, STORE, TOKEN], PEER_CPU))
        processes += [proxy_process, node]
        for port in (upstream, proxy, node_port):
            wait_for(port)
        peers = [Peer("nginx", proxy_process, proxy, key), start_latchkey(folder, upstream, processes),
                 Peer("node", node, node_port, key)]
        for peer in peers:
            status, answer = call(peer.port, "GET", f"/stores/{STORE}/v3/catalog/products?limit=8", peer.key)
            if (status, answer) != (200, body):
                sys.exit(f"{peer.name} answers {status} {answer[:200]!r}")
            peer.slice(3, chosen.connections)
        for number in range(chosen.rounds):
            for peer in peers if number % 2 == 0 else reversed(peers):
                peer.slices.append(peer.slice(chosen.seconds, chosen.connections))
                print(f"round {number + 1} {peer.name:9} {peer.slices[-1]['micros']:6.1f} µs CPU  "
                      f"{peer.slices[-1]['rps']:8.0f} requests/s", file=sys.stderr)
        report(peers, len(body), chosen)
    finally:
        for process in reversed(processes):
            process.send_signal(signal.SIGTERM)
        for process in processes:
            try:
                process.wait(40)
            except subprocess.TimeoutExpired:
                process.kill()
        shutil.rmtree(folder, ignore_errors=True)


def report(peers, size, chosen):
    base = best_quartile([s["micros"] for s in peers[0].slices])
    node = best_quartile([s["micros"] for s in peers[2].slices])
    print(headline(
        f"{size} byte answer", f"{chosen.connections} connections", f"{chosen.rounds} rounds of {chosen.seconds} s",
        "peer on one core of its own" if PINNED else "not pinned: fewer than 3 cores") + "\n")
    print("| peer | µs CPU per request, best quartile | median | spread | requests/s, median | × nginx | × node |")
    print("|---|---|---|---|---|---|---|")
    for peer in peers:
        micros = [s["micros"] for s in peer.slices]
        best = best_quartile(micros)
        print(f"| {peer.name} | {best:.1f} | {statistics.median(micros):.1f} | {min(micros):.1f}–{max(micros):.1f} | "
              f"{statistics.median(s['rps'] for s in peer.slices):.0f} | {best / base:.2f} | {best / node:.2f} |")


if __name__ == "__main__":
    main()
