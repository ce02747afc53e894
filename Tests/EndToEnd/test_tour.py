"""The README's tour and the runbooks, in one fleet: each page says what its caption says, each command shows what is written
below it, and each runbook, carried out in the trouble that it is for, ends it.

With LATCHKEY_PICTURES=write the pictures in docs/images are taken anew; with LATCHKEY_RUNBOOKS=show what the commands of the
runbooks show is printed (pytest -rP).
"""
import io
import os
import re
import shlex

import pytest
import tour
from deliveries import fire, settled
from deployment import FULL, ROOT, SCOPES, request, wait_until
from metrics import scrape
from runbook import Runbook, sections
from selenium.webdriver.common.by import By
from test_browser import click, fits
from test_console import desktop, log_in, text_of  # noqa: F401

README, PICTURES = ROOT / "README.md", ROOT / "docs/images"
WRITE = os.environ.get("LATCHKEY_PICTURES") == "write"
# What a README may weigh: a picture, in bytes.
HEAVIEST = 150_000
# The page of each picture, and the part that is the last on it, as CSS; without one it is all of the page.
STOPS = {
    "fleet": ("/fleet", "div.charts:has(+ #usage-table)"),
    "stores": ("/stores", None),
    "store": (f"/stores/default/{tour.DRIFTED}", "section:has(#h-scopes)"),
    "events": ("/events", "tbody tr:nth-child(17)"),
    "subscription": ("/events/subscriptions/{accounting}", None),
    "try": (f"/try?store={tour.BUSY}&method=GET&path=/v3/catalog/products?limit=2", "#answer"),
}
HIGHEST = 1240
# They take the longest; test_documents.py reads the commands of all.
in_full = pytest.mark.skipif(not FULL, reason="carried out with --full")
PINE, SURF = "b81hx0cw", "d9fw3ylu"


@pytest.fixture(scope="module")
def fleet(cluster):
    with tour.fleet(cluster) as made:
        yield made


def captions():
    """The caption below each picture of the README, by the picture's name."""
    return dict(re.findall(r"!\[[^\]]+\]\(docs/images/([\w-]+)\.png\)\n\n((?:[^\n]+\n)+)", README.read_text()))


def commands():
    """Each command of the README's tour, with the lines that it shows."""
    part = re.search(r"^## A look at it\n(.*?)^## ", README.read_text(), re.M | re.S)[1]
    blocks = re.findall(r"^```console\n(.*?)^```", part, re.M | re.S)
    return [(command, lines.splitlines()) for block in blocks
            for command, lines in re.findall(r"^\$ (.+)\n((?:(?!\$ ).*\n)*)", block, re.M)]


def test_each_page_says_what_its_caption_says(fleet, desktop):
    log_in(desktop, fleet)
    # The last is what changes for ten seconds yet: what waits is counted so often.
    for name in sorted(STOPS, key=lambda name: name == "fleet"):
        visit(fleet, desktop, name)
        words = re.findall(r"\*\*(.+?)\*\*", captions()[name].replace("\n", " "))
        assert words, f"the caption of {name} names nothing in bold"
        wait_until(lambda: all(word in shown(desktop) for word in words),
                   f"{name} shows {[word for word in words if word not in shown(desktop)]}", 15)
        assert fits(desktop)
        if WRITE:
            take(desktop, name)


def visit(fleet, page, name):
    path, _ = STOPS[name]
    page.get(f"http://127.0.0.1:{fleet.internal}/console" + path.format(accounting=fleet.subscriptions["accounting"]["id"]))
    if name == "store":
        click(page, "Ask the store")
        wait_until(lambda: "Time zone" in text_of(page, "main"), "what the store says of itself", 10)
    if name == "try":
        click(page, "Send")
        wait_until(lambda: page.find_elements(By.ID, "answer"), "the answer", 20)


def shown(page):
    return " ".join(text_of(page, "body").split())


