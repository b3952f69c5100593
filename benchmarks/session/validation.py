"""The images on which values are chosen, where rows are tuned, and what that costs."""

from benchmarks.plan.plan import Plan
from benchmarks.session.data import Data, DataSet
from benchmarks.session.stacks import Stacks
from benchmarks.stacks.tuning import SEARCH, training, tuned_name


def tuned_techniques(stacks: Stacks) -> list[str]:
    """The techniques that tuned rows tune."""
    return [name for name in stacks.techniques if tuned_name(name) in stacks.techniques]


def techniques_trained(stacks: Stacks) -> list[str]:
    """Those of them whose training is tuned."""
    return [name for name in tuned_techniques(stacks) if training(stacks.techniques[name])]


def validation_images(stacks: Stacks, data: Data) -> DataSet:
    """The validation data set of the tuned rows and of sweeps; all of them have the same images."""
    rows = (*stacks.layout.tuned_of, *stacks.layout.validated)
    return data.of(stacks.paired[rows[0]][SEARCH]['data'])


def tuning_note(stacks: Stacks, data: Data, plan: Plan) -> str:
    """Which techniques are tuned, by how many trials each, on which images, and how many trainings that takes."""
    trained = techniques_trained(stacks)
    names = ', '.join(['the baseline'] * bool(trained) + tuned_techniques(stacks))
    number = len(validation_images(stacks, data).split.images)
    text = f'tuned rows: {stacks.trials} trials for each of {names}; values are chosen on {number} validation images'
    extra = len(trainings_of_trials(plan))
    return f'{text}; {extra} of the {plan.count("train")} trainings are for trials alone' if trained else text


def trainings_of_trials(plan: Plan) -> list[str]:
    """Keys of the trainings that a choice reads, and that no row has as its own."""
    own = {key for cell in plan.cells for _, key in cell.steps}
    beside = dict.fromkeys(key for cell in plan.cells for kind, key in cell.beside if kind == 'train')
    return [key for key in beside if key not in own]
