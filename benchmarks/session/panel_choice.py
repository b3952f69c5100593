"""Which test images the panels of a report show: chosen from the counts of the two cells by a rule."""
# N images, K classes

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from benchmarks.analysis.families import distinct_pairs
from benchmarks.analysis.image_choice import chosen_images
from benchmarks.analysis.scores import dice_of_each, foreground_classes
from benchmarks.plan.plan import Cell, Plan
from benchmarks.record import BASELINE, stack_name
from benchmarks.run.outcome import cell_outcome
from benchmarks.stages.facts import read_facts
from benchmarks.stages.wanted_panels import Side, Wanted
from benchmarks.store.store import Result

MOST_PAIRS = 5  # each has three images at most
Results = Mapping[str, Result]


class _Image(NamedTuple):
    """A test image of a stack in a seed: the cell that tested it, and the areas of each class, int64 (K, 3)."""

    cell: Cell
    area: np.ndarray


def wanted_panels(
    plan: Plan, results: Results, grid: Mapping[str, Any], recommended: str | None = None
) -> list[Wanted]:
    """The panels of the first ``MOST_PAIRS`` pairs that have a seed in common, in the last such seed.

    Args:
        plan: The plan.
        results: Finished stages by key.
        grid: The content of ``grid.json``.
        recommended: The stack that the answer of the report recommends. Where it is not compared with the baseline by
            one of these pairs, that pair stands before them, marked ``recommended``.
    """
    cells: dict[tuple[str, int], list[Cell]] = {}
    for cell in plan.cells:
        cells.setdefault((stack_name(cell.stack), cell.seed), []).append(cell)
    seeds: dict[str, set[int]] = {}
    for (name, seed), parts in cells.items():
        if all(cell_outcome(cell, results)[0] == 'ok' for cell in parts):
            seeds.setdefault(name, set()).add(seed)
    foreground = foreground_classes(len(grid['classes']), grid['background'])
    panels = []
    for pair, seed, mark in _shown(asked(grid), seeds, recommended):
        stack, reference = (_images(cells[name, seed], results) for name in pair)
        panels += [
            Wanted(facts | dict(zip(('stack', 'reference'), pair), seed=seed, **mark), *tested)
            for facts, tested in _of_pair(stack, reference, results, foreground)
        ]
    return panels


def _shown(
    pairs: Sequence[tuple[str, str]], seeds: Mapping[str, set[int]], recommended: str | None
) -> list[tuple[tuple[str, str], int, dict[str, bool]]]:
    """The pairs that are shown, each with its last common seed and the mark of the recommended row."""
    common = {pair: seeds.get(pair[0], set()) & seeds.get(pair[1], set()) for pair in pairs}
    shown = [pair for pair, both in common.items() if both][:MOST_PAIRS]
    own = (recommended or BASELINE, BASELINE)
    both = seeds.get(own[0], set()) & seeds.get(BASELINE, set())
    first = [(own, max(both), dict(recommended=True))] if recommended and both and own not in shown else []
    return [*first, *((pair, max(common[pair]), dict[str, bool]()) for pair in shown)]


def asked(grid: Mapping[str, Any]) -> list[tuple[str, str]]:
    """(stack, reference) of the primary comparisons, in the order of the question; of all comparisons without one."""
    questions = grid.get('questions')
    if not questions:
        return distinct_pairs(grid['comparisons'])
    return [(stack, reference) for stack, reference in questions[-1]['primary']]


def _images(cells: list[Cell], results: Results) -> dict[str, _Image]:
    """The test images of a stack in a seed, by name; the cells are those of its folds."""
    images: dict[str, _Image] = {}
    for cell in cells:
        areas: dict[str, list] = {}
        for row in read_facts(results[cell.tested].folder):
            areas.setdefault(row['image'], []).append((row['tp'], row['fp'], row['fn']))
        images |= {name: _Image(cell, np.array(area, np.int64)) for name, area in areas.items()}
    return images


def _of_pair(
    stack: dict[str, _Image], reference: dict[str, _Image], results: Results, foreground: np.ndarray
) -> Iterator[tuple[dict, list[Side]]]:
    """The facts and the two sides of each chosen image."""
    names = sorted(stack.keys() & reference.keys())
    dice = [dice_of_each(np.array([side[name].area for name in names]), foreground) for side in (stack, reference)]
    for rule, index in chosen_images(dice[0] - dice[1]):
        image = names[index]
        own, other = (round(float(of_side[index]), 4) for of_side in dice)
        sides = [_tested(side[image], results) for side in (stack, reference)]
        yield dict(image=image, rule=rule, dice=own, reference_dice=other), sides


def _tested(image: _Image, results: Results) -> Side:
    cell = image.cell
    choices = [(kind, key) for kind, key in (('choose', cell.tuning), ('select', cell.choice)) if key]
    steps = [cell.weights, ('predict', cell.predict), *choices]
    parents = {kind: results[key].folder for kind, key in steps}
    return Side(cell.name, cell.config, parents, [tuple(map(int, area)) for area in image.area])
