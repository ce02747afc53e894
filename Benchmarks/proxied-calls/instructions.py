#!/usr/bin/env python3
"""Where a proxied call's instructions go, in user space: Latchkey under callgrind, called as in the scenario `calls`.

Usage: Benchmarks/proxied-calls/instructions.py [--seconds 6] [--top 40] [--callers SYMBOL]

The counts are the same whatever else the machine does, so they tell what a change of one percent is. They are no times: a
loop over bytes counts much and takes little, an atomic operation or a cold line of the cache the other way round.
--callers says who calls functions whose mangled names hold SYMBOL, such as swift_retain or malloc.

Needs: a release build (swift build -c release --static-swift-stdlib --product latchkey; LATCHKEY_BUILD names another folder
than .build/release) and Debian's packages, which it names when they are missing.
"""
import argparse
import os
import re
import subprocess
import sys
import tempfile
from collections import Counter, defaultdict
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "common"))
from measure import CORES  # noqa: E402
from peers import ROOT, Starter  # noqa: E402
from programs import Programs, need  # noqa: E402
from run import check, measure  # noqa: E402
from scenarios import SCENARIOS  # noqa: E402
from upstream import Upstream  # noqa: E402

# libcurl is told of each call once.
ONCE_PER_CALL = "curl_multi_add_handle"
REFERENCE = re.compile(r"(c?fn|c?ob)=\((\d+)\)(?: (.*))?")


class Profile:
    """Instructions by function, and calls from one function to another, read from a file of callgrind's."""

    def __init__(self, lines):
        self.own, self.library = Counter(), {}
        self.calls, self.within = defaultdict(Counter), defaultdict(Counter)
        names, caller, called, here, count = {"fn": {}, "ob": {}}, None, None, None, None
        for line in lines:
            if found := REFERENCE.match(line):
                kind, number, name = found.groups()
                table = names[kind[-2:]]
                if name is not None:
                    table[number] = name.strip()
                if kind == "ob":
                    here = table[number]
                elif kind == "fn":
                    # A function that calls itself stands under further names with an apostrophe and a number.
                    caller = table[number].split("'")[0]
                    self.library.setdefault(caller, Path(here or "").name)
                elif kind == "cfn":
                    called = table[number].split("'")[0]
            elif line.startswith("calls="):
                count = int(line[6:].split()[0])
            elif line[:1] in "+-*0123456789" and len(line.split()) > 1:
                spent = int(line.split()[-1])
                if count is None:
                    self.own[caller] += spent
                else:
                    self.calls[called][caller] += count
                    self.within[called][caller] += spent
                    count = None

    def count(self, function):
        return sum(self.calls[function].values())


def profile(folder, seconds):
    """One run under callgrind; it counts between the first call and the last."""
    binary = Path(os.environ.get("LATCHKEY_BUILD", ROOT / ".build/release")) / "latchkey"
    if not binary.exists():
        sys.exit(f"no latchkey in {binary.parent}: run swift build -c release --static-swift-stdlib --product latchkey")
    # valgrind cannot read the debug information; names stay.
    subprocess.run(["strip", "--strip-debug", "-o", folder / "stripped", binary], check=True)
    (folder / "latchkey").write_text(
        f'#!/bin/sh\n[ "$1" = serve ] || exec {folder}/stripped "$@"\nexec valgrind --tool=callgrind --instr-atstart=no '
        f'--fair-sched=yes --callgrind-out-file={folder}/profile {folder}/stripped "$@"\n')
    (folder / "latchkey").chmod(0o755)
    os.environ["LATCHKEY_BUILD"] = str(folder)
    cpus = f"0-{CORES - 1}"
    with Programs() as programs:
        upstream = Upstream(folder, programs, cpus)
        peer = Starter(folder, programs, upstream, SCENARIOS["calls"], 1).start("latchkey")
        check(peer)
        measure(peer, SCENARIOS["calls"], 4, cpus)
        control(peer, "--instr=on")
        measure(peer, SCENARIOS["calls"], seconds, cpus)
        control(peer, "--instr=off")
        control(peer, "--dump")
    with open(folder / "profile.1", errors="replace") as lines:
        return Profile(lines)


def control(peer, act):
    subprocess.run(["callgrind_control", act, str(peer.process.pid)], check=True, capture_output=True)


def readable(names):
    """Swift's names as they are in the source, if its tool is here."""
    try:
        return subprocess.run(["swift", "demangle", "--compact", "--simplified"], input="\n".join(names),
                              capture_output=True, text=True, check=True).stdout.split("\n")
    except FileNotFoundError:
        return names


def main():
    parser = argparse.ArgumentParser(
        usage=argparse.SUPPRESS, description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=int, default=6)
    parser.add_argument("--top", type=int, default=40)
    parser.add_argument("--callers")
    chosen = parser.parse_args()
    need(valgrind="valgrind", callgrind_control="valgrind", strip="binutils", nginx="nginx-light", wrk="wrk")
    with tempfile.TemporaryDirectory(prefix="latchkey-instructions-") as folder:
        os.chmod(folder, 0o755)
        found = profile(Path(folder), chosen.seconds)
    calls = found.count(ONCE_PER_CALL)
    print(f"{sum(found.own.values()) / calls:.0f} instructions per call, by {calls} calls\n")
    libraries = Counter()
    for function, spent in found.own.items():
        libraries[found.library[function].replace("stripped", "latchkey") or "elsewhere"] += spent
    for name, spent in libraries.most_common(4):
        print(f"{spent / calls:9.0f}  {name}")
    print()
    if chosen.callers:
        rows = Counter()
        for called, callers in found.within.items():
            if chosen.callers in called:
                rows.update({(caller, called): spent for caller, spent in callers.items()})
        top = rows.most_common(chosen.top)
        for (pair, spent), name in zip(top, readable([caller or "?" for (caller, _), _ in top])):
            print(f"{spent / calls:9.0f} in {found.calls[pair[1]][pair[0]] / calls:7.2f} calls from  {name}")
    else:
        top = found.own.most_common(chosen.top)
        for (function, spent), name in zip(top, readable([function for function, _ in top])):
            print(f"{spent / calls:9.0f}  {name}")


if __name__ == "__main__":
    main()
