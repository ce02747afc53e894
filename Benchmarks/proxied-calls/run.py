#!/usr/bin/env python3
"""What a proxied call costs: Latchkey beside nginx, HAProxy, Go, Node and Express, as CPU time per request.

Usage: Benchmarks/proxied-calls/run.py [SCENARIO …] [--all] [--rounds 6] [--seconds 2] [--peers a,b] [--write]

Scenarios: SCENARIOS
Without one: calls. --write puts the tables, and the chart of `calls`, into docs/.

Needs: a release build (swift build -c release --static-swift-stdlib --product latchkey; LATCHKEY_BUILD names another folder than
.build/release) and Debian's packages, which it names when they are missing.

All peers proxy one nginx upstream that refuses a call without X-Auth-Token. A slice is some seconds of wrk against one
peer; slices alternate and the order turns each round. The figure is user + system time of the peer's processes divided by
requests, and the best quartile of slices counts, because noise only adds. A round is void, and made again, when the host took
more than 2 % of the processor time or the first peer cost 15 % more than in its best round. Peers have a core of
their own; load and upstream run on others.
"""
import argparse
import os
import re
import resource
import socket
import subprocess
import sys
import tempfile
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "common"))
from measure import CORES, headline, machine_seconds  # noqa: E402
from peers import STORE, Starter, call  # noqa: E402
from programs import PINNED, Programs, need, pinned  # noqa: E402
from report import table, write, write_chart  # noqa: E402
from scenarios import SCENARIOS  # noqa: E402
from upstream import EMPTY_PATH, PRODUCTS, PRODUCTS_PATH, Upstream  # noqa: E402

STEAL, DRIFT = 0.02, 1.15


def milliseconds(output, share):
    number, unit = re.search(rf"{share}\s+([\d.]+)(us|ms|s|m)\b", output).groups()
    return float(number) * {"us": 0.001, "ms": 1, "s": 1000, "m": 60_000}[unit]


def hold(peer, count):
    """Connections that have made a call each and then say nothing."""
    request = (f"GET /stores/{STORE}{EMPTY_PATH} HTTP/1.1\r\nHost: localhost\r\n"
               f"Authorization: Bearer {peer.key}\r\n\r\n").encode()
    held = [socket.create_connection(("127.0.0.1", peer.port), 30) for _ in range(count)]
    for start in range(0, count, 100):
        for connection in held[start:start + 100]:
            connection.sendall(request)
        for connection in held[start:start + 100]:
            if b" 204 " not in connection.recv(4096).split(b"\r\n")[0]:
                sys.exit(f"{peer.name} refuses one of {count} connections")
    return held


def measure(peer, scenario, seconds, cpus):
    """One slice: CPU time per request, rate and latencies."""
    command = [
        "wrk", f"-t{min(2, scenario.connections)}", f"-c{scenario.connections}", f"-d{seconds}s", "--latency",
        "--timeout", "30s", "-H", f"Authorization: Bearer {peer.key}", "-H", "Accept: application/json",
        "-H", "Latchkey-Max-Wait: 25"]
    if scenario.method != "GET":
        command += ["-s", HERE / "request.lua"]
    held = hold(peer, scenario.idle)
    before = peer.cpu()
    output = subprocess.run(
        pinned(command + [f"http://127.0.0.1:{peer.port}/stores/{STORE}{scenario.path}"], cpus),
        env=os.environ | {"BENCH_METHOD": scenario.method, "BENCH_BODY": str(scenario.body)},
        capture_output=True, text=True, check=True).stdout
    used = peer.cpu() - before
    for connection in held:
        connection.close()
    if "Non-2xx" in output or "Socket errors" in output:
        sys.exit(f"{peer.name}: not every answer was good:\n{output}")
    requests, took = re.search(r"(\d+) requests in ([\d.]+)s", output).groups()
    return {"micros": used / int(requests) * 1e6, "rps": int(requests) / float(took),
            "p50": milliseconds(output, "50%"), "p99": milliseconds(output, "99%")}


