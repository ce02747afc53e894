"""Many stores called at once, clients hanging up: nobody gets another store's answer, and nothing leaks."""
import asyncio
import json
import os
import random
from pathlib import Path

from deployment import count, deployment, wait_until

STORES = 200


async def worker(port, keys, stores, calls, seed, result):
    chance, connection = random.Random(seed), None
    for _ in range(calls):
        store = chance.choice(stores)
        if connection is None:
            connection = await asyncio.open_connection("127.0.0.1", port)
        reader, writer = connection
        writer.write(f"GET /stores/{store}/v2/store HTTP/1.1\r\nHost: x\r\nX-Auth-Token: {keys[store]}\r\n\r\n".encode())
        if chance.random() < 0.1:
            await asyncio.sleep(chance.random() * 0.003)
            writer.transport.abort()
            connection, result["aborted"] = None, result["aborted"] + 1
            continue
        head = await reader.readuntil(b"\r\n\r\n")
        length = int(head.lower().split(b"content-length: ", 1)[1].split(b"\r\n", 1)[0])
        body = await reader.readexactly(length)
        status = int(head.split(b" ", 2)[1])
        if status != 200:
            result["refused"].append((status, body[:200]))
        elif json.loads(body)["id"] != store:
            result["mixed"].append((store, body[:200]))
        result["answered"] += 1
    if connection:
        connection[1].close()


async def load(port, keys, stores, calls, workers):
    result = {"aborted": 0, "answered": 0, "mixed": [], "refused": []}
    await asyncio.gather(*(worker(port, keys, stores, calls // workers, seed, result) for seed in range(workers)))
    return result


def footprint(pid):
    status = Path(f"/proc/{pid}/status").read_text()
    resident = int(status.split("VmRSS:")[1].split()[0])
    return len(os.listdir(f"/proc/{pid}/fd")), len(os.listdir(f"/proc/{pid}/task")), resident


def test_no_store_sees_another():
    with deployment(stores=STORES) as running:
        stores = [s["store_hash"] for s in running.control("GET", "/stores")][:STORES]
        assert len(stores) == STORES
        running.control("PUT", "/quota/*", {"limit": 100_000_000, "window_ms": 30_000})
        for store in stores:
            running.install(store)
        keys = {store: running.service_key(stores=[store]) for store in stores}
        pid = running.service.pid
        warm = asyncio.run(load(running.internal, keys, stores, 2000, 32))
        assert warm["mixed"] == [] and warm["refused"] == []
        before = footprint(pid)
        result = asyncio.run(load(running.internal, keys, stores, count(12_000, 100_000), 32))
        assert result["mixed"] == []
        assert result["refused"] == []
        assert result["aborted"] > 0 and result["answered"] > result["aborted"]
        statuses = running.control("GET", "/counters")["statuses"]
        assert set(statuses) <= {"200", "201"}, statuses
        # Idle keep-alive connections to the upstream may stay; what a call holds may not.
        wait_until(lambda: footprint(pid)[0] <= before[0] + 40, "descriptors return to where they were")
        after = footprint(pid)
        assert after[1] <= before[1] + 2, (before, after)
        assert after[2] <= before[2] * 1.3 + 20_000, (before, after)
