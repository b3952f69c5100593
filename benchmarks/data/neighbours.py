"""Do images that count as independent follow each other like the frames of a video? Names alone prove nothing.

Images with equal names but for running numbers are common in data sets of independent images, too. The evidence is the
content: thumbnails of images that follow each other are near-identical, and those of images far apart are not.
"""

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING

from benchmarks.data.file_facts import FileStore
from benchmarks.data.split import Split

if TYPE_CHECKING:
    import numpy as np

PAIRS = 40  # neighbours that are compared, evenly spread over the split
BACKSLASH = '\\'
SOME = 0.2  # the part of them from which near-identical neighbours are pointed out
SAME = 0.995  # correlation of thumbnails from which two images are near-identical, whatever the others are like
ALIKE, CLOSER = 0.95, 4  # or from which they are if strangers correlate this many times less closely


def neighbour_notes(train: Split, test: Split, files: FileStore, *, across: bool = True) -> list[str]:
    """Sentences on near-identical neighbours among images that count as independent, and the line that declares groups.

    Args:
        train: The training images.
        test: The test images.
        files: Cache of the files' thumbnails.
        across: Whether training images are compared with test images.

    Returns:
        A sentence on the test images, and one on training images that are neighbours of test images. No sentence where
        the test data declare groups, or where neighbours are not alike.
    """
    if test.grouped:
        return []
    notes = []
    within, compared = _alike(test.names, test.images, _neighbours(test.names), files)
    if within:
        first, second = (test.names[index] for index in within[0])
        notes.append(
            f'test data: {len(within)} of {len(compared)} images that were compared with the next one are '
            f'near-identical to it ({first} and {second}), like the frames of a video, but count as independent: '
            f'intervals are too narrow. {_declaration((first, second), train.names, test.names)}'
        )
    if not across:
        return notes
    names, images = [*train.names, *test.names], [*train.images, *test.images]
    mixed = [pair for pair in _neighbours(names) if sum(index < len(train.names) for index in pair) == 1]
    shared, compared = _alike(names, images, mixed, files)
    if shared:
        trained, tested = (names[index] for index in sorted(shared[0]))
        alike, all_compared = (len({max(pair) for pair in pairs}) for pairs in (shared, compared))
        notes.append(
            f'{alike} of {all_compared} test images that were compared with the training image of the next number '
            f'are near-identical to it (train {trained} and test {tested}): scores on test are too good. Keep the '
            f'images of one sequence in one split. {_declaration((trained, tested), train.names, test.names)}'
        )
    return notes


def single_group_warning(test: Split) -> str | None:
    """A warning, if the groups that the test data declare are a single one."""
    if not test.grouped or len(set(test.groups)) > 1 or len(test.images) < 2:
        return None
    return (
        f"test data: all {len(test.images)} images are of one group, '{test.groups[0]}': no interval can be given, and "
        f'nothing is decided. If they show several patients, videos or places, let group tell them apart'
    )


def _alike(
    names: Sequence[str], images: Sequence[str], pairs: Sequence[tuple[int, int]], files: FileStore
) -> tuple[list[tuple[int, int]], list[tuple[int, int]]]:
    """The near-identical pairs of those that are compared, and these; no pair is near-identical if but few are."""
    number = min(PAIRS, len(pairs))
    pairs = [pairs[i * len(pairs) // number] for i in range(number)]
    if number < 2:
        return [], pairs
    strangers = [(first, (first + len(names) // 2) % len(names)) for first, _ in pairs]
    needed = sorted({index for pair in (*pairs, *strangers) for index in pair})
    pictures = dict(zip(needed, files.thumbnails([images[index] for index in needed])))
    usual = _median([_likeness(pictures[a], pictures[b]) for a, b in strangers])
    alike = [pair for pair in pairs if _near_identical(_likeness(pictures[pair[0]], pictures[pair[1]]), usual)]
    return (alike if len(alike) >= max(2, SOME * number) else []), pairs


def _declaration(alike: Sequence[str], train: Sequence[str], test: Sequence[str]) -> str:
    """How to declare groups: by an expression, if one puts like images together and others apart; by a table else."""
    pattern = group_pattern(alike[0])
    found = {name: re.match(pattern, name) for name in (*train, *test)}
    if all(match and match[1] for match in found.values()):
        groups = {name: match[1] for name, match in found.items() if match}
        if len({groups[name] for name in alike}) == 1 < len({groups[name] for name in test}):
            raw = 'r' if BACKSLASH in pattern else ''
            return f"Declare groups in the data sets' metainfo, for example group={raw}'{pattern}'"
    return (
        f'The names do not say where a sequence begins: write a table below data_root with a row for each image, such '
        f"as '{alike[0]},1' below the line 'image,sequence', and declare it in the data sets' metainfo: "
        f"group=dict(csv='groups.csv', image='image', group='sequence')"
    )


def group_pattern(name: str) -> str:
    r"""A regular expression whose first group is what the frames of one sequence have in common.

    Example:
        >>> [group_pattern(name) for name in ('clip02_frame_0001', 'a7/0001', 'seq3-17', 'pig12')]
        ['(.*)_frame', '(.*)/\\d+', '(.*)-\\d+', '(.*?)\\d+']
    """
    before = re.sub(r'\d+\D*$', '', name)
    word = re.search(r'[_/ -][A-Za-z]+[_ -]?$', before)
    if word:
        return f'(.*){word[0].rstrip("_ -")}'
    return rf'(.*){before[-1]}\d+' if before.endswith(('_', '/', ' ', '-')) else r'(.*?)\d+'


def _neighbours(names: Sequence[str]) -> list[tuple[int, int]]:
    """Indices of the images whose names follow each other, and differ in numbers alone."""
    order = sorted(range(len(names)), key=lambda index: _natural(names[index]))
    return [(a, b) for a, b in zip(order, order[1:]) if re.sub(r'\d+', '#', names[a]) == re.sub(r'\d+', '#', names[b])]


def _natural(name: str) -> list[tuple[int, str]]:
    """A key that sorts 9 before 10."""
    return [(int(part), '') if part.isdigit() else (-1, part) for part in re.split(r'(\d+)', name)]


def _near_identical(likeness: float, usual: float) -> bool:
    return likeness >= SAME or (likeness >= ALIKE and (1 - likeness) * CLOSER <= 1 - usual)


def _likeness(first: 'np.ndarray | None', second: 'np.ndarray | None') -> float:
    """The correlation of two thumbnails; 0 where one is missing or flat."""
    import numpy as np

    if first is None or second is None or first.std() == 0 or second.std() == 0:
        return 0.0
    return float(np.corrcoef(first, second)[0, 1])


def _median(values: Sequence[float]) -> float:
    return sorted(values)[len(values) // 2]
