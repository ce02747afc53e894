"""The feed across a dump and a restore: old cursors go on where they were, or are told that what followed is lost."""
import bisect
import threading

import pytest
from cluster import Cluster
from deliveries import feed, fire, installed, log, settled
from deployment import count, deployment, new_key, wait_until


class Reader(threading.Thread):
    """Reads the feed page by page, as a consumer does, until it is told to end; keeps each event's ID and cursor."""

    def __init__(self, running):
        super().__init__()
        self.running, self.seen, self.places, self.is_over = running, [], ["oldest"], False

    def run(self):
        while not self.is_over:
            self.read()

    def read(self):
        answer = self.running.api("GET", f"/v1/events?after={self.places[-1]}&limit=50&wait=1")
        assert answer.status == 200, answer
        for event in answer.json["data"]:
            self.seen.append(event["id"])
            self.places.append(event["cursor"])

    def end(self):
        self.is_over = True
        self.join()


def following(running, place, limit=1000):
    """The IDs of what follows a place."""
    found = []
    while True:
        page = running.api("GET", f"/v1/events?after={place}&limit={limit}").json
        found += [event["id"] for event in page["data"]]
        place = page["next"]
        if not page["more"]:
            return found


@pytest.mark.parametrize("way", ["another database", "the same name"])
def test_a_restored_dump_skips_and_repeats_nothing(way):
    per_second = count(50, 1000)
    cluster = Cluster()
    try:
        with deployment(start=False, stores=4, settings={
                "DATABASE_URL": cluster.url, "CREDENTIALS_ENCRYPTION_KEY": new_key("k1"),
                "BIGCOMMERCE_WEBHOOKS": "store/order/*"}) as running:
            running.cli("migrate")
            running.start()
            running.bootstrap()
            stores = installed(running, 2)
            fire(running, stores, count=per_second * 3600, rate=per_second)
            reader = Reader(running)
            reader.start()
            wait_until(lambda: len(reader.seen) > per_second, "events flow")
            dump(cluster)
            dumped = len(reader.seen)
            wait_until(lambda: len(reader.seen) > dumped + per_second, "events flow on")
            running.control("DELETE", "/events")
            settled(running)
            wait_until(lambda: len(reader.seen) == len(following(running, "oldest")), "the reader has come to the end")
            reader.end()
            restore(cluster, running, way)

            old, places, now = reader.seen, reader.places, following(running, "oldest")
            lost = bisect.bisect_left(range(len(places)), True, key=lambda number: is_lost(running, places[number]))
            assert per_second < lost < len(places) and lost <= len(now) + 1
            # Up to there all is as it was: every place leads to what it led to before.
            assert now[:lost - 1] == old[:lost - 1] and len(set(now)) == len(now)
            for number in {0, 1, lost // 2, lost - 2, lost - 1}:
                assert following(running, places[number]) == now[number:], number
            # Beyond, each is told where the histories part, and misses nothing from there on.
            answers = [running.api("GET", f"/v1/events?after={place}") for place in places[lost:]]
            assert {(answer.status, answer.json["code"]) for answer in answers} == {(410, "cursor_expired")}
            parting, = {answer.json["oldest"] for answer in answers}
            assert following(running, parting) == now[lost - 1:]
            # What had no place yet when the dump was made has one now; and the feed goes on.
            assert {row["event_id"] for row in log(running)} == {event["id"] for event in feed(running)}
            fire(running, stores, count=50)
            settled(running)
            wait_until(lambda: len(following(running, places[lost - 1])) == len(now) - lost + 1 + 50, "new events come")
            assert following(running, "oldest")[:len(now)] == now
    finally:
        cluster.close()


def is_lost(running, place):
    return running.api("GET", f"/v1/events?after={place}&limit=1").status == 410


def dump(cluster):
    cluster.run("pg_dump", "-Fc", "-d", cluster.url, "-f", cluster.folder / "dump")


def restore(cluster, running, way):
    """Puts the dump in the database's place: another one while the service is away, or the same beneath its feet."""
    cluster.run("createdb", "-h", "127.0.0.1", "-p", cluster.port, "-U", "latchkey", "restored")
    cluster.run("pg_restore", "-d", cluster.url_of("latchkey", "restored"), cluster.folder / "dump")
    if way == "another database":
        running.stop()
        running.settings["DATABASE_URL"] = cluster.url_of("latchkey", "restored")
        running.start()
    else:
        cluster.sql("ALTER DATABASE latchkey ALLOW_CONNECTIONS false",
                    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = 'latchkey'",
                    "ALTER DATABASE latchkey RENAME TO gone", "ALTER DATABASE restored RENAME TO latchkey",
                    database="postgres")
        running.await_ready()
    name = "restored" if way == "another database" else "latchkey"
    wait_until(lambda: cluster.sql("SELECT max(epoch) FROM feed_epochs", database=name) == "2", "it is noticed")
    wait_until(lambda: cluster.sql("SELECT count(*) FROM pending_events", database=name) == "0", "all have a place")
