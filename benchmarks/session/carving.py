"""Validation images that are carved out of the training images (``validation_share`` of a grid).

The training data set of the baseline becomes one that leaves the carved images out, before any technique is composed:
no row trains on them, tuned or not. Groups of images stay together, and classes are spread, as in folds.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace

from benchmarks.data.dataset_configs import innermost_types, leaf_configs
from benchmarks.data.file_facts import FileStore
from benchmarks.data.folds import divide
from benchmarks.data.merged import Image, labels_of, merged
from benchmarks.data.split import Split, cached_split
from benchmarks.errors import BadInput
from benchmarks.session.baseline import Baseline
from benchmarks.session.doing import doing
from benchmarks.session.folds import with_leaf, written_table
from benchmarks.session.settings import Settings
from benchmarks.stacks.compose import load_config


def with_carved_validation(share: float, baseline: Baseline, settings: Settings) -> Baseline:
    """The baseline whose training leaves a share of its images out, which are its validation images.

    Args:
        share: The share of the training images; the nearest of 1/2, 1/3, 1/4 … is taken.
        baseline: The baseline.
        settings: How the grid is run.

    Raises:
        BadInput: The training data are several data sets, or have fewer groups than the share needs.
    """
    config = baseline.with_protocol
    imports, loader = config['custom_imports'], config['train_dataloader']
    leaf = _lone_leaf(loader['dataset'])
    with doing('carving validation images', 'masks') as what, FileStore(settings.cache, what.advance) as files:
        train = cached_split('train', leaf, settings.cache, imports=imports['imports'])
        images = merged(train)
        carved = _carved(images, labels_of(images, (train,), files), share, train)
    merging = load_config(settings.configs / '_base_' / 'folds.py')
    source = {key: value for key, value in leaf.items() if key != 'pipeline'}

    def part(inside: bool) -> dict:
        own = [image for image, chosen in zip(images, carved) if chosen is inside]
        return {**merging['merged_splits'], 'sources': [source], 'ann_file': written_table(own, settings.work_dir)}

    kept = {key: leaf[key] for key in ('pipeline', 'test_mode') if key in leaf}
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


def _lone_leaf(dataset: Mapping) -> Mapping:
    leaves = list(leaf_configs(dataset))
    if len(leaves) == 1:
        return leaves[0]
    raise BadInput(
        f'validation_share: the training data are {len(leaves)} data sets ({innermost_types(dataset)}), and images are '
        'carved out of one; give train_dataloader.dataset one data set, or val_dataloader images of its own'
    )


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
