"""A grid: which baseline, which designs, how many seeds. One file in ``configs/grids/``:

title = 'Improvement table'
baseline = '../baselines/unet_small_icbm152.py'      # beside the grid file, or 'mmseg::…'
designs = [dict(type='cumulative', techniques=['cbam', 'focal_dice_boundary'])]
seeds = 3
baseline_seeds = 'auto'                               # more seeds for the baseline; optional
validation_share = 0.2                                # carve validation images out of the training images; optional
tune = 30                                             # tuned rows, with so many trials of each technique; optional
tune_only = ['crf']                                   # the techniques that are tuned; optional
baseline_search = dict(space=dict(...))               # what is searched of the baseline; optional
folds = 5                                             # resample training and test images by groups; optional
published_dice = dict(baseline=85.0)                  # a publication's Dice per stack, shown beside ours
metric = 'dice'                                       # the score by which the grid asks; optional
equivalence_margin = 0.5                              # in its unit: differences within which two stacks count as equal
latency_budget_ms = 50                                # milliseconds that one inference may take; optional
positive_control = False                              # no known harm of its own; optional
primary = ['cumulative']                              # designs, or pairs of stacks, that answer the question
technique_folders = ['techniques']                    # folders of techniques of one's own, beside the grid file
slurm = dict(partition='gpu', gpus=1, time='2h')      # what jobs ask for with --launcher slurm; optional
ray = dict(gpus=0.5)                                  # what a stage takes with --launcher ray; optional
store = 's3://bucket/prefix'                          # the remote store; optional
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from types import NoneType
from typing import Any

from benchmarks.analysis.metrics import METRIC_OF, POINTS
from benchmarks.data.folds import LEAVE_ONE_GROUP_OUT, is_number_of_folds
from benchmarks.errors import BadInput, did_you_mean
from benchmarks.plan.other_files import refuse_another_kind, refuse_no_file
from benchmarks.plan.reference_seeds import AUTO
from benchmarks.stacks.compose import load_config
from benchmarks.stacks.search import FEWEST_TRIALS


@dataclass(frozen=True)
class Grid:
    """The content of a grid file.

    Args:
        name: The file's name without its suffix.
        title: Heading of the report.
        baseline: The baseline's config: a path, or ``mmseg::…``.
        designs: See :func:`benchmarks.plan.designs.lay_out`.
        seeds: The number of seeds, counted from 0.
        baseline_seeds: The number of seeds of the baseline, and of rows that share its training; ``'auto'`` for
            ``seeds`` times the root of the number of other trainings, without those of rows whose network is tuned.
            By default as many as the other rows.
        folds: How many folds training and test images are resampled in, or ``'leave_one_group_out'``; None for the
            splits as they are.
        validation_share: The share of the training images that no row trains on, and on which values are chosen; None
            for the validation images of the baseline.
        tune: The number of trials of each technique with a ``search``, in tuned rows; None for no tuned rows.
        tune_only: The techniques that are tuned; None for all that have a ``search``.
        baseline_search: Values of the baseline that are searched where the training of a technique is: fields as those
            of a technique's ``search``; empty for the learning rate.
        published_dice: Published Dice in percent by stack name.
        metric: The score of the question: a key of ``analysis.metrics.METRIC_OF``.
        equivalence_margin: In the unit of the metric: percent points, or pixels.
        latency_budget_ms: Milliseconds that the inference of an image may take; None for no limit.
        positive_control: Whether the grid gets a known harm by itself when it has more than a few rows and has none.
        primary: The comparisons that answer the question of the grid: names of designs, and pairs as in the design
            ``explicit``; None for the steps of ``cumulative``, or for all where there are none.
        technique_folders: Folders of techniques of one's own; paths beside the grid's file. By default ``techniques``
            beside the file, if there is such a folder.
        slurm: What jobs ask for with ``--launcher slurm``: keys and values as for ``--slurm``, which wins.
        ray: What a stage takes with ``--launcher ray``: keys and values as for ``--ray``, which wins.
        store: The URL of the remote store, as for ``--store``, which wins; a path without ``://`` is absolute here.
        file: The grid's file.
    """

    name: str
    title: str
    baseline: str
    designs: list[dict]
    seeds: int = 3
    baseline_seeds: int | str | None = None
    folds: int | str | None = None
    validation_share: float | None = None
    tune: int | None = None
    tune_only: list[str] | None = None
    baseline_search: dict = field(default_factory=dict)
    published_dice: dict[str, float] = field(default_factory=dict)
    metric: str = 'dice'
    equivalence_margin: float = 0.5
    latency_budget_ms: float | None = None
    positive_control: bool = True
    primary: list | None = None
    technique_folders: list[str] = field(default_factory=list)
    slurm: dict[str, str | int | float] = field(default_factory=dict)
    ray: dict[str, str | int | float] = field(default_factory=dict)
    store: str | None = None
    file: Path = field(default=Path(), compare=False)

    @property
    def module_folders(self) -> list[Path]:
        """The folders whose modules are imported by name: the grid's own, and those that hold technique folders."""
        above = [Path(folder).parent for folder in self.technique_folders]
        return list(dict.fromkeys([self.file.resolve().parent, *above]))


