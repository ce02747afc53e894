"""Deliveries of the sandbox, and what became of them: in its own books, in the intake log and in the feed."""
import urllib.parse

from deployment import wait_until


def installed(running, stores):
    """Installs on so many stores; they have their webhooks when it returns."""
    names = [running.fresh_store() for _ in range(stores)]
    for name in names:
        running.install(name)
    wait_until(lambda: all(
        any(hook["scope"] == "store/order/*" for hook in running.control("GET", f"/hooks/{name}")) for name in names),
        "the stores have their webhooks", 60)
    return names


def fire(running, stores, **order):
    running.control("POST", "/events", {"scope": "store/order/created", "store_hashes": stores} | order)


def settled(running, seconds=120):
    """What the sender knows when nothing of it is under way any more."""
    def quiet():
        counts = running.control("GET", "/events")
        return counts["pending"] == 0 and counts["to_fire"] == 0 and counts
    return wait_until(quiet, "every delivery has ended", seconds)


def acknowledged(running):
    """The IDs of the deliveries that were answered 200."""
    found, after = [], 0
    while page := running.control("GET", f"/events/acknowledged?after={after}&limit=100000"):
        found += [row["event_id"] for row in page]
        after = page[-1]["number"]
    return found


def pages(running, path, **query):
    found, after = [], None
    while True:
        asked = {"limit": 1000} | query | ({"after": after} if after else {})
        answer = running.api("GET", f"{path}?{urllib.parse.urlencode(asked)}")
        assert answer.status == 200, answer
        found += answer.json["data"]
        if not answer.json["data"] or not answer.json["next"]:
            return found
        after = answer.json["next"]


def log(running):
    return pages(running, "/v1/deliveries")


def feed(running):
    return pages(running, "/v1/events", type="store/*")


def in_the_feed(running, number):
    wait_until(lambda: len(feed(running)) >= number, f"{number} events are in the feed", 30)
    return feed(running)
