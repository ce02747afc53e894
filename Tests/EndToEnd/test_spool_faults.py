"""The spool's disk is full, or fails to sync: nothing is acknowledged that nobody keeps, and nothing is lost that was."""
import contextlib
import os
import signal
import subprocess
from pathlib import Path

import pytest
from cluster import timed
from deployment import count, request, wait_until

ROOT_ONLY = pytest.mark.skipif(os.geteuid() != 0, reason="only root can mount a small disk or fail system calls")


@pytest.fixture(scope="module")
def running(on_cluster):
    return on_cluster


def fill(path):
    """Takes what the disk has left, to the last byte."""
    file = os.open(path, os.O_WRONLY | os.O_CREAT)
    try:
        for size in (65536, 1):
            with contextlib.suppress(OSError):
                while True:
                    os.write(file, bytes(size))
    finally:
        os.close(file)


@contextlib.contextmanager
def full_disk(running):
    """The spool lies on a disk of 1 MiB that somebody else has filled."""
    spool = running.data / "spool"
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m,mode=0700", "tmpfs", spool], check=True)
    try:
        (spool / "set-aside").mkdir(mode=0o700)
        fill(spool / "somebody-else")
        yield spool
    finally:
        subprocess.run(["umount", spool], check=True)


@contextlib.contextmanager
def failing_syncs(running):
    """Every `fsync` of the service ends with EIO, as on a disk that breaks."""
    tracer = subprocess.Popen(
        ["strace", "-f", "-q", "-o", running.folder / "strace.log", "-e", "trace=fsync,fdatasync",
         "-e", "inject=fsync,fdatasync:error=EIO", "-p", str(running.service.pid)], stderr=subprocess.PIPE)
    try:
        threads = Path(f"/proc/{running.service.pid}/task")
        wait_until(lambda: all(f"TracerPid:\t{tracer.pid}" in (thread / "status").read_text()
                               for thread in threads.iterdir()), "strace is attached")
        yield
    finally:
        tracer.send_signal(signal.SIGINT)
        tracer.wait(20)


FAULTS = pytest.mark.parametrize("fault", [full_disk, failing_syncs])


def connected(running, store):
    return running.call(running.key, "GET", f"/stores/{store}/v2/store").status == 200


def install(running, store):
    return request(running.public, "GET", f"/auth/callback?{running.callback_query(store)}", timeout=30)


@ROOT_ONLY
@FAULTS
def test_an_install_needs_no_spool_while_the_database_is_there(running, fault):
    store = running.fresh_store()
    with fault(running):
        assert install(running, store).status == 200
        wait_until(lambda: connected(running, store), "the store can be called", 10)
    assert "install not spooled" in running.log.read_text()


@ROOT_ONLY
@FAULTS
def test_an_uninstall_that_nobody_can_keep_is_refused_and_comes_again(running, cluster, fault):
    store = running.fresh_store()
    assert install(running, store).status == 200
    wait_until(lambda: connected(running, store), "the store can be called", 10)
    with fault(running):
        with cluster.down():
            answer, seconds = timed(lambda: running.callback("uninstall", store))
            assert answer.status == 503 and seconds < 10, (answer.status, seconds)
    wait_until(lambda: request(running.internal, "GET", "/readyz").status == 200, "ready again", 15)
    wait_until(lambda: running.store(store).json.get("state") == "active", "what was refused has not happened", 10)
    # BigCommerce repeats what was not answered with 200.
    assert running.callback("uninstall", store).status == 200
    assert running.store(store).json["state"] == "uninstalled"


@ROOT_ONLY
@FAULTS
def test_the_spool_works_again_when_its_disk_does(running, cluster, fault):
    store = running.fresh_store()
    assert install(running, store).status == 200
    with fault(running):
        pass
    with cluster.down():
        assert running.callback("uninstall", store).status == 200
    wait_until(lambda: running.store(store).json.get("state") == "uninstalled", "the spool is replayed", 30)


@ROOT_ONLY
@pytest.mark.parametrize("fault", [full_disk, failing_syncs][:count(1, 2)])
def test_a_token_that_neither_disk_nor_database_took_is_never_shown_as_connected(running, cluster, fault):
    store = running.fresh_store()
    query = running.callback_query(store)
    running.fault("delay", path="/oauth2/token", times=1, delay_ms=5000)
    caller = subprocess.Popen(
        ["curl", "-s", "-o", "/dev/null", "-w", "%{http_code}", "--max-time", "60",
         f"http://127.0.0.1:{running.public}/auth/callback?{query}"], stdout=subprocess.PIPE, text=True)
    wait_until(running.faults_are_at_work, "the exchange is under way")
    with fault(running), cluster.down():
        status = int(caller.communicate(timeout=70)[0])
        assert status >= 400, "nobody has the token, so nobody says that the app is connected"
    wait_until(lambda: request(running.internal, "GET", "/readyz").status == 200, "ready again", 15)
    # The attempt is nobody's any more; the sweeper calls it lost a minute after it began.
    wait_until(lambda: "uninstall" in running.callback("load", store).text.lower(), "the page says what to do", 90)
    assert running.callback("load", store).status >= 400
    assert running.store(store).json.get("state") != "active"
