"""Being asked to stop, by a signal or by the end of a parent."""

import os
import signal
from types import SimpleNamespace

import pytest

from lrbench.launchers import local
from lrbench.workflows import stopping
from lrbench.workflows.stopping import gentle_stop


@pytest.mark.parametrize("number", stopping.SIGNALS)
def test_the_first_signal_is_a_request_and_the_second_an_interrupt(number):
    before = signal.getsignal(number)
    told = []
    with gentle_stop(lambda: told.append(1)) as stop:
        assert not stop.is_asked
        os.kill(os.getpid(), number)
        assert stop.is_asked
        with pytest.raises(KeyboardInterrupt):
            os.kill(os.getpid(), number)
    assert told == [1]
    assert signal.getsignal(number) is before


@pytest.mark.parametrize("error", [OSError(5, "Input/output error"), RuntimeError("reentrant")])
def test_a_closed_terminal_does_not_fail_the_run_that_is_asked_to_stop(error):
    def tell():
        raise error

    with gentle_stop(tell) as stop:
        os.kill(os.getpid(), signal.SIGHUP)
        assert stop.is_asked


def test_a_signal_that_is_ignored_stays_so():
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        with gentle_stop() as stop:
            os.kill(os.getpid(), signal.SIGHUP)
            assert not stop.is_asked
    finally:
        signal.signal(signal.SIGHUP, before)


@pytest.mark.parametrize("parent_lives", [True, False, None])
def test_a_worker_stops_when_its_parent_is_gone_and_nobody_else_does(parent_lives, monkeypatch):
    parent = None if parent_lives is None else SimpleNamespace(is_alive=lambda: parent_lives)
    monkeypatch.setattr(local.multiprocessing, "parent_process", lambda: parent)
    with gentle_stop() as stop:
        assert stop.is_asked is (parent_lives is False)


def test_a_worker_does_not_go_on_after_a_request_that_came_too_late(monkeypatch):
    parent = SimpleNamespace(is_alive=lambda: True)
    monkeypatch.setattr(local.multiprocessing, "parent_process", lambda: parent)
    done = []

    def work():
        with gentle_stop():
            os.kill(os.getpid(), signal.SIGTERM)
            done.append(1)

    with pytest.raises(KeyboardInterrupt):
        work()
    assert done == [1]
    monkeypatch.undo()
    work()
    assert done == [1, 1]
