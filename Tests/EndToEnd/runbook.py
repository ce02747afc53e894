"""The runbooks of docs/runbooks.md, carried out: the commands of a section in their order, and what they show."""
import os
import re
import subprocess

from deployment import BUILD, ROOT

PAGE = ROOT / "docs/runbooks.md"
# Prints what commands say instead of comparing it, for whoever writes a runbook.
SHOW = os.environ.get("LATCHKEY_RUNBOOKS") == "show"
# What differs from run to run: times, IDs, figures.
CHANGING = re.compile(r"\d{4}-\d\d-\d\dT[\d:.]+Z|\b(?:evt|sub)_[0-9a-f]{32}\b|\b[0-9a-z]{12,14}(?:-[0-9a-z]{7})?\b|\d+(?:\.\d+)*")


def sections():
    """The console blocks of each section, by its heading."""
    parts = re.split(r"^## (.+)\n", PAGE.read_text(), flags=re.M)
    return {heading: re.findall(r"^```console\n(.*?)^```", text, re.M | re.S)
            for heading, text in zip(parts[1::2], parts[2::2], strict=True)}


def commands(block):
    """Each command of a block, with the lines that it shows."""
    return [(command.replace("\n> ", "\n"), shown.splitlines())
            for command, shown in re.findall(r"^\$ (.+(?:\n> .+)*)\n((?:(?!\$ ).*\n)*)", block, re.M)]


class Runbook:
    def __init__(self, running, heading, **environment):
        self.running, self.heading, self.environment = running, heading, environment
        self.blocks, self.variables = sections()[heading], []
        assert self.blocks, f"{heading} has no commands"

    def __enter__(self):
        return self

    def __exit__(self, kind, *_):
        assert kind or not self.blocks, f"{self.heading}: not carried out: {self.blocks}"

    def go_on(self, status=None):
        """Carries out the next block of the section; `status` is the last command's exit status, if it matters."""
        for command, shown in commands(self.blocks.pop(0)):
            if re.match(r"\w+=\$\(", command):
                self.variables.append(command)
            result = self.carry_out(command)
            if SHOW:
                print(f"$ {command}\n{result.stdout}{result.stderr}-> {result.returncode}")
            else:
                follows(command, shown, result)
        assert SHOW or status in (None, result.returncode), (command, result)

    def carry_out(self, command):
        running = self.running
        environment = running.environment | running.client_environment() | self.environment
        environment["PATH"] = f"{BUILD}:{os.environ['PATH']}"
        return subprocess.run(["bash", "-c", "\n".join([*self.variables, command])], env=environment, capture_output=True,
                              text=True, timeout=60, stdin=subprocess.DEVNULL, cwd=running.folder)


def steady(line):
    return " ".join(CHANGING.sub("0", line).split())


def follows(command, shown, result):
    """What was shown came in that order; a line … stands for any number of lines, an … at an end for the rest of a line."""
    actual = [steady(line) for line in (result.stdout + result.stderr).splitlines()]
    place = 0
    for line in shown:
        wanted = steady(line)
        if wanted in ("", "…"):
            continue
        while place < len(actual) and not (
                actual[place].startswith(wanted[:-1].rstrip()) if wanted.endswith("…") else actual[place] == wanted):
            place += 1
        assert place < len(actual), f"$ {command}\n{line}\nis not in\n{result.stdout}{result.stderr}"
        place += 1
