"""BigCommerce behind TLS that is wrong, silent or not there: nothing is sent, every method may be repeated, and it passes."""
import contextlib
import json
import socket
import ssl
import subprocess
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
from deployment import deployment
from misbehaving import Misbehaving
from wire import Wire

KINDS = {"GET": None, "HEAD": None, "POST": b"{}", "PUT": b"{}", "DELETE": None, "POST-streamed": b"x" * 200_000}


class Authority:
    """A certificate authority, and certificates of its making."""

    def __init__(self, folder, name):
        self.folder, self.name = folder, name
        self.openssl("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "3",
                     "-subj", f"/CN={name}", "-keyout", f"{name}.key", "-out", f"{name}.pem")

    def openssl(self, *arguments):
        subprocess.run(["openssl", *arguments], check=True, capture_output=True, cwd=self.folder)

    def context(self, name, names, days="2"):
        """A server's side of TLS under a certificate for these names; with negative days it has expired."""
        self.openssl("req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-subj", f"/CN={name}",
                     "-keyout", f"{name}.key", "-out", f"{name}.csr")
        (self.folder / f"{name}.ext").write_text(f"subjectAltName={names}\n")
        self.openssl("x509", "-req", "-in", f"{name}.csr", "-CA", f"{self.name}.pem", "-CAkey", f"{self.name}.key",
                     "-CAcreateserial", "-days", days, "-extfile", f"{name}.ext", "-out", f"{name}.pem")
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self.folder / f"{name}.pem", self.folder / f"{name}.key")
        return lambda connection: context.wrap_socket(connection, server_side=True)


def silent(connection):
    """Takes the client's hello, and never says anything."""
    while connection.recv(65536):
        pass
    raise EOFError


def resets(connection):
    connection.recv(1)
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
    raise EOFError


def babbles(connection):
    connection.recv(65536)
    connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
    raise EOFError


@pytest.fixture(scope="module")
def ready(tmp_path_factory):
    folder = tmp_path_factory.mktemp("tls")
    known, unknown = Authority(folder, "known"), Authority(folder, "unknown")
    modes = {
        "good": known.context("good", "IP:127.0.0.1"), "unknown-authority": unknown.context("stranger", "IP:127.0.0.1"),
        "expired": known.context("expired", "IP:127.0.0.1", "-1"), "wrong-host": known.context("other", "DNS:other.example"),
        "silent": silent, "resets": resets, "no-tls": babbles}
    upstream = Misbehaving(modes["good"])
    with deployment(stores=len(KINDS), settings={"BIGCOMMERCE_API_URL": f"https://127.0.0.1:{upstream.port}",
                              "BIGCOMMERCE_CA_FILE": str(folder / "known.pem")}) as running:
        running.upstream, running.modes = upstream, modes
        # One store for each kind of call, so that none waits for a place beside another.
        names = [s["store_hash"] for s in running.control("GET", "/stores")]
        running.stores = dict(zip(KINDS, names))
        for store in names:
            running.install(store)
        running.key = running.service_key()
        yield running
    upstream.close()


def call(ready, kind, retries=0, timeout=30, case="tls"):
    """The reply to a call, and how long it took."""
    began = time.monotonic()
    with Wire(ready.internal, 60) as wire:
        reply = wire.call(kind.split("-")[0], f"/stores/{ready.stores[kind]}/v3/catalog/products", {
            "X-Auth-Token": ready.key, "X-Case": case, "Latchkey-Retry": str(retries),
            "Latchkey-Timeout": str(timeout)}, KINDS[kind], kind == "POST-streamed")
        if reply.field("connection") != "close":
            # The connection goes on, whatever became of the call.
            assert wire.call("GET", "/livez").status == 200
    return reply, time.monotonic() - began


def refused(reply, kind):
    assert (reply.status, reply.field("latchkey-origin"), reply.complete) == (502, "gateway", True), reply
    if kind != "HEAD":
        said = json.loads(reply.body)
        assert (said["code"], said["outcome"]) == ("upstream_unreachable", "not_sent"), said


@contextlib.contextmanager
def wrong(ready, mode):
    """All connections are new and go wrong in that way; afterwards all is well again."""
    ready.upstream.drop()
    ready.upstream.context = ready.modes[mode]
    try:
        yield
    finally:
        ready.upstream.context = ready.modes["good"]
        well(ready)


def well(ready):
    for kind in KINDS:
        reply, _ = call(ready, kind, case="well")
        assert (reply.status, reply.complete) == (200, True), reply


@pytest.mark.parametrize("mode", ["unknown-authority", "expired", "wrong-host", "resets", "no-tls"])
def test_nothing_is_sent_to_who_cannot_prove_to_be_bigcommerce(ready, mode):
    with wrong(ready, mode):
        for kind in KINDS:
            for retries in (0, 2):
                case, before = f"{mode}/{kind}/{retries}", ready.upstream.connections
                reply, _ = call(ready, kind, retries, case=case)
                refused(reply, kind)
                assert ready.upstream.arrived[case] == []
                # Nothing was sent, so each method may be tried again.
                assert ready.upstream.connections - before == 1 + retries, case
    assert ready.upstream.arrived["tls"] == []


def at_once(ready, retries, timeout=30):
    with ThreadPoolExecutor(len(KINDS)) as pool:
        return list(pool.map(lambda kind: (kind, *call(ready, kind, retries, timeout)), KINDS))


def test_a_handshake_that_stands_still_has_five_seconds(ready):
    with wrong(ready, "silent"):
        for kind, reply, took in at_once(ready, 0):
            refused(reply, kind)
            assert 4.5 < took < 7, (kind, took)
        # The caller's own deadline comes first, and still nothing was sent.
        for kind, reply, took in at_once(ready, 2, timeout=2):
            refused(reply, kind)
            assert 1.8 < took < 4, (kind, took)


def test_an_address_that_does_not_answer_has_three_seconds(ready):
    ready.upstream.drop()
    with black_hole(ready.upstream):
        for kind, reply, took in at_once(ready, 0):
            refused(reply, kind)
            assert 2.5 < took < 5, (kind, took)
    well(ready)


@contextlib.contextmanager
def black_hole(upstream):
    """Nobody accepts and the queue is full: who connects hears nothing."""
    upstream.pause()
    fillers = []
    try:
        while True:
            filler = socket.socket()
            fillers.append(filler)
            filler.settimeout(0.3)
            try:
                filler.connect(("127.0.0.1", upstream.port))
            except TimeoutError:
                break
        yield
    finally:
        for filler in fillers:
            filler.close()
        upstream.go_on()
