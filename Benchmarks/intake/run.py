#!/usr/bin/env python3
"""The intake of webhooks, measured: everything it needs is started and ended by it.

Usage: Benchmarks/intake/run.py [ratio | rate | backlog | flood] [options]

  ratio    deliveries by wrk against pgbench, which inserts the same rows with one COMMIT each, in alternating slices
           on one PostgreSQL that syncs to disk (--rounds, --seconds, --clients)
  rate     the sandbox sends at a steady rate: latency of the acknowledgement, refusals, CPU (--rate, --minutes,
           --hold)
  backlog  the same while as many events as --backlog wait for their place in the feed, and while a reader that
           is as far behind catches up
  flood    the same while one store sends 20 times its share

Needs release builds (swift build -c release --product latchkey, the same with bigcommerce-sandbox; LATCHKEY_BUILD
names another folder than .build/release), PostgreSQL with pgbench, and wrk (apt-get install postgresql wrk).
"""
import argparse
import contextlib
import os
import re
import shutil
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from statistics import median

from rig import HERE, rig
from deliveries import fire, settled
from measure import best_quartile, headline, machine_seconds, percentile


def say(text):
    print(text, file=sys.stderr, flush=True)


# ratio

def latchkey_slice(at, chosen, number):
    before, machine = at.cpu(), machine_seconds()
    output = subprocess.run(
        ["wrk", "-t2", f"-c{chosen.clients}", f"-d{chosen.seconds}s", "--latency", "-s", HERE / "deliveries.lua",
         f"http://127.0.0.1:{at.running.public}"], capture_output=True, text=True, check=True,
        env=os.environ | {"LATCHKEY_TARGETS": str(at.targets), "LATCHKEY_CLIENT_SECRET": at.running.client_secret,
                          "LATCHKEY_RUN": f"{os.getpid()}-{number}-", "LATCHKEY_PAD": str(chosen.pad)}).stdout
    done, seconds = re.search(r"(\d+) requests in ([\d.]+)s", output).groups()
    began = time.monotonic()
    at.await_empty()
    service, postgres, _ = [after - early for after, early in zip(at.cpu(), before)]
    refused = re.search(r"Non-2xx or 3xx responses: (\d+)", output)
    return {"done": int(done), "rate": int(done) / float(seconds), "client": service / int(done) * 1e6,
            "postgres": postgres / int(done) * 1e6, "p50": wrk_latency(output, "50%"), "p99": wrk_latency(output, "99%"),
            "refused": int(refused.group(1)) if refused else 0, "drained": time.monotonic() - began,
            "machine": machine_seconds()[0] - machine[0]}


def wrk_latency(output, share):
    number, unit = re.search(rf"{share}\s+([\d.]+)(us|ms|s)", output).groups()
    return float(number) * {"us": 0.001, "ms": 1, "s": 1000}[unit]


def pgbench_slice(at, chosen, script, clients):
    at.sql("TRUNCATE pending_events", "peer")
    data = '{"type":"order","id":1234567' + (',"note":"' + "x" * chosen.pad + '"' if chosen.pad else "") + "}"
    body = '{"scope":"store/order/created","store_id":"1000","producer":"stores/store0042","hash":"' + "0" * 24 \
        + '","created_at":1700000000,"data":' + data + "}"
    before, children = at.cpu(), os.times()
    output = subprocess.run(
        [f"{at.cluster.programs}/pgbench", "-n", "-M", "prepared", "-c", str(clients), "-j", str(min(2, clients)),
         "-T", str(chosen.seconds), "-r", "-f", HERE / script, "-D", f"stores={len(at.stores)}", "-D", f"data={data}",
         "-D", f"body={body}", "-h", "127.0.0.1", "-p", str(at.cluster.port), "-U", "latchkey", "peer"],
        capture_output=True, text=True, check=True).stdout
    done = int(re.search(r"actually processed: (\d+)", output).group(1))
    ended = os.times()
    client = ended.children_user - children.children_user + ended.children_system - children.children_system
    return {"done": done, "rate": float(re.search(r"tps = ([\d.]+)", output).group(1)), "client": client / done * 1e6,
            "postgres": (at.cpu()[1] - before[1]) / done * 1e6,
            "p50": float(re.search(r"latency average = ([\d.]+)", output).group(1))}


