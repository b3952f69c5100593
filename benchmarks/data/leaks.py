"""Images and groups that two splits share."""

from collections.abc import Sequence
from itertools import combinations

from benchmarks.data.file_facts import FileStore
from benchmarks.data.split import Split
from benchmarks.errors import BadInput, some_of

SHOWN = 3  # pairs of images and groups named in a message; the others are counted
ORDER = ('train', 'unlabelled', 'val', 'test')
SCORED = ('val', 'test')  # what the other splits must not hold


def leak_notes(splits: Sequence[Split], files: FileStore | None = None) -> list[str]:
    """Find images and groups that splits of different names share.

    Args:
        splits: The splits. Several may have the same name, if stacks differ in their data.
        files: Cache of the files' digests; None reads every file.

    Returns:
        One sentence for each pair of splits that shares images (by content), naming both files of each, or groups.
        Groups count only if both data sets name them. If val and test are the same images, a sentence of its own says
        so. What one training learns from labels and from unlabelled images may overlap.
    """
    files = files or FileStore()
    notes = []
    for first, second in combinations(sorted(splits, key=lambda split: ORDER.index(split.name)), 2):
        if first.name == second.name or second.name not in SCORED:
            continue
        twins = _twins(first, second, files)
        same_images = len(twins) == len(first.images) == len(second.images)
        if {first.name, second.name} == {'val', 'test'} and same_images:
            notes.append(
                'val and test are the same images: a checkpoint chosen by its val score is chosen on the test '
                'set. The last checkpoint is used instead; give val images of its own'
            )
        elif twins:
            pairs = [f'{second.name} {second.names[b]} = {first.name} {first.names[a]}' for a, b in twins]
            notes.append(
                f'{first.name} and {second.name} share {len(twins)} image(s) with the same content '
                f'({some_of(pairs, SHOWN)}): scores on {second.name} are too good. Take them out of one of the two'
            )
        elif groups := _shared_groups(first, second):
            notes.append(
                f'{first.name} and {second.name} share {len(groups)} group(s) ({some_of(groups, SHOWN)}): their images '
                f'are not independent, so scores on {second.name} are too good. Split by group'
            )
    return list(dict.fromkeys(notes))


def refuse_selection_on_test(splits: Sequence[Split], files: FileStore | None = None) -> None:
    """Refuse validation images by which values are chosen, if the test shows them, or others of their groups.

    Args:
        splits: The splits.
        files: Cache of the files' digests; None reads every file.

    Raises:
        BadInput: Names both files of each shared image, or the groups.
    """
    files, mistakes = files or FileStore(), []
    cure = (
        'Take them out of the validation data (val_dataloader.dataset), or have validation images carved out of the '
        'training images by validation_share=0.2 in the grid'
    )
    for val, test in ((a, b) for a in splits for b in splits if (a.name, b.name) == ('val', 'test')):
        what = 'values that are chosen on val would be chosen on the test'
        if twins := _twins(val, test, files):
            pairs = [f'test {test.names[b]} = val {val.names[a]}' for a, b in twins]
            mistakes.append(
                f'val and test share {len(twins)} image(s) with the same content ({some_of(pairs, SHOWN)}): {what}. '
                + cure
            )
        elif groups := _shared_groups(val, test):
            mistakes.append(f'val and test share {len(groups)} group(s) ({some_of(groups, SHOWN)}): {what}. {cure}')
    if mistakes:
        raise BadInput(*mistakes)


def refuse_choice_on_training(splits: Sequence[Split], files: FileStore | None = None) -> None:
    """Refuse validation images by which values of a training are chosen, if the training shows them, too.

    Args:
        splits: The splits.
        files: Cache of the files' digests; None reads every file.

    Raises:
        BadInput: Names both files of each shared image.
    """
    files, mistakes = files or FileStore(), []
    for train, val in ((a, b) for a in splits for b in splits if (a.name, b.name) == ('train', 'val')):
        if twins := _twins(train, val, files):
            pairs = [f'val {val.names[b]} = train {train.names[a]}' for a, b in twins]
            mistakes.append(
                f'train and val share {len(twins)} image(s) with the same content ({some_of(pairs, SHOWN)}): of values '
                'of a training those would be chosen that learn them by heart. Take them out of the validation data '
                '(val_dataloader.dataset), or have validation images carved out of the training images by '
                'validation_share=0.2 in the grid'
            )
    if mistakes:
        raise BadInput(*mistakes)


def _twins(first: Split, second: Split, files: FileStore) -> list[tuple[int, int]]:
    """For each image of ``second`` that ``first`` has, too: the index of its first twin there, and its own."""
    place: dict[str, int] = {}
    for index, facts in enumerate(files.images(first.images)):
        if facts:
            place.setdefault(facts.sha256, index)
    own = enumerate(files.images(second.images))
    return [(place[facts.sha256], index) for index, facts in own if facts and facts.sha256 in place]


def _shared_groups(first: Split, second: Split) -> list[str]:
    grouped = first.grouped and second.grouped
    return sorted(set(first.groups) & set(second.groups)) if grouped else []