def check(peer):
    """That it does the work at all."""
    status, answer = call(peer.port, "GET", f"/stores/{STORE}{PRODUCTS_PATH}", peer.key)
    # axios parses and writes again, so spaces may differ.
    if status != 200 or answer.replace(b" ", b"") != PRODUCTS.replace(b" ", b""):
        sys.exit(f"{peer.name} answers {status} {answer[:200]!r}")


def rounds(peers, scenario, chosen, cpus):
    """Slices by peer, and how many rounds were void."""
    slices, void, base = {peer.name: [] for peer in peers}, 0, float("inf")
    done = 0
    while done < chosen.rounds:
        began = machine_seconds()
        now = {peer.name: measure(peer, scenario, chosen.seconds, cpus)
               for peer in (peers if done % 2 == 0 else list(reversed(peers)))}
        busy, stolen = (after - early for after, early in zip(machine_seconds(), began))
        first = now[peers[0].name]["micros"]
        base = min(base, first)
        noisy = stolen > STEAL * (busy + stolen) or first > DRIFT * base
        print(" ".join(f"{name} {one['micros']:.1f}" for name, one in now.items()) + (" (void)" if noisy else ""),
              file=sys.stderr, flush=True)
        if noisy and void < 2 * chosen.rounds:
            void += 1
            continue
        done += 1
        for name, one in now.items():
            slices[name].append(one)
    return slices, void


def run(name, chosen):
    scenario, most = SCENARIOS[name], 2 if name == "two-cores" else 1
    if CORES < most + 2:
        sys.exit(f"{name} needs {most + 2} cores; figures of fewer are not comparable")
    cpus = ",".join(str(core) for core in range(most, CORES))
    with tempfile.TemporaryDirectory(prefix="latchkey-bench-") as folder, Programs() as programs:
        folder = Path(folder)
        folder.chmod(0o755)
        upstream = Upstream(folder, programs, cpus)
        peers = []
        for label, program, cores, settings in scenario.started():
            if chosen.peers and program not in chosen.peers:
                continue
            starter = Starter(folder, programs, upstream, scenario, cores)
            peers.append(starter.start(program, **settings))
            peers[-1].name = label
        for peer in peers:
            check(peer)
            measure(peer, scenario, max(2, chosen.seconds), cpus)
        slices, void = rounds(peers, scenario, chosen, cpus)
        memory = {peer.name: peer.memory() for peer in peers}
    facts = headline(scenario.title, f"{chosen.rounds} rounds of {chosen.seconds} s, {void} void",
                     "peers pinned" if PINNED else "not pinned: not comparable")
    text = f"{facts}\n\n{table(slices, memory)}"
    print(text + "\n")
    if chosen.write:
        write(name, text)
        if name == "calls":
            write_chart(slices, "CPU time per proxied GET of 4 KB, one core")


def main():
    options = argparse.ArgumentParser(
        description=__doc__.replace("SCENARIOS", ", ".join(SCENARIOS)), formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("scenarios", nargs="*", metavar="SCENARIO")
    options.add_argument("--all", action="store_true")
    options.add_argument("--rounds", type=int, default=6)
    options.add_argument("--seconds", type=int, default=2)
    options.add_argument("--peers", type=lambda text: text.split(","))
    options.add_argument("--write", action="store_true")
    chosen = options.parse_args()
    names = list(SCENARIOS) if chosen.all else chosen.scenarios or ["calls"]
    for name in names:
        if name not in SCENARIOS:
            sys.exit(f"no scenario {name}; there are {', '.join(SCENARIOS)}")
    need(nginx="nginx-light", haproxy="haproxy", wrk="wrk", node="nodejs", go="golang-go", openssl="openssl")
    for package in ("express", "http-proxy", "axios"):
        if not Path(f"/usr/share/nodejs/{package}").exists():
            sys.exit(f"missing: apt-get install node-{package}")
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    for name in names:
        run(name, chosen)


if __name__ == "__main__":
    main()
