"""The content of ``grid.json``: the facts of a run that reports need beside its records."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from benchmarks.plan.layout import Layout
from benchmarks.plan.question import asked, question_of
from benchmarks.preflight.conditions import conditions_among
from benchmarks.preflight.control_arm import is_control
from benchmarks.record import AGAIN_DESIGN, CONTROL_DESIGN, stack_name, version_of
from benchmarks.session.data import Data, DataSet
from benchmarks.session.earlier_questions import asked_before, asked_elsewhere
from benchmarks.session.experiment import Experiment
from benchmarks.session.owner import source_of
from benchmarks.session.stacks import Stacks
from benchmarks.session.validation import techniques_trained, tuned_techniques, validation_images
from benchmarks.stacks.compose import datasets
from benchmarks.stacks.technique import Stack
from benchmarks.store.damaged import FOLDER, damage_of


def grid_content(experiment: Experiment, command: str, out: Path, n_results: int | None = None) -> dict:
    """The content of ``grid.json``.

    Args:
        experiment: The checked and planned grid.
        command: The command line.
        out: The output folder, whose ``grid.json`` holds the questions that were asked before.
        n_results: The number of cells that have a result by now; None for all.
    """
    request, looks = experiment.request, experiment.looks
    question = question_of(request.grid, request.stacks.layout, looks)
    n_results = len(experiment.plan.cells) if n_results is None else n_results
    earlier = asked_before(out, request.settings.cache)
    if n_results and not earlier:
        earlier = asked_elsewhere(request.settings.cache, request.grid.name, cells_of(experiment), question)
    return dict(
        **({} if looks is None else dict(looks=[dict(taken) for taken in looks.taken])),
        **_grid_fields(experiment, out),
        **_row_fields(experiment),
        **_check_fields(experiment),
        **_tuning(experiment),
        **_validated(experiment),
        questions=asked(question, earlier, n_results),
        device=request.settings.device,
        environment=request.environment,
        command=command,
        **_data_fields(experiment),
    )


def cells_of(experiment: Experiment) -> set[str]:
    """The keys of the results of all cells."""
    return {cell.tested for cell in experiment.plan.cells}


def _grid_fields(experiment: Experiment, out: Path) -> dict:
    """The grid and its seeds."""
    request, data = experiment.request, experiment.data
    split = data.test.split
    return dict(
        version=version_of(data.folds),
        name=request.grid.name,
        source=source_of(request.grid, out),
        title=request.grid.title,
        classes=list(split.classes),
        background=split.background,
        seeds=sorted({seed for seeds in experiment.plan.seeds_of.values() for seed in seeds}),
        seeds_asked=len(request.seeds),
        baseline_seeds=request.grid.baseline_seeds,
        validation_share=request.grid.validation_share,
    )


def _row_fields(experiment: Experiment) -> dict:
    """The rows, their comparisons, and what designs have made of techniques."""
    stacks, grid = experiment.request.stacks, experiment.request.grid
    layout = stacks.layout
    rows = [
        dict(
            stack=stack_name(stack),
            techniques=list(stack),
            label=_label(stack, stacks),
            published_dice=grid.published_dice.get(stack_name(stack)),
            role=_role(stack, layout),
            seeds=experiment.plan.seeds_of[stack],
        )
        for stack in layout.stacks
    ]
    comparisons = [
        dict(design=comparison.design, stack=stack_name(comparison.stack), reference=stack_name(comparison.reference))
        for comparison in layout.comparisons
    ]
    fractions = [
        dict(
            techniques=list(one.techniques),
            resolution=one.resolution,
            rows=len(one.stacks),
            defining_words=one.defining_words,
            aliases=one.aliases,
        )
        for one in layout.fractions
    ]
    return dict(rows=rows, comparisons=comparisons, variants=_variants(stacks), fractions=fractions)


def _check_fields(experiment: Experiment) -> dict:
    """What decides how results are read."""
    request = experiment.request
    return dict(
        equivalence_margin=float(request.grid.equivalence_margin),
        latency_budget_ms=request.grid.latency_budget_ms,
        lints=[*experiment.data.leaks, *experiment.lints],
        controls=_controls(request.stacks),
        conditions=_conditions(request.stacks),
    )


def _tuning(experiment: Experiment) -> dict:
    """Which techniques are tuned by how many trials, and on which images; nothing where none is."""
    stacks = experiment.request.stacks
    if not stacks.layout.tuned_of:
        return {}
    validation = validation_images(stacks, experiment.data)
    return dict(
        tuning=dict(
            trials=stacks.trials,
            techniques=tuned_techniques(stacks),
            trained=techniques_trained(stacks),
            n_images=len(validation.split.images),
            fingerprint=validation.fingerprint,
        )
    )


def _validated(experiment: Experiment) -> dict:
    """On how many images the points of sweeps are compared before the test; nothing where none is."""
    stacks = experiment.request.stacks
    if not stacks.layout.validated:
        return {}
    return dict(n_validation_images=len(validation_images(stacks, experiment.data).split.images))


def _data_fields(experiment: Experiment) -> dict:
    """The notes, and the data sets."""
    data = experiment.data
    told = (*experiment.notes, *data.warnings, *_damage(experiment))
    notes = [text for text in told if text not in data.leaks]
    dataset = dict(
        name=dataset_name(experiment.request.baseline.with_protocol['test_dataloader']['dataset']),
        n_images=_n_images(data),
        fingerprint=dict(train=data.train.fingerprint, test=data.test.fingerprint),
        cards=_cards(experiment),
        leaks=list(data.leaks),
    )
    folds = dict(folds=[_fold(number, *parts) for number, parts in enumerate(data.folds)]) if data.folds else {}
    return dict(notes=[*notes, *experiment.schedule_warnings], dataset=dataset, **folds)


def _cards(experiment: Experiment) -> dict:
    """The data cards; that of the validation images where values are chosen on them."""
    stacks, data = experiment.request.stacks, experiment.data
    chosen = stacks.layout.tuned_of or stacks.layout.validated
    validation = dict(validation=validation_images(stacks, data).card.as_json()) if chosen else {}
    return dict(train=data.train.card.as_json(), **validation, test=data.test.card.as_json())


def _damage(experiment: Experiment) -> list[str]:
    """Which stored results of the grid were found damaged."""
    stages = experiment.plan.stages
    root = experiment.request.settings.work_dir / 'store'
    return [
        f'the stored result of {damage.stage} {stages[damage.key].label} was found damaged ({damage.why}), and is '
        f'computed again; what was found is kept in the work dir, in store/{FOLDER}/{damage.stage}-{damage.key}'
        for damage in damage_of(root, stages)
    ]


def _n_images(data: Data) -> dict[str, int]:
    """The number of images for training and test; with folds each image is in one test, and most are in a training."""
    tests = [test for _, test in data.folds] or [data.test]
    return dict(train=len(data.train.split.images), test=sum(len(test.split.images) for test in tests))


def _fold(number: int, train: DataSet, test: DataSet) -> dict:
    """What ``grid.json`` says of a fold."""
    parts = dict(train=train, test=test)
    return dict(
        fold=number,
        n_images={name: len(part.split.images) for name, part in parts.items()},
        n_groups={name: len(set(part.split.groups)) for name, part in parts.items()},
        fingerprint={name: part.fingerprint for name, part in parts.items()},
        cards={name: part.card.as_json() for name, part in parts.items()},
    )


def _controls(stacks: Stacks) -> list[list[str]]:
    """The comparisons of a stack that only trains longer or shorter, as pairs of names."""
    tests = (AGAIN_DESIGN, CONTROL_DESIGN)
    pairs = dict.fromkeys((one.stack, one.reference) for one in stacks.layout.comparisons if one.design not in tests)
    return [[stack_name(stack) for stack in pair] for pair in pairs if is_control(*pair, stacks.techniques)]


def _conditions(stacks: Stacks) -> list[str]:
    """The techniques that change the test images alone, and say nothing of how a network is made."""
    configs = {stack: config for stack, config in stacks.paired.items() if stack not in stacks.layout.again_of}
    return conditions_among(configs, stacks.code.acts_in_test_only)


def _role(stack: Stack, layout: Layout) -> str:
    """Whether a row tests the grid itself: as an A/A arm, or as a positive control."""
    if stack in layout.again_of:
        return 'again'
    controls = [one.stack for one in layout.comparisons if one.design == CONTROL_DESIGN]
    return 'control' if stack in controls else ''


def _variants(stacks: Stacks) -> list[dict]:
    """The variants of techniques that sweeps have asked for, with their values, and their names in the rows."""
    return [
        dict(
            name=name,
            called=stacks.called.get(name, name),
            technique=variant.technique,
            values=dict(variant.values),
            texts=dict(variant.texts),
        )
        for name, variant in stacks.layout.variants.items()
    ]


def dataset_name(config: Mapping[str, Any]) -> str:
    """The name of a data set in reports, from its config.

    It is ``dataset_name`` of its ``metainfo``; else the name of the folder ``data_root``; else its type. Of a data set
    that wraps others, the first inner one gives the name.
    """
    inner = next(datasets(config), config)
    declared = (inner.get('metainfo') or {}).get('dataset_name')
    folder = os.path.basename(os.path.normpath(inner.get('data_root') or ''))
    return str(declared or folder.strip('.') or inner.get('type', 'unknown'))


def _label(stack: Stack, stacks: Stacks) -> str:
    """The name of a stack's row in tables.

    ``+ title`` of the last technique where a cumulative design compares the stack with the stack before it; otherwise
    all titles. A stack under a condition is called as the clean stack, and the condition's title comes last.
    """
    if stack in stacks.layout.again_of:
        return 'baseline again (A/A)'
    clean = stacks.layout.clean_stack_of.get(stack)
    if clean is not None:
        return f'{_label(clean, stacks)}, {stacks.techniques[stack[-1]].title}'
    plain = stacks.layout.tuned_of.get(stack)
    if plain is not None:
        return f'{_label(plain, stacks)}, tuned'
    titles = [stacks.techniques[name].title for name in stack]
    if not titles:
        return 'baseline'
    steps = {
        (comparison.stack, comparison.reference)
        for comparison in stacks.layout.comparisons
        if comparison.design == 'cumulative'
    }
    return f'+ {titles[-1]}' if (stack, stack[:-1]) in steps else ' + '.join(titles)
