"""What the seeds of a grid can show, from an earlier run on the same data: told before the run."""

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from benchmarks.analysis.cell_scores import SeedScores
from benchmarks.analysis.differences import Scores
from benchmarks.analysis.metrics import DICE, METRIC_OF, Metric
from benchmarks.analysis.power import (
    MOST_SEEDS,
    POWER,
    Components,
    Design,
    components,
    range_of_smallest_gain,
    resampled,
    seeds_needed,
    smallest_gain,
)
from benchmarks.analysis.scores import foreground_classes
from benchmarks.analysis.spending import nominal_levels
from benchmarks.files import read_json
from benchmarks.plan.question import question_of
from benchmarks.record import cell_name
from benchmarks.session.asking import n_trainings
from benchmarks.session.data import Data
from benchmarks.session.experiment import Experiment
from benchmarks.store.outputs import Outputs


class Pilot(NamedTuple):
    """An earlier run, and what varies in it.

    Args:
        folder: Its output folder.
        components: The components of its differences.
        resampled: Those of its pairs drawn again, which show how well they know it.
        anew: Whether its pairs that share a training are left out.
    """

    folder: Path
    components: Components
    resampled: Sequence[Components] = ()
    anew: bool = False


def announced_power(experiment: Experiment, out: Path, outputs: Outputs) -> list[str]:
    """What the seeds of a grid can show, as an earlier run tells; nothing for a grid without primary pairs.

    Args:
        experiment: The checked and planned grid.
        out: The output folder.
        outputs: The output folders that the store knows.
    """
    request, plan, looks = experiment.request, experiment.plan, experiment.looks
    question = question_of(request.grid, request.stacks.layout, looks)
    pairs = len(question['primary'])
    if not pairs:
        return []
    design = Design(n_trainings(plan), pairs)
    n_seeds = len(request.seeds)
    if looks is not None:
        n_seeds = looks.planned[-1]
        design = design._replace(level=pairs * nominal_levels(design.level / pairs, looks.planned)[-1])
    metric, margin = METRIC_OF[question['metric']], question['equivalence_margin']
    pilot = find_pilot(out, outputs, experiment.data, metric, request.grid.file)
    return [planned_power(pilot, design, n_seeds, margin, metric, last=looks is not None)]


def find_pilot(
    out: Path, outputs: Outputs, data: Data, metric: Metric = DICE, grid_file: Path | None = None
) -> Pilot | None:
    """The earlier run that tells most of how far seeds and images differ; None if there is none.

    It is a run on the same training and test images, and with the same folds, by their content: that of this output
    folder, or else that of the grid's name in the folder ``results`` that its project keeps, or else, of those that the
    store knows and of the others in ``results``, the one with most pairs of rows of two seeds or more. Of those others
    pairs on changed test images do not count: this grid may have none.

    Args:
        out: The output folder.
        outputs: The output folders that the store knows.
        data: The data sets of this grid.
        metric: The metric of its question.
        grid_file: The file of the grid; ``results`` lies beside it, or beside a folder that holds it.
    """
    parts = data.folds or ((data.train, data.test),)
    wanted = [dict(train=train.fingerprint, test=test.fingerprint) for train, test in parts]
    kept = _kept_results(grid_file)
    own = [out, *(folder for folder in kept if grid_file is not None and folder.name == grid_file.stem)]
    for folder in own:
        if (pilot := _pilot(folder, wanted, metric)) is not None:
            return pilot
    others = {*(output.folder.resolve() for output in outputs), *kept} - {folder.resolve() for folder in own}
    found = [pilot for folder in sorted(others) if (pilot := _pilot(folder, wanted, metric, clean=True)) is not None]
    return max(found, key=lambda pilot: (pilot.components.pairs, pilot.components.n_seeds), default=None)


def _kept_results(grid_file: Path | None) -> list[Path]:
    """The folders in the nearest folder ``results`` beside the grid's file or above it; a fresh clone has no others."""
    above = [] if grid_file is None else [folder / 'results' for folder in grid_file.resolve().parents]
    results = next((folder for folder in above if folder.is_dir()), None)
    return [] if results is None else sorted(folder for folder in results.iterdir() if folder.is_dir())


def planned_power(
    pilot: Pilot | None, design: Design, n_seeds: int, margin: float, metric: Metric = DICE, *, last: bool = False
) -> str:
    """One sentence on the smallest gain that the seeds can show, and on the seeds that a gain as the margin needs.

    Args:
        pilot: The earlier run.
        design: The grid.
        n_seeds: The number of seeds; with looks that of the last one.
        margin: Equivalence margin in the unit of the metric; 0 asks for a gain of one.
        metric: The metric of the question.
        last: Whether the seeds are those of a last look.
    """
    if pilot is None:
        return (
            'power: which gains the seeds can show is not known before the first run on these data; after it, '
            '--dry-run tells'
        )
    if n_seeds < 2:
        return 'power: one seed shows no gain of a technique, whatever its size'
    known, asked = pilot.components, margin or 1.0
    gain, needed = smallest_gain(known, n_seeds, design), seeds_needed(asked, known, design)
    pairs = f'the {design.pairs} primary pairs' if design.pairs > 1 else 'the primary pair'
    pairs = f'those of {pairs} that train anew' if pilot.anew and design.pairs > 1 else pairs
    smallest = f'above 100 {metric.short_unit}' if gain is None else f'about {_amount(f"{gain:.2g}", metric)}'
    need = f'about {needed} seeds' if needed else f'more than {MOST_SEEDS} seeds, or more test images in new groups'
    seeds = f'{"up to " if last else ""}{n_seeds} seeds'
    return (
        f'power: with {seeds} the smallest {metric.title} gain that {pairs} can show is '
        f'{smallest}{_range(pilot, n_seeds, design)} (in {POWER:.0%} of such grids, if rows differ from seed to seed '
        f'as {_source(pilot)}); '
        f'{_amount(f"{asked:g}", metric)} need{"" if asked != 1 else "s"} {need}'
    )


