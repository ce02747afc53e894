import pytest
from deployment import deployment


@pytest.fixture(scope="module")
def running():
    """One deployment for the tests of a file."""
    with deployment(stores=3) as made:
        yield made
