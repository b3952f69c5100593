"""Validation images that are carved out of the training images (``validation_share`` of a grid).

The training data set of the baseline becomes one that leaves the carved images out, before any technique is composed:
no row trains on them, tuned or not. Groups of images stay together, and classes are spread, as in folds.
"""

from collections.abc import Sequence
from dataclasses import replace

from benchmarks.data.file_facts import FileStore
from benchmarks.data.folds import divide
from benchmarks.data.merged import CARVING, Image, labels_of, leaves_to_merge, merged, refuse_unlike
from benchmarks.data.split import Split
from benchmarks.errors import BadInput
from benchmarks.session.baseline import Baseline
from benchmarks.session.doing import doing
from benchmarks.session.folds import listed, with_leaf, without_pipeline, written_table
from benchmarks.session.settings import Settings
from benchmarks.stacks.compose import load_config


def with_carved_validation(share: float, baseline: Baseline, settings: Settings) -> Baseline:
    """The baseline whose training leaves a share of its images out, which are its validation images.

    Args:
        share: The share of the training images; the nearest of 1/2, 1/3, 1/4 … is taken.
        baseline: The baseline.
        settings: How the grid is run.

    Raises:
        BadInput: The training data are data sets that cannot be merged, or have fewer groups than the share needs.
    """
    config = baseline.with_protocol
    imports, loader = config['custom_imports'], config['train_dataloader']
    leaves = leaves_to_merge(CARVING, 'train', loader['dataset'])
    with doing('carving validation images', 'masks') as what, FileStore(settings.cache, what.advance) as files:
        sources = listed('train', leaves, settings, imports['imports'])
        refuse_unlike(CARVING, sources)
        splits = [source.split for source in sources]
        images = merged(CARVING, splits)
        carved = _carved(images, labels_of(images, splits, files), share, splits[0])
    merging = load_config(settings.configs / '_base_' / 'folds.py')

    merged_from = {**merging['merged_splits'], 'sources': list(map(without_pipeline, leaves))}

    def part(inside: bool) -> dict:
        own = [image for image, chosen in zip(images, carved) if chosen is inside]
        return {**merged_from, 'ann_file': written_table(own, settings.work_dir)}

    kept = {key: leaves[0][key] for key in ('pipeline', 'test_mode') if key in leaves[0]}
    changed = {
        **config,
        'train_dataloader': {**loader, 'dataset': with_leaf(loader['dataset'], {**part(False), **kept})},
        'custom_imports': {**imports, 'imports': sorted({*imports['imports'], *merging['custom_imports']['imports']})},
    }
    note = (
        f'{sum(carved)} of {len(images)} training images are carved out for validation (validation_share={share:g}); '
        'no row trains on them'
    )
    return replace(baseline, with_protocol=changed, validation=part(True), notes=(*baseline.notes, note))


def _carved(images: Sequence[Image], labels: Sequence[set[int]], share: float, train: Split) -> list[bool]:
    """Whether each training image becomes a validation image.

    Raises:
        BadInput: There are fewer groups than the share needs.
    """
    units, parts = [image.unit for image in images], max(round(1 / share), 2)
    if len(set(units)) < parts:
        raise BadInput(
            f'validation_share={share:g} takes one of {parts} parts, but the training images are {len(set(units))} '
            f'{"groups" if train.grouped else "images"}, and a group is never parted; give a larger share, or '
            'val_dataloader images of its own'
        )
    return [part == 0 for part in divide(units, labels, parts, grouped=train.grouped)]
