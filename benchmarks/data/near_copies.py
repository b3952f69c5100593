"""Test images that are near-copies of other images under whatever name: encoded again, scaled, brighter.

The others are training images, and validation images by which values are chosen. Small grey copies of the images are
compared, every test image with every other one. The distance of two images is 1 minus the correlation. A near-copy is
within 0.03 of its original, because scaling and compression cost as much, and five times nearer than the nearest other
image usually is. Where that is usually near, as in a video whose frames were split at random, a near-copy is within
0.005, and ten times nearer than images of this data set usually are.
"""

from typing import TYPE_CHECKING

from benchmarks.data.file_facts import FileStore
from benchmarks.data.split import Split
from benchmarks.errors import some_of

if TYPE_CHECKING:
    import numpy as np

OTHERS, TEST = 600, 200  # images that are compared at most, evenly spread over the split: each has to be decoded
COPY, NEARER = 0.03, 5  # than the nearest image usually is
IDENTICAL, CLOSER = 0.005, 10  # than two images usually are
SHOWN = 3
ROLES = {
    'train': ('training', 'scores on test are too good'),
    'val': ('validation', 'values that are chosen on val are chosen on the test, in part'),
}


def near_copy_notes(others: Split, test: Split, files: FileStore) -> list[str]:
    """A sentence on the near-copies, which names both images of the first pairs; none where there is no near-copy.

    Files with the same content are left to :mod:`benchmarks.data.leaks`.

    Args:
        others: The training images, or validation images by which values are chosen.
        test: The test images.
        files: Cache of the files' thumbnails.
    """
    seen, tested = _spread(len(others.images), OTHERS), _spread(len(test.images), TEST)
    pairs = _near_copies([others.images[index] for index in seen], [test.images[index] for index in tested], files)
    if not pairs:
        return []
    role, harm = ROLES[others.name]
    names = [f'test {test.names[tested[b]]} ~ {others.name} {others.names[seen[a]]}' for a, b in pairs]
    whole = len(seen) == len(others.images) and len(tested) == len(test.images)
    compared = '' if whole else f' of {len(tested)} that were compared with {len(seen)} {role} images'
    return [
        f'{len(pairs)} test image(s){compared} are near-identical to a {role} image, though not the same file '
        f'({some_of(names, SHOWN)}): {harm}. Look at them, and take them out of one of the two, '
        'or keep the images of one group in one split'
    ]


def _spread(number: int, most: int) -> list[int]:
    """At most so many indices, evenly spread."""
    return [index * number // min(number, most) for index in range(min(number, most))]


def _near_copies(seen: list[str], tested: list[str], files: FileStore) -> list[tuple[int, int]]:
    """The test images with a near-copy, each with the other image that is nearest to it."""
    import numpy as np

    first, second = _normalised(seen, files), _normalised(tested, files)
    apart = 1 - second @ first.T  # (test, other); 1 where a thumbnail is missing or flat
    known = apart[np.ix_(second.any(axis=1), first.any(axis=1))]
    if not known.size:
        return []
    limit = max(
        min(COPY, float(np.median(known.min(axis=1))) / NEARER), min(IDENTICAL, float(np.median(known)) / CLOSER)
    )
    digests = [[facts and facts.sha256 for facts in files.images(paths)] for paths in (seen, tested)]
    nearest = apart.argmin(axis=1).tolist()
    return [(a, b) for b, a in enumerate(nearest) if apart[b, a] <= limit and digests[0][a] != digests[1][b]]


def _normalised(paths: list[str], files: FileStore) -> 'np.ndarray':
    """Thumbnails as vectors of mean 0 and length 1 (N, P); zeros for one that is missing or flat."""
    import numpy as np

    pictures = files.thumbnails(paths)
    size = next((len(picture) for picture in pictures if picture is not None), 1)
    vectors = np.array([np.zeros(size) if picture is None else picture for picture in pictures], np.float32)
    vectors = vectors.reshape(len(paths), size)
    vectors -= vectors.mean(axis=1, keepdims=True)
    length = np.linalg.norm(vectors, axis=1, keepdims=True)
    return vectors / np.where(length > 0, length, 1)
