"""What every page of the console must be: within the window, named for screen readers, free of what the policy forbids."""
import re

from test_browser import fits, shot

# Names what a screen reader could not tell; runs in the page.
UNTOLD = """
const name = (e) => (e.getAttribute("aria-label") || (e.getAttribute("aria-labelledby") || "").split(" ").map((id) =>
  document.getElementById(id)?.textContent || "").join(" ") || e.textContent || e.title || "").trim();
const found = [];
for (const field of document.querySelectorAll("input:not([type=hidden]), select, textarea"))
  if (!field.labels?.length && !name(field)) found.push("no label: " + field.outerHTML.slice(0, 80));
for (const control of document.querySelectorAll("a[href], button, summary, nav, [role=region], section, figure"))
  if (!name(control)) found.push("no name: " + control.outerHTML.slice(0, 80));
for (const image of document.querySelectorAll("img:not([alt])")) found.push("no alt: " + image.src);
for (const drawing of document.querySelectorAll("main svg"))
  if (!drawing.closest("[aria-hidden=true]") && !drawing.getAttribute("role")) found.push("a drawing is read out");
for (const head of document.querySelectorAll("th:not([scope])")) found.push("no scope: " + head.textContent);
const ids = [...document.querySelectorAll("[id]")].map((e) => e.id);
for (const id of ids.filter((id, place) => ids.indexOf(id) !== place)) found.push("id twice: " + id);
if (document.querySelectorAll("h1").length !== 1) found.push("not one h1");
let level = 1;
for (const heading of document.querySelectorAll("h1, h2, h3, h4")) {
  const own = Number(heading.tagName[1]);
  if (own > level + 1) found.push("a level is left out before " + heading.textContent);
  level = own;
}
for (const part of document.querySelectorAll("*")) {
  if (part.hasAttribute("style")) found.push("style: " + part.outerHTML.slice(0, 80));
  const box = part.getBoundingClientRect();
  if (part.matches("a.button, button") && box.width && box.height < 24) found.push("too small: " + part.outerHTML.slice(0, 80));
}
return found;
"""


def looked_at(page, name):
    """A picture of the whole page, which must fit and be told by a screen reader."""
    whole(page, name)
    assert fits(page), f"{name} is wider than the window"
    untold = page.execute_script(UNTOLD)
    assert not untold, (name, untold)
    complaints = [line for line in page.get_log("browser") if "Content Security Policy" in line["message"]]
    assert not complaints, complaints


def whole(page, name):
    size = page.execute_script("return [innerWidth, Math.min(document.documentElement.scrollHeight, 2600), innerHeight]")
    def resize(height):
        page.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", {
            "width": size[0], "height": height, "deviceScaleFactor": 1, "mobile": size[0] < 600})
    resize(size[1])
    shot(page, name)
    resize(size[2])


def texts(answer):
    """The text of an answer without tags, for looking things up in it."""
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", answer.text))
