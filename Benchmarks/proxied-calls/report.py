"""Tables and the chart of what was measured, for docs/performance.md."""
import statistics
from pathlib import Path
from xml.sax.saxutils import escape

from measure import best_quartile

DOCS = Path(__file__).resolve().parents[2] / "docs"


def bests(slices):
    """CPU time per request of each peer: its best quartile."""
    return {name: best_quartile([one["micros"] for one in mine]) for name, mine in slices.items()}


def table(slices, memory):
    """One line per peer; the first is the base of the ratios."""
    best, names = bests(slices), list(slices)
    base, node = names[0], "node" if "node" in names else None
    lines = [f"| peer | µs CPU per request, best quartile | median | spread | requests/s, median | p50 ms | p99 ms | MB | × {base} |"
             + (" × node |" if node else ""), "|---" * (10 if node else 9) + "|"]
    for name, mine in slices.items():
        micros = [one["micros"] for one in mine]
        middle = {key: statistics.median(one[key] for one in mine) for key in ("rps", "p50", "p99")}
        lines.append(
            f"| {name} | {best[name]:.1f} | {statistics.median(micros):.1f} | {min(micros):.1f}–{max(micros):.1f} "
            f"| {middle['rps']:.0f} | {middle['p50']:.2f} | {middle['p99']:.2f} | {memory[name] / 1e6:.0f} "
            f"| {best[name] / best[base]:.2f} |" + (f" {best[name] / best[node]:.2f} |" if node else ""))
    return "\n".join(lines)


def chart(slices, title):
    """Bars of CPU time per request as SVG, for light and dark pages."""
    best = bests(slices)
    width, row, label = 720, 34, 150
    longest = max(best.values())
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {row * len(best) + 46}" role="img">',
        f"<title>{escape(title)}</title>",
        "<style>text{font:14px system-ui,sans-serif;fill:#34313f}.b{fill:#9a94ab}.o{fill:#3c5bd6}"
        "@media (prefers-color-scheme:dark){text{fill:#e8e6ef}.b{fill:#6c667d}.o{fill:#8aa0ff}}</style>",
        f'<text x="0" y="18">{escape(title)}</text>']
    for number, (name, micros) in enumerate(sorted(best.items(), key=lambda item: item[1])):
        y, length = 34 + number * row, max(2, (width - label - 90) * micros / longest)
        parts.append(
            f'<text x="{label - 10}" y="{y + 18}" text-anchor="end">{escape(name)}</text>'
            f'<rect class="{"o" if name == "latchkey" else "b"}" x="{label}" y="{y}" width="{length:.0f}" height="24" rx="3"/>'
            f'<text x="{label + length + 8:.0f}" y="{y + 18}">{micros:.1f} µs</text>')
    return "\n".join(parts + ["</svg>\n"])


def write(name, text):
    """Puts a table where docs/performance.md has a place for it."""
    page = DOCS / "performance.md"
    begin, end = f"<!-- measured: {name} -->\n", f"<!-- end: {name} -->"
    before, found, rest = page.read_text().partition(begin)
    if not found or end not in rest:
        raise SystemExit(f"docs/performance.md has no place for {name}: add {begin.strip()} and {end}")
    page.write_text(before + begin + "\n" + text + "\n\n" + rest[rest.index(end):])


def write_chart(slices, title):
    (DOCS / "images").mkdir(exist_ok=True)
    (DOCS / "images/proxied-calls.svg").write_text(chart(slices, title))
