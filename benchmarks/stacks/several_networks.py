"""Stacks that train several networks: ensembles, and students that learn from a teacher's pseudo-labels.

A config asks for them under two keys. Both may be used together. All other keys hold for each of the networks.

``ensemble``: networks that predict together. There are three ways:

* ``dict(seeds=3)``: the stack is trained with three seeds;
* ``dict(members=[dict(), dict(model=…)])``: the stack is trained with each of these overlays;
* ``dict(last_checkpoints=3)``: the stack is trained once, and its last three checkpoints predict together.

``teacher``: a network that labels images for another network, the student. ``dict(data=…, unlabelled=…,
confidence=0.9)`` names two types of data sets. The student's config has one training data set with a ``label_dir``, the
folder of the labels. The type ``data`` in its place gives the teacher's training data; the type ``unlabelled`` in its
place gives the images to label.

Nothing here imports a framework.
"""

import copy
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from benchmarks.errors import BadInput
from benchmarks.files import digest
from benchmarks.stacks.pipelines import without_masks
from benchmarks.stacks.tree import map_tree, mappings

ENSEMBLE, TEACHER, LABEL_DIR = 'ensemble', 'teacher', 'label_dir'
SEARCH = 'search'  # where a stack says which values are chosen on which images (benchmarks.stacks.tuning)
WAYS = ('seeds', 'members', 'last_checkpoints')
# Seeds of a grid count from 0. The seeds of ensemble members start here, so no cell has the same one.
SEEDS_APART = 1000
# The seeds of an A/A arm start here, above those of all members.
AGAIN_APART = 2_000_000


def member_seed(seed: int, member: int) -> int:
    """The seed of an ensemble's ``member``-th training in the cell of ``seed``. No two trainings share one.

    Args:
        seed: The cell's seed.
        member: The member's number, from 0.

    Raises:
        BadInput: The seed or the number is so large that two trainings would share a seed.
    """
    if seed >= SEEDS_APART or member >= SEEDS_APART:
        raise BadInput(
            f'an ensemble takes less than {SEEDS_APART} seeds and members; this one needs seed {seed} and '
            f'member {member}'
        )
    return SEEDS_APART * (seed + 1) + member


@dataclass(frozen=True)
class Member:
    """One training of a stack.

    Args:
        config: The training's config: the stack's config without ``ensemble``. With ``last_checkpoints`` the key stays,
            because the training keeps that many checkpoints.
        number: The number of the member in an ensemble of several trainings, from 0; None for a stack's only training.
    """

    config: dict
    number: int | None

    @property
    def called(self) -> str:
        """A suffix for the name of its stack or cell, such as `` member 2``; empty for a stack's only training."""
        return '' if self.number is None else f' member {self.number + 1}'

    def seed(self, seed: int) -> int:
        """The seed of this training in the cell of ``seed``."""
        return seed if self.number is None else member_seed(seed, self.number)


def members(config: dict) -> list[Member]:
    """The trainings of a stack: one, unless it is an ensemble over seeds or over configs.

    Raises:
        BadInput: As :func:`ensemble_of`.
    """
    way, value = ensemble_of(config)
    alone = {key: value for key, value in config.items() if key != ENSEMBLE}
    if way == 'seeds':
        return [Member(alone, number) for number in range(value)]
    if way == 'members':
        return [Member(member, number) for number, member in enumerate(value)]
    return [Member(config if way else alone, None)]


def ensemble_of(config: Mapping[str, Any]) -> tuple[str | None, Any]:
    """The way of a config's ensemble, one of :data:`WAYS`, and its value; (None, None) without an ensemble.

    Raises:
        BadInput: The key ``ensemble`` holds no known way, several ways, or less than 2 networks.
    """
    ensemble = config.get(ENSEMBLE)
    if not ensemble:
        return None, None
    if len(ensemble) != 1 or set(ensemble) - set(WAYS):
        raise BadInput(
            f"'{ENSEMBLE}' has the keys {', '.join(sorted(ensemble))}; it takes one of {', '.join(WAYS)} "
            f'(two ensembles in one stack do not go together)'
        )
    ((way, value),) = ensemble.items()
    count = len(value) if way == 'members' and isinstance(value, (list, tuple)) else value
    if not isinstance(count, int) or isinstance(count, bool) or count < 2:
        raise BadInput(f"'{ENSEMBLE}.{way}' is {value!r}; an ensemble needs 2 networks at least")
    if way == 'last_checkpoints':
        _refuse_too_few_checkpoints(config, count)
    return way, value


