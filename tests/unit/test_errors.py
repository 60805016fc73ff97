"""Errors that travel from a worker."""

from __future__ import annotations

import pickle

from lrbench.errors import NOTHING, ConfigError


def test_an_error_that_travelled_says_the_same() -> None:
    for error in (ConfigError("must be even"), ConfigError("must be even", key="number", got=None)):
        travelled = pickle.loads(pickle.dumps(error))
        assert type(travelled) is ConfigError
        assert str(travelled) == str(error)
        assert travelled.problems == error.problems
    assert pickle.loads(pickle.dumps(NOTHING)) is NOTHING
