"""The values that the stages ``choose`` and ``select`` have chosen, as a file of their results."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

from benchmarks.stacks.network_trials import RANK, alternative
from benchmarks.stacks.tuning import Values, with_values
from benchmarks.stages.outcome import Diverged

CHOSEN = 'chosen.json'
TRIAL = 'trial'  # of a choice among trials of a network: the place of the chosen one
TAKEN = 'taken'  # its place among the trainings that the choice is between, which in a later round are fewer
ORDER = 'order'  # the places of the trials that go on to the next round


def write_chosen(folder: Path, values: Values) -> None:
    """Keep values by their dotted paths in a config."""
    (folder / CHOSEN).write_text(json.dumps(values, indent=1) + '\n')


def write_trial(folder: Path, place: int, taken: int, order: Sequence[int] = ()) -> None:
    """Keep the place of the trial that was chosen, that of its training, and which trials go on."""
    write_chosen(folder, {TRIAL: place, TAKEN: taken, ORDER: list(order)})


def chosen_trial(parents: Mapping[str, Path], rank: int | None = None) -> int | None:
    """The place of the trial that the stage ``choose`` has chosen; None without such a parent.

    Args:
        parents: The folders of the results that a stage reads, by role.
        rank: For the trial of this rank among those that go on instead.

    Raises:
        Diverged: Fewer trials have learned than may go on.
    """
    if 'choose' not in parents:
        return None
    choice = _choice(parents)
    if rank is None:
        return choice[TRIAL]
    if rank >= len(choice[ORDER]):
        raise Diverged(f'trials that go on: {len(choice[ORDER])}; the trainings of the others diverged')
    return choice[ORDER][rank]


def trials_in_round(parents: Mapping[str, Path], trials: int) -> list[int]:
    """The places of the trials that are trained after a choice, by rank; of all trials without one."""
    return _choice(parents)[ORDER] if 'choose' in parents else list(range(trials))


def taken_training(parents: Mapping[str, Path]) -> int:
    """The place of the chosen trial among the trainings of the last round; earlier choices have one round."""
    choice = _choice(parents)
    return choice.get(TAKEN, choice[TRIAL])


def _choice(parents: Mapping[str, Path]) -> dict:
    return json.loads((parents['choose'] / CHOSEN).read_text())


def with_chosen(config: dict, parents: Mapping[str, Path]) -> dict:
    """The config with the values that were chosen for it; without such a parent with those of the techniques' files.

    Args:
        config: A resolved config.
        parents: The folders of the results that a stage reads, by role: ``choose`` says which of the config's
            alternatives is taken, ``select`` which values its refinements get.
    """
    config = alternative(config, chosen_trial(parents, config.get(RANK)))
    if 'select' not in parents:
        return config
    return with_values(config, json.loads((parents['select'] / CHOSEN).read_text()))
