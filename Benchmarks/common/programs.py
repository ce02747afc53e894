"""Programs of a benchmark: found, started on cores of their own, and ended."""
import os
import shutil
import signal
import socket
import subprocess
import sys
import time

from measure import CORES

# With fewer cores the load would run where the peer does, and nothing could be compared.
PINNED = CORES >= 3
PATH = os.environ["PATH"] + ":/usr/sbin"


def need(**programs):
    """Ends with what to install unless every program is there; the value is its package."""
    missing = {package for program, package in programs.items() if not shutil.which(program, path=PATH)}
    if missing:
        sys.exit(f"missing: apt-get install {' '.join(sorted(missing))}")


def program(name):
    return shutil.which(name, path=PATH) or sys.exit(f"{name} is missing")


def pinned(command, cpus):
    return (["taskset", "-c", cpus] if PINNED else []) + [str(part) for part in command]


def free_port():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


def wait_for(port, deadline=60):
    end = time.monotonic() + deadline
    while time.monotonic() < end:
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.05)
    sys.exit(f"nothing listens on port {port} after {deadline} s")


class Programs:
    """What was started, so that all of it is ended."""

    def __init__(self):
        self.processes = []

    def start(self, command, cpus, **options):
        self.processes.append(subprocess.Popen(pinned(command, cpus), **options))
        return self.processes[-1]

    def __enter__(self):
        return self

    def __exit__(self, *_):
        for process in reversed(self.processes):
            process.send_signal(signal.SIGTERM)
        for process in self.processes:
            try:
                process.wait(40)
            except subprocess.TimeoutExpired:
                process.kill()
