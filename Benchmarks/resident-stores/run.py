#!/usr/bin/env python3
"""What a fleet costs that is only resident: memory of the service with so many stores, and how soon it serves after its start.

Usage: Benchmarks/resident-stores/run.py [--stores 60000] [--starts 5]

Needs release builds (swift build -c release --product latchkey, the same with bigcommerce-sandbox; LATCHKEY_BUILD names
another folder than .build/release) and PostgreSQL. The sandbox issues the tokens and the import asks it for each of them, which
takes some minutes. Ready is when /readyz answers 200; then a call of the last
store is passed on.
"""
import argparse
import json
import os
import statistics
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT / "Tests/EndToEnd"), str(ROOT / "Benchmarks/common")]
os.environ.setdefault("LATCHKEY_BUILD", str(ROOT / ".build/release"))

from cluster import Cluster  # noqa: E402
from deployment import deployment, new_key, request, wait_until  # noqa: E402
from measure import headline  # noqa: E402


def name(number):
    return f"store{number:04d}"


def fill(made, stores):
    """Imports the stores, thousand by thousand."""
    def token(number):
        return made.control("POST", "/tokens", {"client_id": made.client_id, "store_hash": name(number)})["access_token"]

    def thousand(start):
        lines = "\n".join(json.dumps({"store_hash": name(number), "access_token": token(number)})
                          for number in range(start, min(start + 1000, stores + 2)))
        answer = request(made.internal, "POST", "/v1/stores/import", lines.encode(), {
            "Authorization": f"Bearer {made.operator_key}", "Content-Type": "application/x-ndjson"}, timeout=600)
        if answer.status != 200 or {row["result"] for row in answer.json["data"]} != {"imported"}:
            sys.exit(f"the import answers {answer.status} {answer.text[:300]}")
        print(f"imported from {start}", file=sys.stderr, flush=True)

    with ThreadPoolExecutor(6) as pool:
        list(pool.map(thousand, range(2, stores + 2, 1000)))


def memory(pid):
    """Resident bytes: all, and those that are the process's own."""
    fields = dict(line.split(":") for line in Path(f"/proc/{pid}/status").read_text().splitlines() if line.startswith(("VmRSS", "RssAnon")))
    return [int(fields[field].split()[0]) * 1024 for field in ("VmRSS", "RssAnon")]


def start(made, key, store):
    """Starts the service; seconds until it is ready, and until a call of the store is passed on."""
    began = time.monotonic()
    made.start(wait=False)
    times = []
    for passed in (lambda: request(made.internal, "GET", "/readyz", timeout=1).status == 200,
                   lambda: request(made.internal, "GET", f"/stores/{store}/v2/time", headers={
                       "Authorization": f"Bearer {key}"}, timeout=5).status == 200):
        while True:
            try:
                if passed():
                    break
            except OSError:
                pass
            if time.monotonic() > began + 60:
                sys.exit(f"not ready after 60 s: {made.log.read_text()[-800:]}")
            time.sleep(0.01)
        times.append(time.monotonic() - began)
    return times


def main():
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--stores", type=int, default=60_000)
    options.add_argument("--starts", type=int, default=5)
    chosen = options.parse_args()
    cluster = Cluster()
    try:
        # A store with the usual 48 products takes the sandbox 0.7 MB once it was called.
        with deployment(start=False, stores=chosen.stores + 1, sandbox_options=["--products", "1"], settings={
                "DATABASE_URL": cluster.url, "CREDENTIALS_ENCRYPTION_KEY": new_key("k1"), "LATCHKEY_CHECK_EVERY": "0s",
                "LATCHKEY_LOG_LEVEL": "warning"}) as made:
            made.cli("migrate")
            made.start()
            made.bootstrap()
            empty = memory(made.service.pid)
            fill(made, chosen.stores)
            key = made.service_key()
            rows = []
            for _ in range(chosen.starts):
                made.stop()
                ready, called = start(made, key, name(chosen.stores))
                rows.append((ready, called, *memory(made.service.pid)))
            ready, called, resident, own = (statistics.median(column) for column in zip(*rows))
            print(headline(f"{chosen.stores} stores", f"{chosen.starts} starts") + "\n")
            print("| | without stores | with them |\n|---|---|---|")
            print(f"| resident, MB | {empty[0] / 1e6:.0f} | {resident / 1e6:.0f} |")
            print(f"| of its own, MB | {empty[1] / 1e6:.0f} | {own / 1e6:.0f} |")
            print(f"| ready after, s | | {ready:.2f} |\n| a call is passed on after, s | | {called:.2f} |")
    finally:
        cluster.close()


if __name__ == "__main__":
    main()
