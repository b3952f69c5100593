"""The images on which values are chosen, where rows are tuned."""

from benchmarks.session.data import Data, DataSet
from benchmarks.session.stacks import Stacks
from benchmarks.stacks.tuning import SEARCH, tuned_name


def tuned_techniques(stacks: Stacks) -> list[str]:
    """The techniques that tuned rows tune."""
    return [name for name in stacks.techniques if tuned_name(name) in stacks.techniques]


def validation_images(stacks: Stacks, data: Data) -> DataSet:
    """The validation data set of the tuned rows; all of them have the same images."""
    return data.of(stacks.paired[next(iter(stacks.layout.tuned_of))][SEARCH]['data'])


def tuning_note(stacks: Stacks, data: Data) -> str:
    """Which techniques are tuned, by how many trials each, and on which images."""
    names = ', '.join(tuned_techniques(stacks))
    number = len(validation_images(stacks, data).split.images)
    return f'tuned rows: {stacks.trials} trials for each of {names}; values are chosen on {number} validation images'
