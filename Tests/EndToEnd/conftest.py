import pytest
from cluster import Cluster
from deployment import deployment, new_key


def pytest_configure(config):
    config.addinivalue_line("markers", "alone: compares times, rates or memory, so nothing else may run beside it")


@pytest.fixture(scope="module")
def cluster():
    """A PostgreSQL of the tests' own, to be stopped and hung."""
    made = Cluster()
    yield made
    made.close()


@pytest.fixture(scope="module")
def on_cluster(cluster):
    """A deployment of a hundred stores on that PostgreSQL, with a key for all of them."""
    with deployment(start=False, stores=100, settings={
            "DATABASE_URL": cluster.url, "CREDENTIALS_ENCRYPTION_KEY": new_key("k1"),
            "LATCHKEY_METRICS_OPEN": "true"}) as made:
        made.cli("migrate")
        made.start()
        made.bootstrap()
        made.key = made.service_key(stores=["*"])
        yield made


@pytest.fixture(scope="module")
def running():
    """One deployment for the tests of a file."""
    with deployment(stores=3) as made:
        yield made
