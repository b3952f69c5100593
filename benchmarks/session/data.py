"""The data sets that a grid reads: listed, checked and fingerprinted, each distinct one once."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from benchmarks.data.card import Card
from benchmarks.data.dark_images import dark_warnings
from benchmarks.data.file_facts import FileStore
from benchmarks.data.findings import findings
from benchmarks.data.fingerprint import fingerprint
from benchmarks.data.leaks import SCORED, leak_notes, refuse_choice_on_training, refuse_selection_on_test
from benchmarks.data.near_copies import near_copy_notes
from benchmarks.data.neighbours import neighbour_notes, single_group_warning
from benchmarks.data.own_loading import LoadedMasks, own_steps
from benchmarks.data.palettes import palette_warnings
from benchmarks.data.split import Split, cached_split, remembered_split
from benchmarks.data.truth_checks import background_warning
from benchmarks.data.unlike_splits import unequal_classes, unequal_labels
from benchmarks.errors import BadInput
from benchmarks.files import digest
from benchmarks.preflight.draws import lone_image_warning
from benchmarks.session.baseline import Baseline
from benchmarks.session.stacks import Stacks
from benchmarks.stacks.data_sets import data_sets
from benchmarks.stacks.network_trials import searches_network
from benchmarks.stacks.plugin_code import PluginCode
from benchmarks.stacks.several_networks import members


@dataclass(frozen=True)
class DataSet:
    """One data set.

    Args:
        split: Its listing.
        fingerprint: Digest of its content.
        card: Its data card.
        warnings: What is probably a mistake in it.
        pixels: Of all its images together; an image whose size only its own loader can tell counts 0.
    """

    split: Split = field(repr=False)
    fingerprint: str
    card: Card = field(repr=False)
    warnings: tuple[str, ...] = ()
    pixels: int = 0


@dataclass(frozen=True)
class Data:
    """The data sets of a grid.

    Args:
        by_config: Each distinct data set, by the digest of its config.
        train: The first stack's training data; of an ensemble the first member's.
        test: The first stack's test data.
        notes: What the user should know of the data.
        warnings: What is probably a mistake in the data.
        leaks: Those of both that say that scores on test are not what they seem.
        folds: The training and the test data of each fold; empty without folds. Then ``train`` and ``test`` are those
            of the first one.
    """

    by_config: dict[str, DataSet] = field(repr=False)
    train: DataSet
    test: DataSet
    notes: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()
    leaks: tuple[str, ...] = ()
    folds: tuple[tuple[DataSet, DataSet], ...] = ()

    def of(self, config: dict) -> DataSet:
        """The data set of this config."""
        return self.by_config[digest(config)]


def list_data(
    stacks: Stacks,
    baseline: Baseline,
    cache: Path,
    told: Callable[[int, int], object] | None = None,
    *,
    is_fold: bool = False,
) -> Data:
    """List, check and fingerprint every data set of a grid.

    Args:
        stacks: The stacks with their configs.
        baseline: The baseline.
        cache: Folder of remembered listings.
        told: See :class:`benchmarks.data.file_facts.FileStore`.
        is_fold: Whether the test data are a part of a test, which may lack a class, or be a single group.

    Raises:
        BadInput: The data cannot be trained or tested on; names the files. All data sets are checked first.
    """
    by_config: dict[str, DataSet] = {}
    errors: dict[str, list[str]] = {}
    with FileStore(cache, told) as files:
        for config in stacks.paired.values():
            for name, dataset in data_sets(config, baseline.with_protocol):
                key = digest(dataset)
                if key not in by_config and key not in errors:
                    try:
                        by_config[key] = _examined(
                            name, dataset, config, cache, files, stacks.code, by_config, is_fold=is_fold
                        )
                    except BadInput as error:
                        errors[key] = str(error).splitlines()
        if errors:
            # The other data sets may have the same fault in fewer files, which is but a warning there.
            lines = [line for lines in errors.values() for line in lines] + _warnings(by_config)
            raise BadInput('\n'.join(dict.fromkeys(lines)))
        pairs = _trained_and_scored(stacks, baseline, by_config)
        if unlike := [text for a, b in pairs if (text := unequal_classes(a.split, b.split))]:
            raise BadInput(*unlike)
        first = members(stacks.paired[stacks.layout.stacks[0]])[0].config
        train, test = (by_config[digest(first[f'{name}_dataloader']['dataset'])] for name in ('train', 'test'))
        # Stacks may read the same files through different pipelines.
        splits = list({(data.split.name, data.fingerprint): data.split for data in by_config.values()}.values())
        refuse_selection_on_test(splits, files)
        if any(map(searches_network, stacks.paired.values())):
            refuse_choice_on_training(splits, files)
        warnings = [*_warnings(by_config, pairs), *filter(None, map(background_warning, splits))]
        if not is_fold:
            warnings += [text] if (text := single_group_warning(test.split)) else []
        warnings += _warnings_on_batches(stacks, by_config)
        of_train = near_copy_notes(train.split, test.split, files)
        of_val = [text for val in splits if val.name == 'val' for text in near_copy_notes(val, test.split, files)]
        copies = [*of_train, *of_val, *neighbour_notes(train.split, test.split, files, across=not of_train)]
        warnings += copies
        notes = leak_notes(splits, files)
    return Data(
        by_config, train, test, tuple(notes), tuple(dict.fromkeys(warnings)), tuple(dict.fromkeys((*notes, *copies)))
    )


def _trained_and_scored(
    stacks: Stacks, baseline: Baseline, by_config: Mapping[str, DataSet]
) -> list[tuple[DataSet, DataSet]]:
    """The training data of each stack, with its test data and those that choose its values; equal pairs once."""
    pairs = {}
    for config in stacks.paired.values():
        read = [(name, digest(dataset)) for name, dataset in data_sets(config, baseline.with_protocol)]
        scored = [key for name, key in read if name in SCORED]
        for trained in (key for name, key in read if name == 'train'):
            pairs.update({(trained, key): (by_config[trained], by_config[key]) for key in scored})
    return list(pairs.values())


def _warnings(by_config: Mapping[str, DataSet], pairs: Sequence[tuple[DataSet, DataSet]] = ()) -> list[str]:
    """The warnings on each data set, and on each pair of training and scored data."""
    unlike = (unequal_labels(train.split, test.split, train.card, test.card) for train, test in pairs)
    return [text for data in by_config.values() for text in data.warnings] + list(filter(None, unlike))


def _warnings_on_batches(stacks: Stacks, by_config: Mapping[str, DataSet]) -> list[str]:
    networks = [member.config for config in stacks.paired.values() for member in members(config)]
    samples = [by_config[digest(network['train_dataloader']['dataset'])].split.samples for network in networks]
    return list(filter(None, map(lone_image_warning, networks, samples)))


def _examined(
    name: str,
    dataset: dict,
    config: dict,
    cache: Path,
    files: FileStore,
    code: PluginCode,
    known: Mapping[str, DataSet],
    *,
    is_fold: bool,
) -> DataSet:
    """List, check and fingerprint one data set.

    Raises:
        BadInput: One line for each of its faults.
    """
    imports = config['custom_imports']['imports']
    split = cached_split(name, dataset, cache, imports=imports)
    num_classes = _num_classes(config, split)
    own = own_steps(dataset)
    # Stacks read the same files through pipelines of their own; these files are examined once.
    same = next((data for data in known.values() if data.split == split), None)
    if same is not None and not own:
        return same
    found = findings(split, num_classes, files)
    if (found.errors or found.warnings) and split.images and own:
        loaded = LoadedMasks(split, dataset, files, imports, code)
        found = findings(loaded.split(), num_classes, loaded)
    if is_fold and name == 'test' and found.card is not None:
        found = replace(found, errors=[], warnings=[])  # a class may be missing here: the folds are scored together
    if found.card is None or found.errors:
        raise BadInput('\n'.join([*found.errors, *found.warnings]))
    warnings = [*found.warnings, *dark_warnings(split, dataset, files)]
    if not own:
        warnings += palette_warnings(split, files)
    pixels = sum((facts.height or 0) * (facts.width or 0) for facts in files.images(split.images) if facts)
    return DataSet(split, fingerprint(split, files), found.card, tuple(warnings), pixels)


def listings_are_remembered(stacks: Stacks, baseline: Baseline, cache: Path) -> bool:
    """Whether all data sets are listed already; listing one imports torch and mmseg."""
    distinct = {
        digest(dataset): (name, dataset)
        for config in stacks.paired.values()
        for name, dataset in data_sets(config, baseline.with_protocol)
    }
    return all(remembered_split(name, dataset, cache) for name, dataset in distinct.values())


def _num_classes(config: dict, split: Split) -> int:
    """How many classes the model predicts, which must be how many the data set has."""
    predicted = predicted_classes(config['model'].get('decode_head'))
    if not split.classes:
        raise BadInput(f'the {split.name} data set declares no classes; give it metainfo=dict(classes=(...))')
    if predicted is not None and predicted != len(split.classes):
        raise BadInput(
            f'the model predicts {predicted} classes, but the {split.name} data set has {len(split.classes)} '
            f'({", ".join(split.classes)}); set model.decode_head.num_classes to {len(split.classes)}'
        )
    return len(split.classes)


def predicted_classes(head: Any) -> int | None:
    """``num_classes`` of a decode head, of a cascade's last head, or of a wrapped head; None if there is none."""
    if isinstance(head, (list, tuple)):
        return predicted_classes(head[-1]) if head else None
    if not isinstance(head, dict):
        return None
    if 'num_classes' in head:
        return head['num_classes']
    return next((number for number in map(predicted_classes, head.values()) if number is not None), None)
