"""Puts folds into the place of a baseline's data sets, before any technique is composed.

The data set of the config becomes one that merges training and test images, and reads from a table which of them are
its own. The tables lie in the work dir and are named by their content. Folds differ in these names alone, so a config
of the first fold becomes that of another one by exchanging them.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from benchmarks.data.file_facts import FileStore
from benchmarks.data.fold_tables import FOLDER, table_name
from benchmarks.data.folds import divide
from benchmarks.data.merged import FOLDS, Image, Source, labels_of, leaves_to_merge, merged, refuse_unlike, table_of
from benchmarks.data.split import Split, cached_split
from benchmarks.files import write_atomic
from benchmarks.session.baseline import Baseline
from benchmarks.session.doing import doing
from benchmarks.session.settings import Settings
from benchmarks.session.stacks import Stacks
from benchmarks.stacks.compose import load_config
from benchmarks.stacks.tree import map_tree

LOADERS = ('train', 'test')


@dataclass(frozen=True)
class Fold:
    """One fold of a grid.

    Args:
        number: From 0.
        tables: From the tables of the first fold to those of this one.
    """

    number: int
    tables: Mapping[str, str] = field(repr=False)

    def config(self, config: Any) -> Any:
        """The config of this fold, from that of the first one."""

        def exchanged(node: Any) -> Any:
            if isinstance(node, dict) and node.get('ann_file') in self.tables:
                return {**node, 'ann_file': self.tables[node['ann_file']]}
            return node

        return map_tree(config, exchanged)

    def baseline(self, baseline: Baseline) -> Baseline:
        """The baseline of this fold, from that of the first one."""
        return replace(baseline, with_protocol=self.config(baseline.with_protocol))

    def stacks(self, stacks: Stacks) -> Stacks:
        """The stacks of this fold, from those of the first one."""
        unpaired, paired = (
            {stack: self.config(config) for stack, config in configs.items()}
            for configs in (stacks.unpaired, stacks.paired)
        )
        return replace(stacks, unpaired=unpaired, paired=paired)


def with_folds(folds: int | str, baseline: Baseline, settings: Settings) -> tuple[Baseline, tuple[Fold, ...]]:
    """The baseline of the first fold, and all folds.

    Args:
        folds: The field of the grid.
        baseline: The baseline.
        settings: How the grid is run.

    Raises:
        BadInput: The data sets cannot be listed or merged, or have fewer groups than folds.
    """
    config = baseline.with_protocol
    imports = config['custom_imports']['imports']
    leaves = {name: leaves_to_merge(FOLDS, name, config[f'{name}_dataloader']['dataset']) for name in LOADERS}
    with doing('dividing the data into folds', 'masks') as what, FileStore(settings.cache, what.advance) as files:
        sources = [source for name in LOADERS for source in listed(name, leaves[name], settings, imports)]
        refuse_unlike(FOLDS, sources)
        splits = [source.split for source in sources]
        images = merged(FOLDS, splits)
        labels = labels_of(images, splits, files)
    fold_of = divide([one.unit for one in images], labels, folds, grouped=splits[0].grouped)
    tables = [
        [written_table(part, settings.work_dir) for part in _parts(images, fold_of, number)]
        for number in range(max(fold_of) + 1)
    ]
    merging = load_config(settings.configs / '_base_' / 'folds.py')
    first = _config(config, leaves, tables[0], merging)
    notes = (*baseline.notes, *_notes(images, splits))
    made = tuple(Fold(number, dict(zip(tables[0], of))) for number, of in enumerate(tables))
    return replace(baseline, with_protocol=first, notes=notes), made


def listed(name: str, leaves: Sequence[Mapping], settings: Settings, imports: Sequence[str]) -> list[Source]:
    """The data sets of a loader with their lists."""
    splits = [cached_split(name, leaf, settings.cache, imports=imports) for leaf in leaves]
    first = 1 if len(leaves) > 1 else 0
    return [Source(*pair, number) for number, pair in enumerate(zip(splits, leaves), first)]


def _parts(images: Sequence[Image], fold_of: Sequence[int], number: int) -> tuple[list[Image], list[Image]]:
    """The images that a fold trains on, and those that it tests."""
    tested = [fold == number for fold in fold_of]
    return (
        [image for image, test in zip(images, tested) if not test],
        [image for image, test in zip(images, tested) if test],
    )


def written_table(images: Sequence[Image], work_dir: Path) -> str:
    """The path of the table of some images."""
    text = table_of(images).encode()
    path = work_dir / FOLDER / table_name(text)
    if not path.is_file() or path.read_bytes() != text:
        write_atomic(path, text)
    return str(path)


def _config(
    config: dict, leaves: Mapping[str, Sequence[Mapping]], tables: Sequence[str], merging: Mapping[str, Any]
) -> dict:
    """The config with merged data sets in the place of its own."""
    sources = [without_pipeline(leaf) for of_loader in leaves.values() for leaf in of_loader]
    imports = config['custom_imports']
    loaders = {}
    for name, table in zip(LOADERS, tables):
        loader, leaf = config[f'{name}_dataloader'], leaves[name][0]
        kept = {key: leaf[key] for key in ('pipeline', 'test_mode') if key in leaf}
        new = {**merging['merged_splits'], 'sources': sources, 'ann_file': table, **kept}
        loaders[f'{name}_dataloader'] = {**loader, 'dataset': with_leaf(loader['dataset'], new)}
    more = sorted({*imports['imports'], *merging['custom_imports']['imports']})
    return {**config, **loaders, 'custom_imports': {**imports, 'imports': more}}


def without_pipeline(leaf: Mapping) -> dict:
    """The config of a source, whose pipeline is not used."""
    return {key: value for key, value in leaf.items() if key != 'pipeline'}


def with_leaf(dataset: Mapping, leaf: dict) -> dict:
    """A data set with another one inside its wrappers, in the place of a concatenation or of the only one."""
    if 'dataset' in dataset:
        return {**dataset, 'dataset': with_leaf(dataset['dataset'], leaf)}
    if len(dataset.get('datasets', ())) == 1:
        return {**dataset, 'datasets': [with_leaf(dataset['datasets'][0], leaf)]}
    return leaf


def _notes(images: Sequence[Image], splits: Sequence[Split]) -> list[str]:
    """What becomes of images that stand in both splits, and files that the splits leave out."""
    notes = [part.text(split.name, len(split.images)) for split in splits for part in split.left_out]
    twice = sum(len(split.images) for split in splits) - len(images)
    if twice:
        notes.append(f'{twice} image(s) stand in the training and in the test data; in the folds each counts once')
    return notes
