"""What a run does when its plan has ended."""

from pathlib import Path
from types import SimpleNamespace

import pytest

from benchmarks.session import execution, until_decided
from benchmarks.session.execution import execute
from benchmarks.session.until_decided import LookAfterLook

HERE, ON_A_NODE = object(), object()  # ways to call a function
DRIVER = SimpleNamespace(store=None, launcher=SimpleNamespace(call=ON_A_NODE))


class Interim:
    def __enter__(self):
        return self

    def __exit__(self, *exception):
        pass

    def know(self, state):
        pass


@pytest.fixture
def concluded(monkeypatch):
    """The ways to call a function with which runs were concluded; nothing is run, judged or written."""
    calls = []
    for module in (execution, until_decided):
        monkeypatch.setattr(module, 'drive', lambda *_: SimpleNamespace(results={}, cached=set()))
        monkeypatch.setattr(module, 'conclude', lambda *_, call: calls.append(call) or True)
        monkeypatch.setattr(module, 'interim_reports', lambda *_, **__: Interim())
    return calls


def test_panels_are_written_by_a_process_of_the_machine_that_has_the_output_folder(concluded):
    assert execute(DRIVER, None, Path('out'), 'command', None, call=HERE)
    assert concluded == [HERE]


def test_panels_of_looks_are_written_there_too(concluded, monkeypatch):
    monkeypatch.setattr(LookAfterLook, '_judge', lambda *_: [])
    monkeypatch.setattr(LookAfterLook, '_further', lambda *_: (None, ''))
    place = SimpleNamespace(local=SimpleNamespace(call=HERE))
    ways = SimpleNamespace(store=None, launcher=DRIVER.launcher, place=place)
    look = SimpleNamespace(experiment=None, time_left=None, reasons={})
    assert LookAfterLook(ways, Path('out'), 'command', None, 0.0).run(look, DRIVER)
    assert concluded == [HERE]
