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
            f'test data: {len(within)} of {compared} images that were compared with the next one are near-identical to '
            f'it ({first} and {second}), like the frames of a video, but count as independent: intervals are too '
            f'narrow. {_declaration(first)}'
        )
    if not across:
        return notes
    names, images = [*train.names, *test.names], [*train.images, *test.images]
    mixed = [pair for pair in _neighbours(names) if sum(index < len(train.names) for index in pair) == 1]
    shared, compared = _alike(names, images, mixed, files)
    if shared:
        trained, tested = (names[index] for index in sorted(shared[0]))
        notes.append(
            f'{len(shared)} of {compared} test images that were compared with the training image of the next number '
            f'are near-identical to it (train {trained} and test {tested}): scores on test are too good. Keep the '
            f'images of one sequence in one split. {_declaration(tested)}'
        )
    return notes


def _alike(
    names: Sequence[str], images: Sequence[str], pairs: Sequence[tuple[int, int]], files: FileStore
) -> tuple[list[tuple[int, int]], int]:
    """The near-identical pairs of those that are compared, and the number of these; no pair if there are but few."""
    number = min(PAIRS, len(pairs))
    pairs = [pairs[i * len(pairs) // number] for i in range(number)]
    if number < 2:
        return [], number
    strangers = [(first, (first + len(names) // 2) % len(names)) for first, _ in pairs]
    needed = sorted({index for pair in (*pairs, *strangers) for index in pair})
    pictures = dict(zip(needed, files.thumbnails([images[index] for index in needed])))
    usual = _median([_likeness(pictures[a], pictures[b]) for a, b in strangers])
    alike = [pair for pair in pairs if _near_identical(_likeness(pictures[pair[0]], pictures[pair[1]]), usual)]
    return (alike if len(alike) >= max(2, SOME * number) else []), number


def _declaration(name: str) -> str:
    pattern = group_pattern(name)
    return (
        f"Declare groups in the data sets' metainfo, for example group={'r' if BACKSLASH in pattern else ''}'{pattern}'"
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
