"""Two hosts on one store."""

import pytest
from other_hosts import OtherHost, be_quick


@pytest.fixture
def arrive():
    """What a process of another host does first."""
    return lambda: None


@pytest.fixture
def far(monkeypatch, arrive):
    """Starts processes of other hosts (:class:`other_hosts.OtherHost`). Here, too, ``flock`` locks nobody out."""
    be_quick(monkeypatch)
    monkeypatch.setattr('fcntl.flock', lambda *_: None)
    started = []

    def start(act, name='far'):
        started.append(OtherHost(act, name, arrive))
        return started[-1]

    yield start
    for other in started:
        other.kill()
