"""The text of a report: the data behind it, the improvement table, how to read it, conventions, and where it ran."""

from collections.abc import Mapping

import pandas as pd

from benchmarks.analysis.metrics import Metric, metric_asked
from benchmarks.analysis.scores import foreground_classes, never_annotated
from benchmarks.reports.asked import question_text
from benchmarks.reports.cautions import cautions
from benchmarks.reports.chance_text import chance_text
from benchmarks.reports.class_table import class_section
from benchmarks.reports.conventions import conventions
from benchmarks.reports.fold_table import fold_section
from benchmarks.reports.improvement_table import improvement_table, seeds_text
from benchmarks.reports.interim import interim_text
from benchmarks.reports.looks import looks_text
from benchmarks.reports.panels.section import HEADING
from benchmarks.reports.phrases import number_of_seeds, one_line
from benchmarks.reports.readings import readings
from benchmarks.reports.results import Results
from benchmarks.reports.summary import Summary, summary_text


def report_markdown(
    results: Results,
    stacks: pd.DataFrame,
    comparisons: pd.DataFrame,
    classes: pd.DataFrame,
    answers: str,
    in_brief: Summary,
    has_figure: bool,
    panels: str = '',
) -> str:
    """The text of ``report/README.md``.

    Args:
        results: The records, profiles and counts of the grid.
        stacks: The stack table.
        comparisons: The comparison table.
        classes: The class table.
        answers: What the grid says about common questions; may be empty.
        in_brief: The answer in three points.
        has_figure: Whether ``accuracy_speed.png`` lies beside the text.
        panels: The section of panels; may be empty.
    """
    metric = metric_asked(results.grid)
    dice = comparisons[comparisons['metric'] == metric.name]
    sections = [
        f'# {results.grid["title"]}',
        opening(results.grid, in_brief),
        _basis(results, stacks, metric),
        improvement_table(stacks, dice, metric),
        seeds_text(stacks),
        chance_text(dice),
        question_text(results.grid),
        looks_text(results.grid, dice),
        _undefined_scores(results),
        _published_caution(stacks),
        f'![{metric.title} over latency](accuracy_speed.png)'
        if has_figure
        else f'No accuracy–speed figure: no stack that has learned has both a {metric.title} and a measured latency.',
        cautions(results, stacks, dice),
        '## How to read each row',
        readings(stacks, dice, results.grid['equivalence_margin']),
        fold_section(results, dice),
        *([] if classes.empty else ['## Classes', class_section(classes, stacks)]),
        answers,
        *([f'## {HEADING}', panels] if panels else []),
        '## Conventions',
        conventions(results.grid, stacks),
        '## Where it ran',
        _provenance(results),
    ]
    return '\n\n'.join(section for section in sections if section) + '\n'


def opening(grid: Mapping, in_brief: Summary) -> str:
    """What stands above the table: how much is finished, and the answer in three points.

    Args:
        grid: The content of ``grid.json``.
        in_brief: The answer.
    """
    return '\n\n'.join(part for part in (interim_text(grid), summary_text(in_brief)) if part)


def _basis(results: Results, stacks: pd.DataFrame, metric: Metric) -> str:
    """The data and seeds behind the numbers."""
    planned, data = len(results.grid['seeds']), results.grid['dataset']
    each = number_of_seeds(results.grid)
    ok = stacks[stacks['n_seeds'] > 0]
    if ok.empty:
        so_far = ' so far' if 'open' in results.grid else ''
        return f'**No cell succeeded{so_far}.** {len(stacks)} stacks x {each} on {data["name"]}; reasons below.'
    row = ok.iloc[0]
    seeds = '**one seed only**' if planned == 1 else f'{each}, fewer where the row says so'
    text = (
        f'{metric.title} on {data["name"]}: {row["n_images"]} test images in {row["n_groups"]} independent groups, '
        f'{seeds}. '
        f'{_folds(results.grid)}[low, high] is a 95 % interval over image groups'
    )
    sources = [', training sets'] if results.grid.get('folds') else []
    if planned > 1:
        return (
            text
            + ''.join(sources)
            + ' and seeds: it allows for other test images of this kind and for another training of this kind.'
        )
    text += ' and training sets' if sources else ''
    return text + (
        ' alone. Another training may move every number further than that, in either direction: '
        '**with one seed only these checkpoints are judged, not the technique.** “Equivalent” and “not effective” then '
        'mean that no label differs.'
    )


def _folds(grid: Mapping) -> str:
    """What folds are, with the sizes of their trainings; nothing without folds."""
    folds = grid.get('folds')
    if not folds:
        return ''
    sizes = sorted({fold['n_images']['train'] for fold in folds})
    images = ' to '.join(map(str, sizes[:1] + sizes[1:][-1:]))
    return (
        f'{len(folds)} folds: each seed tests every image once, by a network that was trained on {images} images of '
        'other groups. '
    )


def _undefined_scores(results: Results) -> str:
    """Why mDice and mIoU have no value, or nothing."""
    names, background = results.grid['classes'], results.grid['background']
    # All cells have the same annotations.
    cell = next(iter(results.counts.cells.values()), None)
    absent = never_annotated(cell, foreground_classes(len(names), background)) if cell is not None else []
    if not absent:
        return ''
    classes = ', '.join(f'“{names[index]}”' for index in absent)
    return (
        f'**mDice and mIoU are undefined (–).** No test mask shows {classes}. These scores are means over all '
        'classes, and a class that occurs nowhere would count 0 in one row and nothing in another. Dice, which is over '
        'the classes that an image shows, remains.'
    )


def _published_caution(stacks: pd.DataFrame) -> str:
    """A warning about published numbers, or nothing."""
    if stacks['published_dice'].isna().all():
        return ''
    return (
        'The published Dice comes from elsewhere: other data, other training, other code. It was not reproduced '
        'here; compare the direction of a step with it, never the level.'
    )


def _provenance(results: Results) -> str:
    """Command, device and environment, notes, and the failures with their reasons."""
    grid = results.grid
    images = ', '.join(f'{split} {number}' for split, number in grid['dataset']['n_images'].items())
    lines = [
        f'Seeds: {", ".join(map(str, grid["seeds"]))}',
        f'Data: {grid["dataset"]["name"]} ({images} images)',
        f'Device: {grid["device"]}',
        f'Command: `{grid["command"]}`',
    ]
    lines += [f'{name}: {value}' for name, value in grid['environment'].items()]
    lines += [
        f'Profiled on: {device}, {threads} threads'
        for device, threads in sorted(
            {(p['device'], p['threads']) for p in results.profiles.values() if p['status'] == 'ok'}
        )
    ]
    lines += [
        f'{stack}, profile: the machine was busy: {one_line(profile["machine"]["busy"])}; measure again on a quiet '
        f'machine with `--reprofile {stack}`'
        for stack, profile in sorted(results.profiles.items())
        if (profile.get('machine') or {}).get('busy')
    ]
    lines += [f'Note: {note}' for note in grid['notes']]
    lines += [
        f'{cell}: {record["status"]} in {record["failed_stage"]}: {one_line(record["reason"])}'
        for cell, record in sorted(results.records.items())
        if record['status'] != 'ok'
    ]
    lines += [
        f'{stack}, profile: {profile["status"]}: {one_line(profile["reason"])}'
        for stack, profile in sorted(results.profiles.items())
        if profile['status'] != 'ok'
    ]
    return '\n'.join(f'- {line}' for line in lines)