def _amount(number: str, metric: Metric) -> str:
    one = number == '1' and metric.short_unit == 'points'
    return f'{number} {"point" if one else metric.short_unit}'


def _range(pilot: Pilot, n_seeds: int, design: Design) -> str:
    """How far few pairs leave the smallest gain open; nothing where they do not."""
    if not pilot.resampled:
        return ''
    ends = range_of_smallest_gain(pilot.resampled, n_seeds, design)
    low, high = ('100' if end is None else f'{end:.2g}' for end in ends)
    more = 'more than ' if ends[1] is None else ''
    return '' if low == high else f', from {low} to {more}{high} as far as {_pairs(pilot)} tell'


def _source(pilot: Pilot) -> str:
    fewest, most = pilot.components.n_seeds, pilot.components.most_seeds
    seeds = f'{fewest} to {most}' if most > fewest else f'{fewest}'
    return f'the {_pairs(pilot)} of {seeds} seeds in {_shown(pilot.folder)}'


def _pairs(pilot: Pilot) -> str:
    return f'{pilot.components.pairs} pair{"s" if pilot.components.pairs > 1 else ""}'


def _shown(folder: Path) -> Path:
    """The folder, relative to the current one where it lies below."""
    here = Path.cwd()
    return folder.relative_to(here) if folder.is_relative_to(here) else folder


def _pilot(folder: Path, wanted: list[dict[str, str]], metric: Metric, *, clean: bool = False) -> Pilot | None:
    """The run of an output folder, if it is one on these data that tells of seeds.

    Args:
        folder: The folder.
        wanted: The fingerprints of the data, of each fold.
        metric: The metric.
        clean: Whether pairs on changed test images are left out.
    """
    grid = read_json(folder / 'grid.json')
    if not isinstance(grid, dict):
        return None
    parts = grid.get('folds') or [grid.get('dataset') or {}]
    if [part.get('fingerprint') for part in parts] != wanted:
        return None
    try:
        differences, anew = _differences(folder, metric, clean=clean)
        known, again = components(differences), resampled(differences)
    except (ValueError, OSError):  # a folder without records, or with damaged ones, tells nothing
        return None
    return None if known is None else Pilot(folder, known, again, anew)


def _differences(folder: Path, metric: Metric, *, clean: bool = False) -> tuple[list[SeedScores], bool]:
    """The difference of each pair by seed: of the pairs of two trainings, or of all without such pairs.

    Also whether pairs were left out for that. Pairs on changed test images are left out if ``clean``.

    A tuned row shares the training of those seeds that took the values of its file. Only its other seeds tell how far
    two trainings differ.
    """
    from benchmarks.reports.arms import conditions
    from benchmarks.reports.results import read_results  # it imports pandas

    results = read_results(folder)
    grid, unlearned = results.grid, results.not_learned
    scores = Scores(metric.name, results.counts, foreground_classes(len(grid['classes']), grid['background']))
    usable = results.counts.cells.keys() - unlearned.keys()
    weights = results.weights
    found: dict[frozenset, tuple[bool, SeedScores]] = {}
    changed = conditions(grid) if clean else set()
    on_changed = {row['stack'] for row in grid['rows'] if changed & set(row['techniques'])}
    for comparison in grid['comparisons']:
        pair = (comparison['stack'], comparison['reference'])
        seeds = [seed for seed in grid['seeds'] if all(cell_name(stack, seed) in usable for stack in pair)]
        if not seeds or frozenset(pair) in found or on_changed & set(pair):
            continue
        apart = [seed for seed in seeds if len({weights.get(cell_name(stack, seed)) for stack in pair}) > 1]
        ours, theirs = (scores.of(stack, apart or seeds) for stack in pair)
        full, without = ours.full - theirs.full, ours.without - theirs.without
        of_folds, sizes = ours.without_fold - theirs.without_fold, (ours.sizes + theirs.sizes).mean(axis=0)
        if np.isfinite(full).all() and full.any():
            found[frozenset(pair)] = bool(apart), SeedScores(full, without, sizes, of_folds)
    two_trainings = [difference for apart, difference in found.values() if apart]
    if not two_trainings:
        return [difference for _, difference in found.values()], False
    return two_trainings, len(two_trainings) < len(found)
