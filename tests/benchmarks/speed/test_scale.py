"""What the harness's own work costs as the number of cells grows: all steps run, and the figures are kept."""

import gc
import json
import sys
from types import FunctionType, ModuleType

from benchmarks.run.state import State, look_up
from benchmarks.speed import scale, side_by_side
from benchmarks.store.store import Store


def test_each_step_is_measured_for_each_size(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(side_by_side, 'RESULTS', tmp_path)
    scale.main([20, 60])
    kept = json.loads((tmp_path / 'scale.json').read_text())
    assert [line['ours'] for line in kept['lines']] == [*scale.STEPS]
    assert kept['lines'][0]['reference'] == '3 × 20 cells' and kept['sizes']['60']['stages'] == 186
    assert set(kept['exponents']) == set(scale.STEPS)
    assert 'memory, resume' in capsys.readouterr().out and kept['sizes']['60']['report_mib'] > 0


def size_of(*roots):
    """The bytes of all that is reached from these objects, but for code."""
    found, waiting = {}, list(roots)
    while waiting:
        one = waiting.pop()
        if id(one) not in found and not isinstance(one, (type, ModuleType, FunctionType)):
            found[id(one)] = one
            waiting += gc.get_referents(one)
    return sum(map(sys.getsizeof, found.values()))


def test_a_cell_takes_little_memory(tmp_path):
    """Plan, results and standings of a run that resumes: 4.5 KiB a cell, 7.4 if facts were dicts and nothing shared."""
    cells, store = 300, Store(tmp_path)
    plan, _ = scale.plan_of(cells)
    scale.store_all(plan, store)
    found, _ = look_up(store, plan)
    state = State(plan, found)
    assert len(found) == len(plan.stages) and state.standings.maps_needed() == set()
    assert size_of(plan, found, state) < 5.5 * 1024 * cells