def ratio(chosen):
    with rig(chosen.stores, peer=True) as at:
        peers = {"latchkey": lambda number: latchkey_slice(at, chosen, number)}
        for script in ("peer.sql", "peer-plain.sql"):
            for clients in (chosen.clients, 2, 1):
                peers[f"pgbench {script} -c {clients}"] = (
                    lambda _, script=script, clients=clients: pgbench_slice(at, chosen, script, clients))
        slices = {name: [] for name in peers}
        for number in range(-1, chosen.rounds):
            for name in peers if number % 2 else reversed(peers):
                found = peers[name](number + 1)
                say(f"round {number} {name:30} {found['rate']:8.0f}/s " + " ".join(
                    f"{key} {value:.1f}" for key, value in found.items() if key not in ("rate", "done")))
                if number >= 0:
                    slices[name].append(found)
    print(headline(f"{chosen.clients} clients, {chosen.stores} stores, {chosen.rounds} rounds of {chosen.seconds} s") + "\n")
    print("| | deliveries/s, best quartile | median | latchkey ÷ it | µs CPU: client or service | µs CPU: PostgreSQL |")
    print("|---|---|---|---|---|---|")
    ours = best_quartile([s["rate"] for s in slices["latchkey"]], highest=True)
    for name, found in slices.items():
        best = best_quartile([s["rate"] for s in found], highest=True)
        print(f"| {name} | {best:.0f} | {median(s['rate'] for s in found):.0f} | {ours / best:.2f} | "
              f"{best_quartile([s['client'] for s in found]):.0f} | {best_quartile([s['postgres'] for s in found]):.0f} |")
    latchkey = slices["latchkey"]
    print(f"\nacknowledged after {median(s['p50'] for s in latchkey):.1f} ms (p50), {median(s['p99'] for s in latchkey):.1f} ms "
          f"(p99); refused: {sum(s['refused'] for s in latchkey)}; in the feed {max(s['drained'] for s in latchkey):.1f} s "
          "after the slice's end at the latest")


# rate, backlog, flood

class Stream:
    """Deliveries at a steady rate, and what they cost, from its making to `end`."""

    def __init__(self, at, rate, seconds, loud=None, loud_rate=0):
        self.at, self.seconds = at, seconds
        counts = at.running.control("GET", "/events")
        self.first, self.before, self.fired = counts["attempts"], at.cpu(), counts["fired"]
        fire(at.running, [store for store in at.stores if store != loud], rate=rate, count=int(rate * seconds))
        if loud:
            fire(at.running, [loud], rate=loud_rate, count=int(loud_rate * seconds))

    def end(self, only=lambda store: True):
        counts = settled(self.at.running, self.seconds + 600)
        done = counts["fired"] - self.fired
        service, postgres, sandbox = [(after - early) / done * 1e6 for after, early in zip(self.at.cpu(), self.before)]
        latencies, refused, failed, pieces = [], 0, 0, {}
        for attempt in self.at.attempts(self.first):
            refused += attempt["failure"] == "status"
            failed += not attempt["acknowledged"]
            if only(attempt["store_hash"]):
                latencies.append(attempt["latency_ms"])
                # Up to the tens of seconds.
                pieces.setdefault(attempt["sent_at"][:18], []).append(attempt["latency_ms"])
        latencies.sort()
        pieces = [percentile(sorted(piece), 0.99) for piece in pieces.values()]
        return {"rate": done / self.seconds, "deliveries": done, "p50": percentile(latencies, 0.5), "p99": percentile(latencies, 0.99),
                "best p99": best_quartile(pieces), "p99.9": percentile(latencies, 0.999), "most": latencies[-1],
                "refused": refused, "other": failed - refused,
                "service": service, "postgres": postgres, "sandbox": sandbox}


def table(*rows):
    print("| | deliveries/s | in all | p50 ms | p99 ms | p99 of pieces of 10 s, best quartile | p99.9 ms | longest | "
          "refused by us | other failures | µs CPU: service | PostgreSQL | sandbox |")
    print("|---|---|---|---|---|---|---|---|---|---|---|---|---|")
    for name, row in rows:
        print(f"| {name} | {row['rate']:.0f} | {row['deliveries']} | {row['p50']:.1f} | {row['p99']:.1f} | {row['best p99']:.1f} | "
              f"{row['p99.9']:.1f} | {row['most']:.1f} | {row['refused']} | {row['other']} | {row['service']:.0f} | {row['postgres']:.0f} | "
              f"{row['sandbox']:.0f} |")


def feed_latency(at):
    """From a delivery's arrival to its place in the feed, in milliseconds: median, 99 % and longest."""
    return at.sql("""
        SELECT string_agg(round((1000 * extract(epoch FROM late))::numeric)::text, ' / ' ORDER BY share) FROM (
          SELECT share, percentile_disc(share) WITHIN GROUP (ORDER BY event.recorded_at - delivery.received_at) AS late
          FROM deliveries delivery JOIN events event USING (event_id), unnest(ARRAY[0.5, 0.99, 1]) AS share GROUP BY share
        ) AS found""")


def steady(chosen):
    seconds = int(chosen.minutes * 60)
    with rig(chosen.stores, remembers=int(chosen.rate * seconds * 1.5)) as at:
        machine, began = machine_seconds(), time.monotonic()
        with at.long_transaction() if chosen.hold else contextlib.nullcontext():
            row = Stream(at, chosen.rate, seconds).end()
            at.await_empty()
        used = [(after - before) / (time.monotonic() - began) for after, before in zip(machine_seconds(), machine)]
        print(headline(f"{chosen.stores} stores, {chosen.minutes:g} min",
                       *(["a transaction stayed open all the time"] if chosen.hold else [])) + "\n")
        table(("steady", row))
        print(f"\nfrom arrival to a place in the feed, ms (p50 / p99 / longest): {feed_latency(at)}; all programs of the machine "
              f"used {used[0]:.1f} cores, {used[1]:.2f} were stolen")


