"""Files of users that would end the program: modules, techniques, configs and grids."""

import os
import signal
import sys

import pytest

from benchmarks.errors import BadInput
from benchmarks.plan.grid import read_grid
from benchmarks.stacks.compose import load_config
from benchmarks.stacks.contained import EndsTheProgram, contained
from benchmarks.stacks.imports import import_modules
from benchmarks.stacks.technique import Technique, read_technique

ENDS = {
    'import sys; sys.exit(0)': r'calls sys\.exit\(0\)',
    'import sys; sys.exit()': r'calls sys\.exit\(\)',
    "raise SystemExit('no data')": r"calls sys\.exit\('no data'\)",
    'import os; os._exit(0)': r'calls os\._exit\(0\)',
    'raise KeyboardInterrupt': 'raises KeyboardInterrupt',
    'import argparse; argparse.ArgumentParser().parse_args()': r'parses the command line of this program \(grid',
}


@pytest.fixture(params=ENDS)
def ending(request, tmp_path, monkeypatch):
    """Writes a file that ends the program, and gives its path and what a message says of it."""
    monkeypatch.setattr(sys, 'argv', ['run_ablation.py', 'grid.py', '--dry-run'])
    path = tmp_path / 'ends_the_program.py'
    path.write_text(f"title = 'A'\n{request.param}\n")
    return path, ENDS[request.param]


@pytest.mark.parametrize('read', [read_grid, load_config, read_technique])
def test_a_file_that_ends_the_program_is_named(ending, read, capfd):
    path, said = ending
    with pytest.raises(BadInput, match=f'{path} cannot be read: .*it {said}.*__main__'):
        read(path)


def test_a_module_that_ends_the_program_is_named_with_its_technique(ending, monkeypatch, capfd):
    path, said = ending
    monkeypatch.syspath_prepend(path.parent)
    monkeypatch.setattr('benchmarks.stacks.imports.find', lambda module: path)
    with pytest.raises(BadInput, match=f"technique 'odd' imports '{path.stem}', which fails in line 2: .*{said}"):
        import_modules({'odd': Technique('odd', '', '', {}, imports=[path.stem])}, {})
    assert 'usage' not in capfd.readouterr().err


@pytest.fixture
def ctrl_c():
    """Python's own handler, which a shell's background job lacks."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


def test_a_real_interrupt_passes_and_the_handler_stays(ctrl_c):
    with pytest.raises(KeyboardInterrupt), contained():
        os.kill(os.getpid(), signal.SIGINT)
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_a_process_that_a_file_forks_may_end():
    with contained():
        child = os.fork()
        if child == 0:
            os._exit(7)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 7
    assert not isinstance(os._exit, type(contained))


def test_other_errors_pass():
    with pytest.raises(ZeroDivisionError), contained():
        raise ZeroDivisionError
    with pytest.raises(EndsTheProgram), contained():
        raise SystemExit
