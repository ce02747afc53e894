"""BigCommerce's names: the first address swallows everything, or the name server hangs."""
import contextlib
import os
import shutil
import socket
import ssl
import subprocess
import threading
import time

import pytest
from deployment import ceiling, deployment, free_port, request, self_signed, wait_until

NAME, STORE = "bigcommerce.test", "demo1234"
HAS_NAMESPACES = os.geteuid() == 0 and subprocess.run(["unshare", "-m", "true"], capture_output=True).returncode == 0
pytestmark = pytest.mark.skipif(
    not HAS_NAMESPACES, reason="names of its own need a mount namespace: root with CAP_SYS_ADMIN")


class Names:
    """What names mean to the service alone: a hosts file and a name server that takes questions and never answers."""

    def __init__(self, folder):
        self.hosts, self.resolver = folder / "hosts", folder / "resolv.conf"
        self.silent = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.silent.bind(("127.9.9.53", 53))
        self.resolver.write_text("nameserver 127.9.9.53\n")
        (folder / "nsswitch.conf").write_text("hosts: files dns\n")
        mounts = " && ".join(f"mount --bind {folder}/{name} /etc/{name}" for name in
                             ("hosts", "resolv.conf", "nsswitch.conf"))
        self.launcher = ["unshare", "-m", "sh", "-c", f'{mounts} && exec "$@"', "sh"]
        self.set()

    def set(self, *addresses):
        # In its place: the service sees this very file.
        self.hosts.write_text("127.0.0.1 localhost\n" + "".join(f"{address} {NAME}\n" for address in addresses))


class BlackHole:
    """An address that answers no attempt to connect: its queue is full and nobody takes from it."""

    def __init__(self, address, port):
        self.listener = socket.socket()
        self.listener.bind((address, port))
        self.listener.listen(0)
        self.queued = []
        while True:
            probe = socket.socket()
            probe.settimeout(0.3)
            self.queued.append(probe)
            try:
                probe.connect((address, port))
            except TimeoutError:
                break

    def close(self):
        for held in [self.listener, *self.queued]:
            held.close()


class TLSFront:
    """Speaks TLS at an address and passes everything on to the sandbox."""

    def __init__(self, address, port, files, target):
        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.context.load_cert_chain(*files)
        self.listener, self.target = socket.create_server((address, port)), target
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        with contextlib.suppress(OSError):
            while True:
                threading.Thread(target=self.serve, args=(self.listener.accept()[0],), daemon=True).start()

    def serve(self, raw):
        with contextlib.suppress(OSError), self.context.wrap_socket(raw, server_side=True) as client, \
                socket.create_connection(("127.0.0.1", self.target)) as server:
            threading.Thread(target=self.copy, args=(server, client), daemon=True).start()
            self.copy(client, server)

    @staticmethod
    def copy(source, sink):
        with contextlib.suppress(OSError):
            while data := source.recv(65536):
                sink.sendall(data)
            sink.shutdown(socket.SHUT_WR)

    def close(self):
        self.listener.close()


@contextlib.contextmanager
def named(tmp_path):
    """A deployment that reaches the sandbox over TLS by a name; its names and the port there."""
    tmp_path.chmod(0o755)
    port, names = free_port(), Names(tmp_path)
    certificate, key = self_signed(tmp_path, f"DNS:{NAME}")
    origin = f"https://{NAME}:{port}"
    with contextlib.closing(names.silent), deployment(start=False, launcher=names.launcher, settings={
            "BIGCOMMERCE_LOGIN_URL": origin, "BIGCOMMERCE_API_URL": origin,
            "BIGCOMMERCE_CA_FILE": str(certificate)}) as running, \
            contextlib.closing(TLSFront("127.9.9.1", port, (certificate, key), running.sandbox_port)):
        yield running, names, port


def timed_call(running, key, **headers):
    start = time.monotonic()
    answer = running.call(key, "GET", f"/stores/{STORE}/v2/store", headers=headers)
    return answer, time.monotonic() - start


def begin(running):
    running.start()
    running.bootstrap()
    return running.service_key(stores=[STORE])


def test_an_address_that_refuses_costs_nothing(tmp_path):
    with named(tmp_path) as (running, names, port):
        names.set("127.0.0.1", "127.9.9.1")
        key = begin(running)
        running.install(STORE)
        wait_until(lambda: timed_call(running, key)[0].status == 200, "the store can be called", 10)
        running.kill()
        running.start()
        answer, seconds = timed_call(running, key)
        assert answer.status == 200 and seconds < ceiling(1), (answer, seconds)


@pytest.mark.parametrize("holes", [1, 2, 3])
def test_an_address_that_swallows_everything_does_not_use_up_the_time_to_connect(tmp_path, holes):
    with named(tmp_path) as (running, names, port), contextlib.ExitStack() as open_holes:
        # glibc puts the addresses nearest to our own (127.0.0.1) first.
        swallowing = ["127.0.0.1", "127.0.0.2", "127.0.0.3"][:holes]
        for address in swallowing:
            open_holes.enter_context(contextlib.closing(BlackHole(address, port)))
        names.set(*swallowing, "127.9.9.1")
        key = begin(running)
        running.install(STORE)
        wait_until(lambda: timed_call(running, key)[0].status == 200, "the store can be called", 10)
        # A connection of its own: the two before may still be open.
        running.kill()
        running.start()
        answer, seconds = timed_call(running, key)
        assert answer.status == 200, answer
        assert seconds < ceiling(3.5), seconds


def test_a_hung_name_server_costs_its_callers_three_seconds_and_others_nothing(tmp_path):
    with named(tmp_path) as (running, names, port):
        names.set("127.9.9.1")
        key = begin(running)
        running.install(STORE)
        running.stop()
        names.set()
        running.start()
        answers = []
        once = {"Latchkey-Retry": "0"}
        callers = [threading.Thread(target=lambda: answers.append(timed_call(running, key, **once))) for _ in range(12)]
        for caller in callers:
            caller.start()
        slowest = 0
        while any(caller.is_alive() for caller in callers):
            start = time.monotonic()
            assert request(running.internal, "GET", "/readyz").status == 200
            assert request(running.public, "GET", "/healthz").status == 200
            slowest = max(slowest, time.monotonic() - start)
            time.sleep(0.02)
        assert len(answers) == 12
        for answer, seconds in answers:
            assert answer.status == 502 and answer.json["code"] == "upstream_unreachable", answer
            assert answer.json["outcome"] == "not_sent", answer
            # Few calls are out before a store's first answer, or for half a second.
            assert seconds < ceiling(4.5), seconds
        assert slowest < ceiling(0.5), slowest
        # An install is answered in its own time, and its code stays good.
        query = running.callback_query(STORE)
        start = time.monotonic()
        page = request(running.public, "GET", f"/auth/callback?{query}")
        assert page.status >= 500 and time.monotonic() - start < 20, page
        names.set("127.9.9.1")
        wait_until(lambda: timed_call(running, key)[0].status == 200, "names are found again", 30)
        running.stop()
