"""What the documents name is there: settings, commands and their options, metrics, alerts, links; and every refusal stands in them."""
import json
import re
import subprocess

import pytest
import yaml
from deployment import BUILD, ROOT
from metrics import documented

PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md"))]
RULES = ROOT / "docs/ops/prometheus-rules.yaml"
# Of the tests and scripts, not of the product.
OTHERS = {"LATCHKEY_BUILD", "LATCHKEY_PICTURES", "LATCHKEY_RUNBOOKS", "LATCHKEY_TEST_FULL"}
# A role, a cookie, a database.
NO_METRICS = {"latchkey_app", "latchkey_console", "latchkey_restored"}


def rows(text, pattern):
    return {name: tuple(part.strip() for part in rest) for name, *rest in re.findall(pattern, text, re.M)}


def example():
    return rows((ROOT / ".env.example").read_text(), r"^# ([A-Z_]+)(?: \(([^)]*)\))? \| ([^|]+) \| ([^|]+) \| .+$")


def sources(*modules):
    """The text of the modules' files, but those of the console, whose refusals are pages and say no code."""
    return {path.relative_to(ROOT / "Sources"): path.read_text() for module in modules
            for path in (ROOT / "Sources" / module).rglob("*.swift") if "Console" not in path.parts}


def test_the_table_of_settings_has_those_of_the_example():
    table = rows((ROOT / "docs/settings.md").read_text(), r"^\| `(\w+)`(?: \(([^)]*)\))? \| (.+) \| (.+) \|$")
    assert table and table == example()


def test_every_refusal_stands_in_troubleshooting_and_no_other():
    used = set()
    for text in sources("Web", "Gateway", "Install").values():
        used |= set(re.findall(r"status: (\d{3}), code: \"(\w+)\"", text)) | set(re.findall(r"make\(\s*(\d{3}), \"(\w+)\"", text))
        # One whose status is not written beside its code would be overlooked.
        assert len(re.findall(r"code: \"", text)) == len(re.findall(r"status: \d{3}, code: \"", text)), text[:200]
    page = (ROOT / "docs/troubleshooting.md").read_text()
    told = re.findall(r"^\| (\d{3}) \| `(\w+)` \|", page, re.M)
    assert used and set(told) == used


def test_every_page_that_a_merchant_may_see_stands_in_troubleshooting():
    install = sources("Install", "Web")
    used = set()
    for text in install.values():
        used |= {(name, status) for status, name in re.findall(r"\bpage\((\d{3}), \.(\w+)\)", text)}
        used |= set(re.findall(r"failed\(\.(\w+), status: (\d{3})\)", text))
        used |= {(name, status) for status, name in re.findall(r"status: (\d{3}), kind: \.failed\(\.(\w+)\)", text)}
    words = next(text for path, text in install.items() if path.name == "PageWords.swift")
    titles = dict(re.findall(r"case \.(\w+):\s+self\.init\(\s+\"((?:[^\"\\]|\\.)*)\"", words))
    page = (ROOT / "docs/troubleshooting.md").read_text()
    told = re.findall(r"^\| ([\d, ]+) \| ([^|`]+) \| `(\w+)` \|", page, re.M)
    assert {(name, status) for statuses, _, name in told for status in statuses.split(", ")} == used
    for _, title, name in told:
        assert titles[name].replace(r"\(brand)", "…") == title


def commands_of(text):
    """Each use of the program, to where the shell would end it: in blocks as in running text."""
    joined = re.sub(r"\\\n(?:> )?", " ", text)
    return re.findall(r"(?<![\w/.-])latchkey ((?:[a-z][a-z-]*|--[a-z-]+)(?: +(?:'[^'\n]*'|\"[^\"\n]*\"|[^\s|;)`&#]+))*)", joined)


def grammar():
    """What each command takes: its options, by its words."""
    dump = subprocess.run([BUILD / "latchkey", "--experimental-dump-help"], capture_output=True, text=True, check=True, timeout=30).stdout
    found = {}
    def walk(command, words):
        found[words] = {"--" + name["name"] for argument in command.get("arguments", []) for name in argument.get("names", [])
                        if name["kind"] == "long"}
        for part in command.get("subcommands", []):
            walk(part, (*words, part["commandName"]))
    walk(json.loads(dump)["command"], ())
    return found


@pytest.fixture(scope="module")
def known():
    return grammar()


@pytest.mark.parametrize("page", [*PAGES, RULES], ids=lambda page: page.name)
def test_every_command_is_one_of_the_program_s(known, page):
    for command in commands_of(page.read_text()):
        words, options = (), []
        for word in command.split():
            if word.startswith("--"):
                options.append(word)
            elif (*words, word) in known:
                words = (*words, word)
        assert words or options, f"{page.name}: latchkey {command}"
        for option in options:
            assert option.split("=")[0] in known[words] | {"--generate-completion-script", "--help", "--version"}, f"latchkey {command}"


@pytest.mark.parametrize("page", [*PAGES, RULES], ids=lambda page: page.name)
def test_every_setting_and_metric_is_there(page):
    text, settings, metrics = page.read_text(), example(), documented()
    for name in re.findall(r"\b((?:LATCHKEY|BIGCOMMERCE)_[A-Z_]+[A-Z])\b", text):
        assert name in settings or name in OTHERS or name.removesuffix("_FILE") in settings, name
    for name in re.findall(r"\b((?:latchkey|process)_[a-z_]+[a-z])(?=[^a-z_…])", text):
        assert re.sub(r"_(bucket|sum|count)$", "", name) in metrics or name in metrics or name in NO_METRICS, name


def test_every_alert_leads_to_a_runbook():
    alerts = {rule["alert"] for group in yaml.safe_load(RULES.read_text())["groups"] for rule in group["rules"]}
    assert set(re.findall(r"`(Latchkey\w+)`", (ROOT / "docs/runbooks.md").read_text())) == alerts


def test_commands_are_found_in_blocks_and_in_sentences():
    text = "$ latchkey a b --c | jq\n`latchkey d --e 'f g'`, /bin/latchkey-x, latchkey_y\n$ X=$(latchkey h \\\n>   --i)\n"
    assert [command.split() for command in commands_of(text)] == [["a", "b", "--c"], ["d", "--e", "'f", "g'"], ["h", "--i"]]


def anchors(page):
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in re.findall(r"^#+ (.+)$", page.read_text(), re.M)}


@pytest.mark.parametrize("page", [*PAGES, *sorted((ROOT / "docs/decisions").glob("*.md"))], ids=lambda page: page.name)
def test_every_link_within_the_documents_leads_to_a_heading(page):
    for path, anchor in re.findall(r"\]\(([^)#:]*)#([^)]+)\)", page.read_text()):
        target = (page.parent / path).resolve() if path else page
        if target.suffix == ".md":
            assert anchor in anchors(target), f"{page.name}: {path}#{anchor}"
