import pytest


@pytest.fixture(autouse=True)
def _cached(data_cache):
    """Data are prepared once, and not in the user's own cache."""
