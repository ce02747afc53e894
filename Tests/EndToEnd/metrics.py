"""The metrics page, read by Prometheus' own parser."""
import re

from deployment import ROOT, request
from prometheus_client.parser import text_string_to_metric_families


class Page:
    """One answer of `/metrics`: each series with its value."""

    def __init__(self, text):
        self.text = text
        self.values = {}
        for family in text_string_to_metric_families(text):
            assert family.documentation, family
            for sample in family.samples:
                series = (sample.name, tuple(sorted(sample.labels.items())))
                assert series not in self.values, series
                self.values[series] = sample.value
        self.types = dict(re.findall(r"^# TYPE (\S+) (\S+)$", text, re.M))
        assert set(self.types) == set(re.findall(r"^# HELP (\S+) .", text, re.M))

    def __getitem__(self, name):
        """A value by the series as Prometheus writes it, such as `up{job="x"}`; labels in any order."""
        name, _, labels = name.partition("{")
        return self.values[name, tuple(sorted(re.findall(r'(\w+)="([^"]*)"', labels)))]

    @property
    def series(self):
        return set(self.values)

    def labels(self, name):
        """The labels of a metric, without those of a histogram's buckets."""
        endings = ("", "_bucket", "_sum", "_count") if self.types[name] == "histogram" else ("",)
        return {label for series, pairs in self.values for label, _ in pairs
                if series in {name + ending for ending in endings}} - {"le"}


def scrape(running, key=None):
    answer = request(running.internal, "GET", "/metrics", headers={
        "Authorization": f"Bearer {key or running.operator_key}"})
    assert answer.status == 200, answer
    assert answer.headers["content-type"] == "text/plain; version=0.0.4; charset=utf-8"
    return Page(answer.text)


def documented():
    """The table of metrics in docs/operations.md: type and labels by name."""
    rows = re.findall(r"^\| `((?:latchkey|process)_\w+)` \| (\w+) \| ([^|]*) \| ([^|]+) \| ([^|]+) \|$",
                      (ROOT / "docs/operations.md").read_text(), re.M)
    return {name: (kind, set(re.findall(r"`(\w+)`", labels))) for name, kind, labels, _, _ in rows}
