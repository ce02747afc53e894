"""What the intake's benchmarks run on: a PostgreSQL of their own that syncs to disk, the service and the sandbox."""
import contextlib
import os
import subprocess
import sys
import urllib.parse
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(ROOT / "Tests/EndToEnd"), str(ROOT / "Benchmarks/common")]
os.environ.setdefault("LATCHKEY_BUILD", str(ROOT / ".build/release"))

from cluster import Cluster  # noqa: E402
from deliveries import installed  # noqa: E402
from deployment import deployment, new_key, wait_until  # noqa: E402
from measure import cpu_seconds  # noqa: E402


class Rig:
    """One deployment with installed stores, and a second database with the same tables for pgbench."""

    def __init__(self, running, cluster, stores):
        self.running, self.cluster = running, cluster
        self.stores = installed(running, stores)
        wait_until(lambda: self.in_step() == stores, "every store's webhooks are as they should be", 120)
        self.targets = running.folder / "targets"
        self.targets.write_text("".join(f"{path} {secret} {store}\n" for path, secret, store in map(self.target, self.stores)))

    def attempts(self, after=0):
        """What became of every attempt behind a number."""
        while page := self.running.control("GET", f"/deliveries?after={after}&limit=100000"):
            yield from page
            after = page[-1]["number"]

    def in_step(self):
        return self.running.api("GET", "/v1/webhooks?state=in_step&limit=1").json["counts"].get("in_step", 0)

    def target(self, store):
        hook = next(h for h in self.running.control("GET", f"/hooks/{store}") if h["scope"] == "store/order/*")
        return urllib.parse.urlsplit(hook["destination"]).path, hook["headers"]["X-Latchkey-Webhook-Secret"], store

    def cpu(self):
        """CPU seconds so far: of the service, of PostgreSQL, and of the sandbox."""
        return [cpu_seconds(pid) for pid in (
            self.running.service.pid, self.cluster.processes()[0], self.running.sandbox.pid)]

    def sql(self, statement, database="latchkey"):
        return self.cluster.sql(statement, database=database)

    @contextlib.contextmanager
    def long_transaction(self):
        """A transaction with a number and a snapshot stays open: nothing that is deleted can be cleaned up."""
        session = subprocess.Popen([f"{self.cluster.programs}/psql", "-X", "-q", "-d", self.cluster.url], text=True,
                                   stdin=subprocess.PIPE, stdout=subprocess.DEVNULL)
        session.stdin.write("BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT pg_current_xact_id();\n")
        session.stdin.flush()
        try:
            yield
        finally:
            session.stdin.close()
            session.wait(20)

    def pending(self):
        return int(self.sql("SELECT count(*) FROM pending_events"))

    def await_empty(self, seconds=600):
        """Returns when every event has its place in the feed."""
        wait_until(lambda: self.pending() == 0, "the feed has caught up", seconds)


@contextlib.contextmanager
def rig(stores, peer=False, connections=256, remembers=500_000):
    """The sandbox opens so many connections, and remembers so many attempts; `peer` makes the second database."""
    build = Path(os.environ["LATCHKEY_BUILD"])
    for program in ("latchkey", "bigcommerce-sandbox"):
        if not (build / program).exists():
            sys.exit(f"no {program} in {build}: run swift build -c release --product {program}")
    cluster = Cluster()
    try:
        with open(cluster.data / "postgresql.auto.conf", "a") as settings:
            for line in ("max_connections = 300", "max_wal_size = '8GB'", "shared_buffers = '1GB'"):
                settings.write(line + "\n")
        cluster.stop()
        cluster.start()
        for name in ("fsync", "synchronous_commit", "full_page_writes"):
            if cluster.sql(f"SHOW {name}") != "on":
                sys.exit(f"{name} is off: nothing could be compared")
        with deployment(start=False, stores=stores + 1, sandbox_options=[
                "--webhook-history", str(remembers), "--journal", "100"], settings={
                "DATABASE_URL": cluster.url, "CREDENTIALS_ENCRYPTION_KEY": new_key("k1"),
                "BIGCOMMERCE_WEBHOOKS": "store/order/*", "LATCHKEY_LOG_LEVEL": "warning"}) as running:
            running.cli("migrate")
            if peer:
                cluster.run("createdb", "-h", "127.0.0.1", "-p", cluster.port, "-U", "latchkey", "-T", "latchkey", "peer")
            running.start()
            running.bootstrap()
            running.control("PUT", "/webhooks", {"connections": connections})
            yield Rig(running, cluster, stores)
    finally:
        cluster.close()


__all__ = ["HERE", "Rig", "rig", "wait_until"]