def take(page, name):
    """A picture of the page down to the part that is its last, in few enough colours to be small."""
    from PIL import Image
    height = page.execute_script("""
        scrollTo(0, 0);
        const last = arguments[0] && [...document.querySelectorAll(arguments[0])].at(-1);
        const end = last ? last.getBoundingClientRect().bottom : document.documentElement.scrollHeight;
        return Math.min(end, arguments[1])""", STOPS[name][1], HIGHEST)
    size = {"width": 1280, "deviceScaleFactor": 1, "mobile": False}
    page.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size | {"height": int(height)})
    picture = Image.open(io.BytesIO(page.get_screenshot_as_png())).convert("RGB")
    page.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size | {"height": 900})
    PICTURES.mkdir(exist_ok=True)
    picture.quantize(128, Image.Quantize.MEDIANCUT, dither=Image.Dither.NONE).save(PICTURES / f"{name}.png", optimize=True)


@pytest.mark.parametrize("command, lines", commands(), ids=[command for command, _ in commands()])
def test_the_terminal_shows_what_the_readme_shows(fleet, command, lines):
    program, *arguments = shlex.split(command)
    assert program == "latchkey" and lines
    result = fleet.cli(*arguments, check=False)
    actual = [figureless(line) for line in result.stdout.splitlines()]
    for line in lines:
        assert figureless(line) in actual, f"{line}\nis not in\n{result.stdout}{result.stderr}"


def figureless(line):
    """A line of a table without its figures, times and IDs, which differ from run to run."""
    line = re.sub(r"\b(?:[a-z0-9]{12}|[0-9.:TZ-]*\d[0-9.:TZ-]*)\b", "0", line)
    return " ".join(line.split())


def test_the_readme_shows_the_pictures_that_are_there():
    assert set(captions()) == set(STOPS)
    assert {path.name for path in PICTURES.glob("*.png")} == {f"{name}.png" for name in STOPS}
    for path in PICTURES.glob("*.png"):
        assert path.read_bytes().startswith(b"\x89PNG") and path.stat().st_size < HEAVIEST, path


def test_mass_re_consent(fleet):
    with Runbook(fleet, "Mass re-consent") as book:
        book.go_on(status=3)
        fleet.control("PUT", f"/apps/{fleet.client_id}", {"scopes": f"{SCOPES} store_v2_marketing"})
        fleet.stop()
        fleet.settings["BIGCOMMERCE_SCOPES"] = f"{SCOPES} store_v2_marketing"
        fleet.start()
        book.go_on()
        book.go_on()
        fleet.install(PINE)
        wait_until(lambda: len(fleet.api("GET", f"/v1/events?store={PINE}&type=app/installed").json["data"]) == 2, "it is told", 10)
        book.go_on()
        for store, _, _ in tour.SHOPS:
            if store != PINE:
                fleet.install(store)
        book.go_on(status=0)


def test_a_store_answers_403(fleet):
    narrow = fleet.service_key(scopes=["store_v2_products"])
    wait_until(lambda: fleet.call(narrow, "GET", f"/stores/{SURF}/v3/catalog/products").status == 200, "the key counts", 5)
    assert fleet.api("POST", f"/v1/stores/{SURF}/verify").json["health"] == "healthy"
    fleet.control("PUT", f"/stores/{SURF}", {"condition": "owner_gone"})
    with Runbook(fleet, "A store answers 403", SERVICE_KEY=narrow) as book:
        book.go_on()
        book.go_on()
        book.go_on()
        fleet.cluster.sql("UPDATE store_health SET pending_since = pending_since - interval '3 s'")
        for store in SURF, tour.UNPAID:
            fleet.api("POST", f"/v1/stores/{store}/verify")
        wait_until(lambda: any(event["data"]["to"] == "scope" for event in fleet.api(
            "GET", f"/v1/events?store={SURF}&type=app/health_changed").json["data"]), "it is told", 10)
        book.go_on()
        for store in SURF, tour.UNPAID:
            fleet.control("PUT", f"/stores/{store}", {"condition": "open"})
        fleet.install(SURF)
        book.go_on()