def _refuse_too_few_checkpoints(config: Mapping[str, Any], count: int) -> None:
    hook = (config.get('default_hooks') or {}).get('checkpoint') or {}
    kept, interval = hook.get('max_keep_ckpts', -1), hook.get('interval', -1)
    loop = config.get('train_cfg') or {}
    length = loop.get('max_epochs') if hook.get('by_epoch', True) else loop.get('max_iters')
    written = -(-length // interval) if length and interval > 0 else 1
    if 0 < kept < count or written < count:
        raise BadInput(
            f"'{ENSEMBLE}.last_checkpoints' is {count}, but the training of {length} keeps one every "
            f'{interval} and of these the last {kept}; set interval and max_keep_ckpts in '
            f'default_hooks.checkpoint'
        )


def overlays_of_members(config: Mapping[str, Any]) -> list[dict]:
    """The overlays of the members of an ensemble over configs; empty for every other stack.

    Raises:
        BadInput: As :func:`ensemble_of`.
    """
    way, value = ensemble_of(config)
    return list(value) if way == 'members' else []


def without_ensemble(config: Mapping[str, Any]) -> dict:
    """``config`` without its key ``ensemble``."""
    return {key: value for key, value in config.items() if key != ENSEMBLE}


def with_members(shared: dict, whole: list[dict]) -> dict:
    """The config of an ensemble whose members are given by whole configs.

    Args:
        shared: The finished config of the stack without any member's overlay.
        whole: The finished config of each member.

    Raises:
        BadInput: Two members are equal, or a member changes how all are tested together.
    """
    _refuse_equal_members(whole)
    for number, member in enumerate(whole, 1):
        for key in ('test_dataloader', 'test_cfg', 'inference', 'test_evaluator', ENSEMBLE):
            if digest(member.get(key)) != digest(shared.get(key)):
                raise BadInput(
                    f"member {number} of the ensemble changes '{key}', but all members are tested together; "
                    f'change it beside the members'
                )
    return {**shared, ENSEMBLE: {'members': whole}}


def _refuse_equal_members(whole: list[dict]) -> None:
    seen: dict[str, int] = {}
    for number, member in enumerate(whole, 1):
        first = seen.setdefault(digest(member), number)
        if first != number:
            raise BadInput(
                f'members {first} and {number} of the ensemble are the same config on this baseline; give it '
                f'members that differ, or one technique less'
            )


def each_training(config: dict, change: Callable[[dict], dict]) -> dict:
    """``config`` with ``change`` applied to it, and to the whole config of each member of an ensemble over configs."""
    way, value = ensemble_of(config)
    changed = change(config)
    return {**changed, ENSEMBLE: {'members': [change(member) for member in value]}} if way == 'members' else changed


def has_teacher(config: Mapping[str, Any]) -> bool:
    """Whether a config is that of a student with a teacher.

    Raises:
        BadInput: There is a teacher without a student or a student without a teacher, or the teacher's keys are wrong.
    """
    students = _with_label_dir(config.get('train_dataloader'))
    teacher = config.get(TEACHER)
    if not teacher and not students:
        return False
    if not teacher:
        raise BadInput(
            f"the training data set {students[0].get('type')} takes a '{LABEL_DIR}', but no '{TEACHER}' "
            f'says who writes labels there; add {TEACHER}=dict(data=…, unlabelled=…, confidence=…)'
        )
    if len(students) != 1:
        raise BadInput(
            f"'{TEACHER}' needs one training data set with a '{LABEL_DIR}', where its labels are read; "
            f'there are {len(students)}'
        )
    if set(teacher) != {'data', 'unlabelled', 'confidence'}:
        raise BadInput(
            f"'{TEACHER}' has the keys {', '.join(sorted(teacher))}; it takes data, unlabelled and confidence"
        )
    confidence = teacher['confidence']
    if isinstance(confidence, bool) or not isinstance(confidence, (int, float)) or not 0 <= confidence < 1:
        raise BadInput(f"'{TEACHER}.confidence' is {confidence!r}; give a probability from 0 to below 1")
    return True


def teacher(config: dict) -> dict:
    """The config of the teacher of this student."""
    alone = {key: value for key, value in config.items() if key not in (TEACHER, ENSEMBLE)}
    return {
        **alone,
        'train_dataloader': _students_replaced(
            config['train_dataloader'],
            lambda node: {
                **{key: value for key, value in node.items() if key != LABEL_DIR},
                'type': config[TEACHER]['data'],
            },
        ),
    }


def student(config: dict, label_dir: str) -> dict:
    """The config of this student, with the folder of its labels."""
    return {
        **config,
        'train_dataloader': _students_replaced(config['train_dataloader'], lambda node: {**node, LABEL_DIR: label_dir}),
    }


def labelling(config: dict, baseline: dict, acts_in_test_only: Callable[[str], bool]) -> dict:
    """The config with which the teacher of this student labels images: they are its test data.

    The teacher tests as the baseline does, without views and refinements. So a technique for the test alone (views,
    noise on the test images, a compiled network …) needs no new training of the student. Only ``model.test_cfg`` is the
    stack's, because it may belong to an architecture.

    Args:
        config: The student's config.
        baseline: The baseline's config under the protocol.
        acts_in_test_only: Says of a hook's type whether the hook does nothing in training. Such hooks are taken from
            the baseline, all others from the student.
    """

    def is_for_tests(hook: Mapping[str, Any]) -> bool:
        return acts_in_test_only(hook.get('type', ''))

    hooks = [
        *(hook for hook in config.get('custom_hooks') or [] if not is_for_tests(hook)),
        *(hook for hook in baseline.get('custom_hooks') or [] if is_for_tests(hook)),
    ]
    loop = {'test_cfg': baseline['test_cfg']} if 'test_cfg' in baseline else {}
    return {
        **teacher(config),
        **loop,
        TEACHER: config[TEACHER],
        'inference': {'views': {}, 'refine': {}},
        'custom_hooks': hooks,
        'test_dataloader': {**baseline['test_dataloader'], 'dataset': unlabelled(config, baseline)},
    }


def unlabelled(config: dict, baseline: dict) -> dict:
    """The images that the teacher of this student labels, loaded as the ``baseline`` loads its test images."""
    (part,) = _with_label_dir(config['train_dataloader'])
    steps = without_masks(_pipeline(baseline['test_dataloader']['dataset']))
    return {**part, 'type': config[TEACHER]['unlabelled'], 'dataset': _with_pipeline(part['dataset'], steps)}


def in_label_dir(config: dict, folder: str) -> dict:
    """The config of :func:`labelling` that writes its labels to ``folder``."""
    loader = _students_replaced(config['test_dataloader'], lambda node: {**node, LABEL_DIR: folder})
    return {**config, 'test_dataloader': loader}


def checkpoints_kept(config: Mapping[str, Any]) -> int:
    """The number of checkpoints that this training keeps."""
    way, value = ensemble_of(config)
    return value if way == 'last_checkpoints' else 1


def _with_label_dir(node: Any) -> list[Mapping[str, Any]]:
    """The data sets in ``node`` that read labels from a folder."""
    return [dataset for dataset in mappings(node) if LABEL_DIR in dataset]


def _students_replaced(node: Any, change: Callable[[dict], dict]) -> Any:
    """``node`` with ``change`` applied to the data sets that read labels from a folder."""
    return map_tree(node, lambda part: change(part) if isinstance(part, dict) and LABEL_DIR in part else part)


def _pipeline(dataset: Mapping[str, Any]) -> list:
    """The pipeline of a data set, or of the first one inside a wrapper."""
    while 'pipeline' not in dataset:
        inner = dataset.get('dataset') or next(iter(dataset.get('datasets') or []), None)
        if inner is None:
            raise BadInput(
                'the test data set has no pipeline, and a teacher loads its images through it; give '
                'test_dataloader.dataset one'
            )
        dataset = inner
    return copy.deepcopy(list(dataset['pipeline']))


def _with_pipeline(dataset: Mapping[str, Any], pipeline: list) -> dict:
    """A data set with ``pipeline`` as its only pipeline; wrappers around it, which may repeat images, are taken off."""
    if 'dataset' in dataset:
        return _with_pipeline(dataset['dataset'], pipeline)
    if 'datasets' in dataset:
        return {**dataset, 'datasets': [_with_pipeline(inner, pipeline) for inner in dataset['datasets']]}
    return {**dataset, 'pipeline': copy.deepcopy(pipeline)}
