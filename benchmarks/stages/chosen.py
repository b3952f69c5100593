"""The values that the stages ``choose`` and ``select`` have chosen, as a file of their results."""

import json
from collections.abc import Mapping
from pathlib import Path

from benchmarks.stacks.network_trials import alternative
from benchmarks.stacks.tuning import Values, with_values

CHOSEN = 'chosen.json'
TRIAL = 'trial'  # of a choice among trials of a network: the place of the chosen one


def write_chosen(folder: Path, values: Values) -> None:
    """Keep values by their dotted paths in a config."""
    (folder / CHOSEN).write_text(json.dumps(values, indent=1) + '\n')


def write_trial(folder: Path, place: int) -> None:
    """Keep the place of the trial that was chosen."""
    write_chosen(folder, {TRIAL: place})


def chosen_trial(parents: Mapping[str, Path]) -> int | None:
    """The place of the trial that the stage ``choose`` has chosen; None without such a parent."""
    return json.loads((parents['choose'] / CHOSEN).read_text())[TRIAL] if 'choose' in parents else None


def with_chosen(config: dict, parents: Mapping[str, Path]) -> dict:
    """The config with the values that were chosen for it; without such a parent with those of the techniques' files.

    Args:
        config: A resolved config.
        parents: The folders of the results that a stage reads, by role: ``choose`` says which of the config's
            alternatives is taken, ``select`` which values its refinements get.
    """
    config = alternative(config, chosen_trial(parents))
    if 'select' not in parents:
        return config
    return with_values(config, json.loads((parents['select'] / CHOSEN).read_text()))