def backlog(chosen):
    with rig(chosen.stores, remembers=10_000_000) as at:
        Stream(at, chosen.rate, 5).end()
        alone = Stream(at, chosen.rate, chosen.seconds * 4).end()
        at.await_empty()
        # Nobody may move the feed until the backlog is there.
        at.sql("UPDATE feed SET lease_holder = 'benchmark', lease_until = now() + interval '1 hour'")
        at.sql(f"""
            INSERT INTO pending_events (app_id, store_hash, type, origin, data)
            SELECT 'default', 'store0001', 'store/order/created', 'platform', '{{"type":"order","id":1234567}}'
            FROM generate_series(1, {chosen.backlog})""")
        say(f"{at.pending()} events wait for their places")
        begin = position(at)
        at.sql("UPDATE feed SET lease_until = now() - interval '1 second'")
        draining, drained = beside(at, chosen, lambda: drain(at, begin + chosen.backlog))
        at.await_empty()
        reading, read = beside(at, chosen, lambda: read_all(at, chosen.backlog))
        print(headline(f"{chosen.stores} stores, {chosen.backlog} events") + "\n")
        table(("alone", alone), ("while the backlog gets its places, worst piece", draining),
              ("while a reader catches up, worst piece", reading))
        print(f"\nthe backlog had its places after {drained:.0f} s, {chosen.backlog / drained:.0f} events/s; a reader had read as many "
              f"after {read:.0f} s, {chosen.backlog / read:.0f} events/s")


def beside(at, chosen, work):
    """Does something beside deliveries: the piece of these with the highest p99, and the seconds that it took."""
    def timed():
        began = time.monotonic()
        work()
        return time.monotonic() - began
    with ThreadPoolExecutor(1) as pool:
        under_way, rows = pool.submit(timed), []
        while not rows or not under_way.done():
            rows.append(Stream(at, chosen.rate, chosen.seconds).end())
        return max(rows, key=lambda row: row["p99"]), under_way.result()


def position(at):
    return int(at.sql("SELECT last_position FROM feed"))


def drain(at, end):
    """Returns when the feed has come so far."""
    while position(at) < end:
        time.sleep(0.2)


def read_all(at, most):
    """Reads so many events from the oldest on, page by page."""
    events, after = 0, "oldest"
    while events < most:
        page = at.running.api("GET", f"/v1/events?limit=1000&after={after}").json
        events, after = events + len(page["data"]), page["next"]


def flood(chosen):
    share = chosen.rate / chosen.stores
    with rig(chosen.stores, remembers=10_000_000) as at:
        loud = at.stores[0]
        others = chosen.rate - share

        def piece(factor):
            return Stream(at, others, chosen.seconds, loud, factor * share).end(lambda store: store != loud)
        piece(1)
        rows = {1: [], 20: []}
        for number in range(chosen.rounds):
            for factor in (1, 20) if number % 2 else (20, 1):
                rows[factor].append(piece(factor))
                say(f"round {number} × {factor}: {rows[factor][-1]}")
        print(headline(f"{chosen.stores} stores, {chosen.rounds} rounds of {chosen.seconds} s; latencies are the other stores'") + "\n")
        best = {factor: min(found, key=lambda row: row["p99"]) for factor, found in rows.items()}
        table(("all at their share, best round", best[1]), ("one at 20 times its share, best round", best[20]))
        ratios = [flooded["p99"] / calm["p99"] for flooded, calm in zip(rows[20], rows[1])]
        print(f"\np99 of the others, flooded ÷ calm, round by round: {', '.join(f'{ratio:.2f}' for ratio in ratios)}; "
              f"median {median(ratios):.2f}")


def main():
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("mode", nargs="?", default="ratio", choices=["ratio", "rate", "backlog", "flood"])
    options.add_argument("--rounds", type=int, default=5)
    options.add_argument("--seconds", type=int, default=5, help="of a slice")
    options.add_argument("--clients", type=int, default=64)
    options.add_argument("--stores", type=int, default=100)
    options.add_argument("--pad", type=int, default=0, help="bytes that each body has beside its own 200")
    options.add_argument("--rate", type=float, default=2000, help="deliveries a second")
    options.add_argument("--minutes", type=float, default=10)
    options.add_argument("--hold", action="store_true", help="with rate: a transaction of another session stays open")
    options.add_argument("--backlog", type=int, default=1_000_000)
    chosen = options.parse_args()
    if chosen.mode == "ratio" and not shutil.which("wrk"):
        sys.exit("wrk is missing: apt-get install wrk")
    {"ratio": ratio, "rate": steady, "backlog": backlog, "flood": flood}[chosen.mode](chosen)


if __name__ == "__main__":
    main()
