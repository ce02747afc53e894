"""Builds the counter that is preloaded into a process, and reads what it counted."""
import shutil
import struct
import subprocess
import sys
from pathlib import Path


class Counters:
    """Allocations of a process, and its calls of the kernel through libc; `folder` holds what is needed for it."""

    def __init__(self, folder):
        compiler = shutil.which("cc") or shutil.which("clang") or sys.exit("no C compiler: apt-get install gcc")
        self.library, self.file = Path(folder) / "counter.so", Path(folder) / "counts"
        subprocess.run([compiler, "-O2", "-shared", "-fPIC", "-o", self.library, Path(__file__).with_name("counter.c")], check=True)

    @property
    def environment(self):
        return {"LD_PRELOAD": str(self.library), "COUNTER_FILE": str(self.file)}

    def read(self):
        """Allocations and calls of the kernel so far."""
        return struct.unpack("=QQ", self.file.read_bytes())

    def per_round(self, number, act):
        """What one of so many rounds of an act asks for."""
        before = self.read()
        for _ in range(number):
            act()
        return [(after - early) / number for after, early in zip(self.read(), before, strict=True)]