@in_full
def test_a_subscriber_is_dead(fleet):
    fleet.receivers["accounting"].answer(200)
    with Runbook(fleet, "A subscriber is dead") as book:
        book.go_on()
        book.go_on()
        subscription = f"/v1/subscriptions/{fleet.subscriptions['accounting']['id']}"
        wait_until(lambda: (made := fleet.api("GET", subscription).json) and made["dead"] == made["pending"] == 0, "all are pushed", 30)
        book.go_on()


def test_webhooks_are_blocked(fleet):
    fleet.control("PUT", "/webhooks", {"faults": [{"kind": "dead"}]})
    fire(fleet, [tour.BUSY], count=130)
    wait_until(lambda: any(row["failure"] == "blocked" for row in fleet.control("GET", "/deliveries?limit=100000")), "it is blocked", 20)
    fleet.api("POST", "/v1/webhooks/apply", {"stores": [tour.BUSY]})
    wait_until(lambda: fleet.api("GET", f"/v1/webhooks?store={tour.BUSY}").json["data"][0]["blocked_until_at"], "it is seen", 20)
    wait_until(lambda: fleet.api("GET", "/v1/events?type=app/webhooks_blocked").json["data"], "it is told", 10)
    with Runbook(fleet, "Webhooks are blocked") as book:
        book.go_on()
        book.go_on()
        fleet.control("PUT", "/webhooks", {"faults": [], "speed": 1000})
        fleet.control("POST", "/webhooks/flush")
        settled(fleet)
        book.go_on()
        book.go_on()


def test_quota_is_exhausted(fleet):
    fleet.control("PUT", f"/quota/{tour.BUSY}", {"limit": 20})
    for _ in range(30):
        fleet.call(fleet.keys["reports"]["key"], "GET", f"/stores/{tour.BUSY}/v3/customers?limit=1", headers={"Latchkey-Max-Wait": "0"})
    wait_until(lambda: any(row["throttled"] for row in fleet.api(
        "GET", f"/v1/usage?store={tour.BUSY}&step=total&caller={fleet.keys['reports']['id']}").json["data"]), "it is counted", 15)
    with Runbook(fleet, "Quota is exhausted") as book:
        book.go_on()
        book.go_on()
        book.go_on()


@in_full
def test_postgresql_is_away(fleet):
    with Runbook(fleet, "PostgreSQL is away") as book:
        fleet.cluster.stop("immediate")
        wait_until(lambda: request(fleet.internal, "GET", "/readyz").status == 503, "it is noticed", 15)
        book.go_on(status=3)
        fire(fleet, [PINE], count=2)
        settled(fleet)
        book.go_on()
        fleet.cluster.start()
        wait_until(lambda: request(fleet.internal, "GET", "/readyz").status == 200, "it is back", 30)
        wait_until(lambda: scrape(fleet)["latchkey_spool_records"] == 0, "the spool is empty", 30)
        book.go_on()


def test_a_new_version(fleet):
    with Runbook(fleet, "A new version") as book:
        book.go_on()
        book.go_on(status=0)
        book.go_on()
        # As if a newer version had migrated: what runs goes on.
        fleet.cluster.sql("INSERT INTO schema_migrations SELECT max(version) + 1, 'next', 'x', now() FROM schema_migrations")
        book.go_on(status=3)
        assert request(fleet.internal, "GET", "/readyz").status == 200
        fleet.cluster.sql("DELETE FROM schema_migrations WHERE name = 'next'")


def test_each_runbook_is_carried_out():
    assert set(sections()) == {
        "Mass re-consent", "A store answers 403", "Webhooks are blocked", "Quota is exhausted", "A subscriber is dead",
        "PostgreSQL is away", "A new version"}
