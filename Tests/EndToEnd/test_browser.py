"""A merchant in a real browser: installs, opens and uninstalls the app by clicking in the control panel."""
import os
from pathlib import Path

import pytest
from deployment import ROOT, deployment, wait_until
from selenium import webdriver
from selenium.webdriver.common.by import By

STORE = "demo1234"
SCREENSHOTS = Path(os.environ.get("LATCHKEY_SCREENSHOTS", ROOT / ".build/screenshots"))


def browser(width, height, dark):
    options = webdriver.ChromeOptions()
    options.binary_location = "/usr/bin/chromium"
    for flag in ("--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--hide-scrollbars",
                 f"--window-size={width},{height}"):
        options.add_argument(flag)
    if dark:
        options.add_argument("--force-dark-mode")
        options.add_experimental_option("prefs", {})
    made = webdriver.Chrome(options=options, service=webdriver.ChromeService("/usr/bin/chromedriver"))
    made.execute_cdp_cmd("Emulation.setEmulatedMedia", {
        "features": [{"name": "prefers-color-scheme", "value": "dark" if dark else "light"}]})
    made.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", {
        "width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 600})
    return made


@pytest.fixture(params=[(1200, 900, False), (1200, 900, True), (390, 844, False), (390, 844, True)],
                ids=["desktop-light", "desktop-dark", "phone-light", "phone-dark"])
def page(request):
    made = browser(*request.param)
    made.kind = request.node.callspec.id
    yield made
    made.quit()


def shot(page, name):
    SCREENSHOTS.mkdir(parents=True, exist_ok=True)
    page.save_screenshot(str(SCREENSHOTS / f"{name}-{page.kind}.png"))


def click(page, text):
    wait_until(lambda: page.find_elements(By.XPATH, f"//*[self::a or self::button][normalize-space()='{text}']"),
               f"a control “{text}”", 10)[0].click()


def framed_text(page):
    """The text of the app's page inside the control panel's frame."""
    frame = wait_until(lambda: page.find_elements(By.TAG_NAME, "iframe"), "the app's frame", 10)[0]
    page.switch_to.frame(frame)
    try:
        return wait_until(lambda: page.find_element(By.TAG_NAME, "body").text.strip(), "text in the frame", 20)
    finally:
        page.switch_to.default_content()


def fits(page):
    return page.execute_script("return document.documentElement.scrollWidth <= window.innerWidth + 1")


@pytest.fixture(scope="module")
def running():
    with deployment(stores=12) as made:
        yield made


def test_install_open_and_uninstall_by_clicking(running, page):
    panel = f"http://127.0.0.1:{running.sandbox_port}/manage/{STORE}"
    page.get(panel)
    shot(page, "1-control-panel")
    assert fits(page)
    click(page, "Install")
    text = framed_text(page)
    shot(page, "2-installed")
    assert "connected" in text.lower(), text
    assert running.store(STORE).json["state"] == "active"

    page.get(panel)
    click(page, "Open")
    text = framed_text(page)
    shot(page, "3-opened")
    assert "not connected" not in text.lower(), text

    page.get(panel)
    click(page, "Uninstall")
    wait_until(lambda: running.store(STORE).json["state"] == "uninstalled", "the store is uninstalled", 10)
    shot(page, "4-uninstalled")


def test_missing_permissions_are_named(running, page):
    store = running.fresh_store()
    page.get(f"http://127.0.0.1:{running.public}/auth/callback?"
             + running.callback_query(store, scope="store_v2_products_read_only store_v2_information_read_only"))
    shot(page, "7-missing-permissions")
    text = page.find_element(By.TAG_NAME, "body").text
    assert "Some permissions are missing" in text and "store_v2_orders" in text
    assert "nothing else" not in text and "in order" not in text.lower(), text
    assert fits(page)
    page.get(f"http://127.0.0.1:{running.public}/auth/load?signed_payload_jwt={running.signed_payload(store)}")
    shot(page, "8-opened-with-missing-permissions")
    text = page.find_element(By.TAG_NAME, "body").text
    assert "Some permissions are missing" in text and "in order" not in text.lower(), text


def test_a_store_that_is_not_connected_is_told_how_to_be(running, page):
    store = running.fresh_store()
    page.get(f"http://127.0.0.1:{running.public}/auth/load?signed_payload_jwt={running.signed_payload(store)}")
    shot(page, "9-not-connected")
    text = page.find_element(By.TAG_NAME, "body").text
    assert "not connected" in text and "Install it again" in text, text
    assert fits(page)


def test_the_panel_shows_all_stores_and_all_of_one(running, page):
    for name, path in (("10-panel-stores", "/"), ("11-panel-store", f"/manage/{STORE}"), ("12-panel-none", "/manage/nosuch")):
        page.get(f"http://127.0.0.1:{running.sandbox_port}{path}")
        page.execute_script("document.querySelectorAll('details').forEach(d => d.open = true)")
        assert fits(page), path
        height = page.execute_script("return document.documentElement.scrollHeight")
        width = page.execute_script("return window.innerWidth")
        page.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", {
            "width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 600})
        shot(page, name)
        assert all(box.text for box in page.find_elements(By.TAG_NAME, "pre")), "a box with nothing in it"


def test_a_failure_is_a_page_in_plain_words(running, page):
    page.get(f"http://127.0.0.1:{running.public}/auth/load?signed_payload_jwt=a.b.c")
    shot(page, "5-refused")
    text = page.find_element(By.TAG_NAME, "body").text
    assert text.strip() and "{" not in text
    assert fits(page)
    page.get(f"http://127.0.0.1:{running.public}/auth/callback?code=nosuchcode&scope=store_v2_default&context=stores%2F{STORE}")
    shot(page, "6-code-refused")
    assert "a.b.c" not in page.page_source and "nosuchcode" not in page.page_source
    assert fits(page)
