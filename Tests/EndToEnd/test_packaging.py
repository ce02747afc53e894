"""The files that no engine runs here are at least well formed, and agree with the scripts."""
import re

import yaml
from deployment import ROOT


def test_the_compose_file_is_well_formed_and_names_files_that_exist():
    compose = yaml.safe_load((ROOT / "docker-compose.yml").read_text())
    assert {"latchkey", "postgres"} <= set(compose["services"])
    assert any("sandbox" in (service.get("profiles") or []) for service in compose["services"].values())
    named = set(compose.get("volumes") or {})
    for name, service in compose["services"].items():
        assert "image" in service or "build" in service, name
        for volume in service.get("volumes", []):
            source = volume.split(":")[0] if isinstance(volume, str) else volume.get("source")
            assert source in named or source.startswith((".", "/", "$")), (name, volume)
        for other in service.get("depends_on") or {}:
            assert other in compose["services"], (name, other)


def test_the_dockerfile_installs_what_the_scripts_install_to_build():
    text = (ROOT / "Dockerfile").read_text()
    joined = re.sub(r"\\\n", " ", text)
    known = {"FROM", "ARG", "RUN", "COPY", "WORKDIR", "ENV", "USER", "EXPOSE", "VOLUME", "ENTRYPOINT", "CMD", "HEALTHCHECK",
             "LABEL", "STOPSIGNAL", "SHELL"}
    instructions = [line.split()[0] for line in joined.splitlines() if line.strip() and not line.lstrip().startswith("#")]
    assert instructions[0] in ("FROM", "ARG") and set(instructions) <= known, set(instructions) - known
    for package in ("libpq-dev", "libcurl4-openssl-dev"):
        assert package in joined, package
    assert "SWIFT_BACKTRACE" in joined and re.search(r"^USER (?!root)", joined, re.M)
