"""A thousand stores called at once by callers who hang up, at an upstream that fails at random: nobody gets another store's
answer, no token goes to another store, and nothing leaks.

The sandbox refuses a token of another store with 401, and its answers name the store; so a 200 that names the store of its
path was asked for with that store's token.
"""
import asyncio
import json
import multiprocessing
import os
import random
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from deployment import FULL, connected, count, deployment, wait_until

pytestmark = pytest.mark.alone

STORES, CALLS, PROCESSES, WORKERS = 1000, count(100_000, 1_000_000), 3, 16
# The ordinary run makes as many calls as fit into this time, in seconds.
LIMIT = None if FULL else 45
TROUBLE = [
    {"kind": "reset", "share": 0.01}, {"kind": "close", "at": "before", "share": 0.01},
    {"kind": "close", "at": "head", "share": 0.01}, {"kind": "truncate", "share": 0.01},
    {"kind": "status", "status": 502, "share": 0.005}, {"kind": "bad_chunk", "share": 0.005},
    {"kind": "too_many_requests", "reset_ms": 50, "share": 0.002}, {"kind": "slow", "bytes": 200, "every_ms": 2, "share": 0.01},
    {"kind": "delay", "delay_ms": 20, "share": 0.01},
]


def request(chance, store, key):
    """A call whose answer names its store: reads mostly, and writes that change nothing."""
    kind = chance.random()
    head = f"HTTP/1.1\r\nHost: x\r\nX-Auth-Token: {key}\r\n"
    if kind < 0.8:
        return f"GET /stores/{store}/v2/store {head}\r\n".encode()
    body = json.dumps({"query": "query { store { hash } }"})
    return f"POST /stores/{store}/graphql {head}Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n{body}".encode()


def names(body):
    """The store that an answer is of."""
    said = json.loads(body)
    return said["id"] if "id" in said else said["data"]["store"]["hash"]


async def worker(port, keys, calls, seed, until, result):
    chance, stores, connection = random.Random(seed), list(keys), None
    for _ in range(calls):
        if until and time.monotonic() > until:
            break
        store = chance.choice(stores)
        if connection is None:
            connection = await asyncio.open_connection("127.0.0.1", port)
        reader, writer = connection
        writer.write(request(chance, store, keys[store]))
        if chance.random() < 0.1:
            await asyncio.sleep(chance.random() * 0.003)
            writer.transport.abort()
            connection, result["aborted"] = None, result["aborted"] + 1
            continue
        try:
            head = (await reader.readuntil(b"\r\n\r\n")).lower()
            if b"\r\ncontent-length: " in head:
                body = await reader.readexactly(int(head.split(b"content-length: ", 1)[1].split(b"\r\n", 1)[0]))
            else:
                # Only the fault of bad chunks answers in chunks, and it never comes to their end.
                body = await reader.readuntil(b"\r\n0\r\n\r\n")
                result["odd"].append((store, head.decode(), body[:200].decode()))
        except (asyncio.IncompleteReadError, ConnectionError):
            # An answer that broke off in the middle: aborted, as it should be, and never taken for whole.
            connection, result["cut"] = None, result["cut"] + 1
            continue
        status = int(head.split(b" ", 2)[1])
        if status == 200 and names(body) != store:
            result["mixed"].append((store, body[:200].decode()))
        if status != 200 and f"{status}" not in ("429", "502"):
            result["odd"].append((store, status, body[:200].decode()))
        result["answered" if status == 200 else "failed"] += 1
        if b"\r\nconnection: close" in head:
            writer.close()
            connection = None
    if connection:
        connection[1].close()


def load(port, keys, calls, seed, until):
    """One process's share of the load."""
    async def workers():
        result = {"aborted": 0, "answered": 0, "failed": 0, "cut": 0, "mixed": [], "odd": []}
        await asyncio.gather(*(
            worker(port, keys, calls // WORKERS, seed * 1000 + n, until, result) for n in range(WORKERS)))
        return result
    return asyncio.run(workers())


def loads(pool, port, keys, calls, seconds):
    until = time.monotonic() + seconds if seconds else None
    parts = pool.starmap(load, [(port, keys, calls // PROCESSES, n, until) for n in range(PROCESSES)])
    return {name: sum((part[name] for part in parts), type(parts[0][name])()) for name in parts[0]}


def footprint(pid):
    status = Path(f"/proc/{pid}/status").read_text()
    resident = int(status.split("VmRSS:")[1].split()[0])
    return len(os.listdir(f"/proc/{pid}/fd")), len(os.listdir(f"/proc/{pid}/task")), resident


def test_no_store_sees_another():
    with deployment(stores=STORES) as running, multiprocessing.get_context("spawn").Pool(PROCESSES) as clients:
        stores = [s["store_hash"] for s in running.control("GET", "/stores")][:STORES]
        assert len(stores) == STORES
        running.control("PUT", "/quota/*", {"limit": 100_000_000, "window_ms": 30_000})
        with ThreadPoolExecutor(8) as pool:
            list(pool.map(running.install, stores))
            abilities = ["proxy", "proxy:graphql"]
            keys = dict(zip(stores, pool.map(
                lambda store: running.service_key(stores=[store], abilities=abilities), stores)))
        wait_until(lambda: running.call(keys[stores[-1]], "GET", f"/stores/{stores[-1]}/v2/store").status == 200,
                   "the last key counts", 10)
        pid = running.service.pid
        warm = loads(clients, running.internal, keys, 3000, 20)
        assert warm["mixed"] == [] and warm["odd"] == [] and warm["failed"] == 0
        before = footprint(pid)
        running.control("DELETE", "/requests")
        for number, trouble in enumerate(TROUBLE):
            running.fault(**trouble, seed=number)
        began = time.monotonic()
        result = loads(clients, running.internal, keys, CALLS, LIMIT)
        calls = sum(result[name] for name in ("aborted", "answered", "failed", "cut"))
        took = time.monotonic() - began
        print(f"{calls} calls in {took:.0f} s: { {k: v for k, v in result.items() if isinstance(v, int)} }")
        assert result["mixed"] == []
        assert result["odd"] == []
        assert result["aborted"] > calls / 20 and result["answered"] > calls / 2 and result["failed"] > 0
        assert calls > CALLS * 0.99 or took > LIMIT
        hits = {fault["kind"]: fault["hits"] for fault in running.control("GET", "/faults")}
        assert all(hits.values()), hits
        running.control("DELETE", "/faults")
        statuses = running.control("GET", "/counters")["statuses"]
        assert set(statuses) <= {"200", "201"}, statuses
        seen = running.arrived(host="api")
        assert seen and [r for r in seen if r["target"].split("/")[2] != r["token_store"]] == []
        # Each store is served as before, and what calls held is free.
        quiet = loads(clients, running.internal, keys, 3000, 20)
        assert quiet["mixed"] == [] and quiet["odd"] == []
        wait_until(lambda: connected(pid, running.internal) == 0, "the callers' connections are gone", 10)
        # Idle keep-alive connections to the upstream may stay; what a call holds may not.
        wait_until(lambda: footprint(pid)[0] <= before[0] + 40, "descriptors return to where they were")
        after = footprint(pid)
        assert after[1] <= before[1] + 2, (before, after)
        assert after[2] <= before[2] * 1.3 + 20_000, (before, after)
        print(f"before {before}, after {after}")
