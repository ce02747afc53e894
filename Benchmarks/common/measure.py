"""What the benchmarks share: CPU time of processes, and figures that noise disturbs least."""
import contextlib
import os
import platform
import statistics
import time
from pathlib import Path

CORES = os.cpu_count() or 1


def tree(pid):
    """A process and all that descend from it."""
    found, queue = [], [pid]
    while queue:
        pid = queue.pop()
        found.append(pid)
        with contextlib.suppress(OSError):  # It has ended meanwhile.
            for task in Path(f"/proc/{pid}/task").glob("*/children"):
                queue += [int(child) for child in task.read_text().split()]
    return found


def cpu_seconds(pid):
    """User and system time of a process and all that descend from it, also of those that have ended and were waited for."""
    ticks = 0
    for member in tree(pid):
        with contextlib.suppress(OSError):
            fields = Path(f"/proc/{member}/stat").read_text().rsplit(")", 1)[1].split()
            ticks += sum(int(field) for field in fields[11:15])
    return ticks / os.sysconf("SC_CLK_TCK")


def machine_seconds():
    """Time of all cores since boot: in use by anybody, and taken by the host."""
    fields = [int(field) for field in Path("/proc/stat").read_text().splitlines()[0].split()[1:9]]
    user, nice, system, _idle, _wait, irq, softirq, steal = fields
    return ((user + nice + system + irq + softirq) / os.sysconf("SC_CLK_TCK"), steal / os.sysconf("SC_CLK_TCK"))


def best_quartile(values, highest=False):
    """The mean of the best quarter: noise only makes worse."""
    ordered = sorted(values, reverse=highest)
    return statistics.mean(ordered[:max(1, len(ordered) // 4)])


def percentile(ordered, share):
    """Of values in order, the one that so many are not above."""
    return ordered[min(len(ordered) - 1, int(len(ordered) * share))] if ordered else float("nan")


def headline(*facts):
    """Date, machine and what else decides the figures, in one line."""
    return ", ".join([time.strftime("%Y-%m-%d"), f"{CORES} cores, {platform.machine()}", *facts])