NOT_IN_FILES = ('name', 'file')
REQUIRED = ('title', 'baseline', 'designs')
OWN_TECHNIQUES = 'techniques'
# The type of each field, and the words for it.
WANTED: Mapping[str, tuple[type | tuple[type, ...], str]] = dict(
    title=(str, 'a text'),
    baseline=(str, "the path of a config beside the grid's file, or 'mmseg::…'"),
    designs=(list, "a list, [dict(type='cumulative', techniques=[...])]"),
    seeds=(int, 'a number without quotes'),
    baseline_seeds=((int, str, NoneType), "a number, or 'auto'"),
    folds=((int, str, NoneType), f"a number, or '{LEAVE_ONE_GROUP_OUT}'"),
    validation_share=((int, float, NoneType), 'a share of the training images, such as 0.2'),
    tune=((int, NoneType), 'a number of trials without quotes'),
    tune_only=((list, NoneType), "a list of names of techniques, ['crf']"),
    baseline_search=(dict, 'a dict, dict(space=dict(key=[value, ...]), trials=8)'),
    published_dice=(dict, 'a dict of numbers in percent, dict(baseline=85.0)'),
    metric=(str, f'one of {", ".join(METRIC_OF)}'),
    equivalence_margin=((int, float), 'percent points (pixels of a distance), without quotes'),
    latency_budget_ms=((int, float, NoneType), 'milliseconds, without quotes'),
    positive_control=(bool, 'False for no positive control of its own, or leave it out'),
    primary=((list, NoneType), 'a list of names of designs, and of pairs of stacks'),
    technique_folders=(list, "a list of folders beside the grid's file"),
    slurm=(dict, "a dict of what jobs ask for, dict(partition='gpu', time='2h')"),
    ray=(dict, 'a dict of what a stage takes, dict(gpus=0.5)'),
    store=((str, NoneType), "a URL, 's3://bucket/prefix', or a folder beside the grid's file"),
)


def read_grid(path: Path) -> Grid:
    """Read a grid's file; the path of a baseline is relative to the file's folder.

    Raises:
        BadInput: The file is missing, does not parse, is no grid, or has wrong, missing or unknown fields: all of them
            are named.
    """
    refuse_no_file(path)
    content = load_config(path)
    refuse_another_kind(path, content)
    known = {f.name for f in fields(Grid)}.difference(NOT_IN_FILES)
    mistakes = [
        f"{path} has a field '{key}' that no grid has{did_you_mean(key, known)}"
        for key in sorted(content.keys() - known)
    ]
    mistakes += [f"{path} lacks the field '{key}'" for key in REQUIRED if key not in content]
    mistakes += _wrong_values(path, {key: value for key, value in content.items() if key in known})
    if mistakes:
        raise BadInput(*mistakes)
    if '::' not in content['baseline']:
        content['baseline'] = str((path.parent / content['baseline']).resolve())
    if content.get('store') is not None and '://' not in content['store']:
        content['store'] = str((path.parent / Path(content['store']).expanduser()).resolve())
    content['technique_folders'] = _technique_folders(path, content.get('technique_folders'))
    return Grid(name=path.stem, **content, file=path)


def _technique_folders(path: Path, given: list[str] | None) -> list[str]:
    """The absolute paths of the folders that a grid names, or of the one beside it.

    Raises:
        BadInput: Folders do not exist; names all of them.
    """
    beside = path.resolve().parent
    if given is None:
        return [str(beside / OWN_TECHNIQUES)] if (beside / OWN_TECHNIQUES).is_dir() else []
    folders = [(beside / folder).resolve() for folder in given]
    missing = [
        f"{path}: 'technique_folders' names '{name}', and there is no folder {folder}"
        for name, folder in zip(given, folders)
        if not folder.is_dir()
    ]
    if missing:
        raise BadInput(*missing)
    return [str(folder) for folder in folders]


def _wrong_baseline_seeds(path: Path, right: dict) -> list[str]:
    """What is wrong with ``baseline_seeds``: nothing, or one sentence."""
    asked, seeds = right.get('baseline_seeds'), right.get('seeds', 1)
    if asked in (None, AUTO) or (type(asked) is int and asked >= seeds):
        return []
    return [
        f"{path}: 'baseline_seeds' is {asked!r}; give '{AUTO}', or a number that is not below the {seeds} of 'seeds'"
    ]


