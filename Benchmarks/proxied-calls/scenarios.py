"""What is measured: which peers, how many connections, what is asked for and sent."""
from dataclasses import dataclass

from upstream import BODIES, EMPTY_PATH, PRODUCTS_PATH, SINK_PATH, sized_path

PROXIES = ("nginx", "haproxy", "latchkey", "go", "node")
WITHOUT, LOG = {"LATCHKEY_RETENTION_USAGE": "0"}, {"LATCHKEY_LOG_LEVEL": "info", "LATCHKEY_LOG_FORMAT": "json"}


@dataclass(frozen=True)
class Scenario:
    """The first peer is the base of the ratios."""
    title: str
    peers: tuple = PROXIES
    connections: int = 64
    secure: bool = False
    method: str = "GET"
    path: str = PRODUCTS_PATH
    body: int = 0
    # Further connections that have made one call and stay open.
    idle: int = 0
    # By peer: further settings of Latchkey; who stands here is Latchkey, whatever its label.
    settings: dict = None

    def started(self):
        """Label, program, cores and environment of each peer."""
        for peer in self.peers:
            name, cores = peer.removesuffix(", 2 cores"), 2 if peer.endswith(", 2 cores") else 1
            settings = (self.settings or {}).get(peer, {})
            yield peer, "latchkey" if peer in (self.settings or {}) else name, cores, settings


SCENARIOS = {
    "calls": Scenario("GET of 4 KB, 64 connections", PROXIES + ("express+http-proxy", "express+axios")),
    "one-connection": Scenario("GET of 4 KB, one connection", connections=1),
    "two-cores": Scenario("GET of 4 KB, 64 connections, one and two cores", tuple(
        name + cores for name in ("nginx", "haproxy", "latchkey", "go") for cores in ("", ", 2 cores"))),
    "tls": Scenario("GET of 4 KB, 64 connections, TLS to the upstream", secure=True),
    "connections-1000": Scenario("GET of 4 KB, 64 of 1000 connections busy", idle=936),
    "connections-10000": Scenario("GET of 4 KB, 64 of 10000 connections busy", idle=9936),
    "get-0": Scenario("GET that answers 204", path=EMPTY_PATH),
    "get-64-kib": Scenario("GET of 64 KiB", path=sized_path("64 KiB")),
    "get-8-mib": Scenario("GET of 8 MiB, 8 connections", path=sized_path("8 MiB"), connections=8),
    "put-0": Scenario("PUT without a body", method="PUT", path=SINK_PATH),
    "put-64-kib": Scenario("PUT of 64 KiB", method="PUT", path=SINK_PATH, body=BODIES["64 KiB"]),
    "put-8-mib": Scenario(
        "PUT of 8 MiB, 8 connections", method="PUT", path=SINK_PATH, body=BODIES["8 MiB"], connections=8),
    "records": Scenario(
        "GET of 4 KB, Latchkey with and without what it records", ("nothing recorded", "usage", "log", "usage and log"),
        settings={"nothing recorded": WITHOUT, "usage": {}, "log": WITHOUT | LOG, "usage and log": LOG}),
}
