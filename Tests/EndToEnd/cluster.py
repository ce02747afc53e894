"""A PostgreSQL cluster of the test's own, to be stopped, hung and restarted under the service."""
import contextlib
import glob
import os
import shutil
import signal
import subprocess
import tempfile
import time
from pathlib import Path

from deployment import free_port, wait_until


class Cluster:
    def __init__(self, standby_of=None):
        self.folder = Path(tempfile.mkdtemp(prefix="latchkey-pg-"))
        self.data, self.port = self.folder / "data", free_port()
        self.programs = sorted(glob.glob("/usr/lib/postgresql/*/bin"))[-1]
        if os.geteuid() == 0:
            shutil.chown(self.folder, "postgres")
        if standby_of:
            # Its WAL receiver is known to the primary by its folder's name.
            source = f"host=127.0.0.1 port={standby_of.port} user=latchkey application_name={self.folder.name}"
            self.run("pg_basebackup", "-D", self.data, "-R", "-c", "fast", "-d", source)
            self.start()
            return
        self.run("initdb", "-D", self.data, "-U", "latchkey", "-A", "trust", "-E", "UTF8")
        self.start()
        self.run("createdb", "-h", "127.0.0.1", "-p", self.port, "-U", "latchkey", "latchkey")

    def run(self, program, *arguments):
        command = [f"{self.programs}/{program}", *map(str, arguments)]
        if os.geteuid() == 0:
            command = ["runuser", "-u", "postgres", "--", *command]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, cwd="/")

    @property
    def url(self):
        return self.url_of("latchkey")

    def url_of(self, role, database="latchkey"):
        return f"postgresql://{role}@127.0.0.1:{self.port}/{database}"

    def psql(self, sql, role="latchkey", database="latchkey"):
        """Runs SQL as a role; the result's rows as text, tabs between columns, or what went wrong."""
        return subprocess.run(
            [f"{self.programs}/psql", "-X", "-A", "-t", "-F", "\t", "-v", "ON_ERROR_STOP=1",
             "-d", self.url_of(role, database), "-c", sql], capture_output=True, text=True, env={"LC_ALL": "C.UTF-8", "PATH": os.environ["PATH"]})

    def sql(self, *statements, database="latchkey"):
        """Runs statements one by one; the last one's result as text."""
        for statement in statements:
            result = self.psql(statement, database=database)
            assert result.returncode == 0, f"{statement}: {result.stderr}"
        return result.stdout.strip()

    def start(self):
        self.run("pg_ctl", "start", "-w", "-D", self.data, "-l", self.folder / "log", "-o",
                 f"-p {self.port} -c listen_addresses=127.0.0.1 -c unix_socket_directories=")

    def stop(self, mode="fast"):
        self.run("pg_ctl", "stop", "-w", "-m", mode, "-D", self.data)

    def standby(self):
        """A streaming standby; from now on a commit waits until it has flushed it, too."""
        made = Cluster(standby_of=self)
        self.sql("ALTER SYSTEM SET synchronous_standby_names = 'ANY 1 (*)'", "SELECT pg_reload_conf()")
        wait_until(lambda: self.sql("SELECT count(*) FROM pg_stat_replication WHERE sync_state = 'quorum'") == "1",
                   "the standby is synchronous")
        return made

    def promote(self):
        self.run("pg_ctl", "promote", "-w", "-D", self.data)

    def kill(self):
        """kill -9 of the server and all its processes, as when the machine goes."""
        for pid in self.processes():
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)

    def processes(self):
        postmaster = int((self.data / "postmaster.pid").read_text().split()[0])
        children = Path(f"/proc/{postmaster}/task/{postmaster}/children").read_text().split()
        return [postmaster] + [int(child) for child in children]

    @contextlib.contextmanager
    def hung(self):
        """Every process of the cluster is stopped: connections stand, and nothing answers."""
        stopped = self.processes()
        for pid in stopped:
            os.kill(pid, signal.SIGSTOP)
        try:
            yield
        finally:
            for pid in stopped:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGCONT)

    @contextlib.contextmanager
    def down(self, mode="immediate"):
        self.stop(mode)
        try:
            yield
        finally:
            self.start()

    def close(self):
        with contextlib.suppress(subprocess.CalledProcessError):
            self.stop("immediate")
        shutil.rmtree(self.folder, ignore_errors=True)


def timed(act):
    """What the act returns, and the seconds it took."""
    start = time.monotonic()
    return act(), time.monotonic() - start


__all__ = ["Cluster", "timed", "wait_until"]