def _wrong_share(path: Path, right: dict) -> list[str]:
    """What is wrong with ``validation_share``: nothing, or one sentence."""
    share = right.get('validation_share')
    if share is None:
        return []
    if isinstance(share, bool) or not 0 < share <= 0.5:
        return [f"{path}: 'validation_share' is {share!r}; give a share above 0 and up to 0.5, such as 0.2"]
    if right.get('folds') is not None:
        return [
            f"{path}: 'validation_share' and 'folds' do not go together, because each training image is in a test of "
            'the folds; give val_dataloader of the baseline images of its own, or take one of the two out'
        ]
    return []


def _wrong_values(path: Path, content: dict) -> list[str]:
    """What is wrong with the values of known fields: a sentence for each field."""
    wrong = [key for key, value in content.items() if not isinstance(value, WANTED[key][0])]
    mistakes = [
        f"{path}: '{key}' is {content[key]!r}; give {WANTED[key][1]} (configs/README.md, section Grids)"
        for key in wrong
    ]
    right = {key: value for key, value in content.items() if key not in wrong}
    if right.get('store') == 'none':
        mistakes.append(f"{path}: 'store' is 'none'; leave the field out for no store, or give {WANTED['store'][1]}")
    mistakes += _wrong_baseline_seeds(path, right)
    folds = right.get('folds')
    if folds is not None and not is_number_of_folds(folds):
        mistakes.append(f"{path}: 'folds' is {folds!r}; give a number from 2 on, or '{LEAVE_ONE_GROUP_OUT}'")
    mistakes += _wrong_share(path, right)
    tune = right.get('tune')
    if tune is not None and (isinstance(tune, bool) or tune < FEWEST_TRIALS):
        mistakes.append(
            f"{path}: 'tune' is {tune!r}; give a number from {FEWEST_TRIALS} on: the first trial has the own values"
        )
    margin = right.get('equivalence_margin', 0)
    if isinstance(margin, bool) or not 0 <= margin < math.inf:
        mistakes.append(
            f"{path}: 'equivalence_margin' is {margin!r}; give percent points, or pixels of a distance, 0 or more"
        )
    metric = right.get('metric', 'dice')
    if metric not in METRIC_OF:
        mistakes.append(
            f"{path}: 'metric' is {metric!r}, and no score has that name{did_you_mean(metric.lower(), METRIC_OF)}"
        )
    elif METRIC_OF[metric].unit != POINTS and 'equivalence_margin' not in content:
        mistakes.append(
            f"{path}: 'metric' is {metric!r}, in pixels; say within how many two stacks count as equal with "
            f"'equivalence_margin', or 0 for none"
        )
    budget = right.get('latency_budget_ms')
    if budget is not None and (isinstance(budget, bool) or not 0 < budget < math.inf):
        mistakes.append(f"{path}: 'latency_budget_ms' is {budget!r}; give milliseconds above 0, or leave it out")
    mistakes += [
        f"{path}: published_dice of '{stack}' is {dice!r}; give a number in percent, such as 85.0"
        for stack, dice in right.get('published_dice', {}).items()
        if isinstance(dice, bool) or not isinstance(dice, (int, float)) or not math.isfinite(dice)
    ]
    mistakes += [
        f"{path}: 'technique_folders' holds {folder!r}; give paths beside the grid's file"
        for folder in right.get('technique_folders', [])
        if not isinstance(folder, str)
    ]
    mistakes += [
        f"{path}: '{launcher}' gives {key!r} the value {value!r}; give a text, such as '2h', or a number"
        for launcher in ('slurm', 'ray')
        for key, value in right.get(launcher, {}).items()
        if isinstance(value, bool) or not isinstance(value, (str, int, float)) or value == ''
    ]
    if right.get('store') == '':
        mistakes.append(f"{path}: 'store' is empty; give {WANTED['store'][1]}, or leave it out")
    mistakes += [
        f"{path}: 'primary' holds {entry!r}; give names of designs, or pairs such as (['cbam'], [])"
        for entry in right.get('primary') or []
        if not _names_comparisons(entry)
    ]
    mistakes += [
        f"{path}: 'designs' holds {design!r}; write dict(type='cumulative', techniques=[...])"
        for design in right.get('designs', [])
        if not isinstance(design, dict)
    ]
    return mistakes


def _names_comparisons(entry: Any) -> bool:
    """Whether an entry of ``primary`` is the name of a design, or a pair of stacks."""
    if isinstance(entry, str):
        return True
    is_pair = isinstance(entry, (list, tuple)) and len(entry) == 2
    return is_pair and all(isinstance(stack, (list, tuple)) for stack in entry)
