"""Writes what a grid asks into its output folder before the first result is there."""

from pathlib import Path

from benchmarks.record import read_grid_json, write_grid
from benchmarks.run.state import State
from benchmarks.session.earlier_questions import remember_asked
from benchmarks.session.experiment import Experiment
from benchmarks.session.grid_record import cells_of, grid_content
from benchmarks.store.sole_user import sole_user


def ask(experiment: Experiment, state: State, command: str, out: Path) -> None:
    """Write the question of a grid to ``grid.json``, unless it stands there already.

    Args:
        experiment: The checked and planned grid.
        state: Where the run stands, before it begins.
        command: The command line.
        out: The output folder. Without a readable ``grid.json`` it gets one.
    """
    tested = [state.results.get(cell.tested) for cell in experiment.plan.cells]
    with sole_user(out):
        content = grid_content(experiment, command, out, n_results=sum(result is not None for result in tested))
        questions = content['questions']
        try:
            written = read_grid_json(out)
        except ValueError:
            written = content
        if written is content or written.get('questions') != questions:
            write_grid(out, written | dict(questions=questions))
            request = experiment.request
            remember_asked(out, request.settings.cache, request.grid.name, cells_of(experiment), questions)
