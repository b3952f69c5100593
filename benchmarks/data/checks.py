"""Checks of the data before anything is trained. A message names the files of each problem, and its cure."""

import os
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping

from benchmarks.data.file_facts import UNREADABLE, Facts, FileFacts, FileStore
from benchmarks.data.label_cures import label_cure
from benchmarks.data.left_out import files_in
from benchmarks.data.loaded_labels import changes_of, is_valid
from benchmarks.data.split import Split
from benchmarks.errors import BadInput, some_of

SHOWN = 3  # files named in a message; the others are counted
LOSSY = (
    'JPEG changes the labels at the borders of classes. Write the masks as PNG from the original annotation; a JPEG '
    'file has lost it'
)
UNLABELLED = 'unlabelled'  # the split of training images that a teacher labels: they need no masks


def check_split(split: Split, num_classes: int, files: Facts | None = None) -> None:
    """Refuse a split that cannot be trained or tested on, with all its problems in one message.

    The problems are

    * no image at all;
    * an image that is missing or unreadable, or whose name is no text;
    * an image without its mask;
    * a mask that is unreadable, or has another size than its image;
    * a label that the model has no class for;
    * an image listed twice in the test split: facts are stored under the image's name.

    PNG, JPEG, BMP and WebP must be readable. Files of other formats are checked only if PIL can read them.

    Args:
        split: The split.
        num_classes: The model's number of classes. Labels below it are valid, and so is void.
        files: Cache of the files' facts; None reads every file.

    Raises:
        BadInput: The message names the first files of each problem, their number, and the cure.
    """
    if not split.images:
        raise BadInput(
            f'{split.name} data: no image found in {files_in(split.folders)}. '
            "Correct the data set's data_prefix, img_suffix or ann_file"
        )
    files = files or FileStore()
    problems = defaultdict(list)
    images = files.images(split.images)
    masks = dict(zip(filter(None, split.masks), files.masks([mask for mask in split.masks if mask])))
    for image_path, image, mask_path in zip(split.images, images, split.masks):
        for problem, culprit in _problems_of(split, num_classes, image_path, image, mask_path, masks.get(mask_path)):
            problems[problem].append(culprit)
    if split.name == 'test':
        problems.update(_tested_twice(split))
    lines = [f'{split.name} data: {_message(problem, culprits)}' for problem, culprits in problems.items()]
    if 'label' in problems:
        lines.append(f'{split.name} data: {_label_cure(split, num_classes, masks)}')
    if lines:
        raise BadInput('\n'.join(lines))


_CURES = {
    'missing': "image(s) on the data set's list do not exist: {}. Put them there, or take them off the list",
    'name': 'image(s) whose names are no UTF-8, or hold a carriage return, which no table can hold: {}. Rename them',
    'image': 'image(s) cannot be used: {}. Replace them, or take them out of the data set',
    'no mask': 'image(s) without their mask: {}. Add the masks, or correct seg_map_path and seg_map_suffix',
    'mask': 'mask(s) cannot be used: {}. Write class indices as a one-channel 8-bit PNG',
    'unreadable mask': 'mask(s) cannot be used: {}. The files are damaged or incomplete: replace them',
    'palette': "mask(s) with a palette, which imdecode_backend='cv2' of LoadAnnotations turns into three channels: "
    "{}. Leave imdecode_backend out: its default, 'pillow', reads the indices",
    'size': 'mask(s) of another size than their image: {}. Make each mask height×width of its image',
    'label': 'mask(s) with labels that the model has no class for: {}',
    'twice': 'image(s) stand in the data set more than once: {}. List each test image once (a ConcatDataset that holds '
    'a data set twice, an ann_file with a line twice)',
    'repeated': 'data set(s) that draw images more than once: {}. Take the wrapper (RepeatDataset) off '
    'test_dataloader.dataset',
}


def _label_cure(split: Split, num_classes: int, masks: Mapping[str, FileFacts | None]) -> str:
    lossy = any(path.lower().endswith(('.jpg', '.jpeg')) for path in masks)
    return LOSSY if lossy else label_cure(split, num_classes, _labels(masks.values()))


def _labels(masks: Iterable[FileFacts | None]) -> set[int]:
    """All values that occur in masks."""
    return {label for mask in masks if mask for label in mask.labels or ()}


def _missing_mask(path: str) -> str:
    """The path of a mask that does not exist, and a file beside it whose name differs in the suffix alone."""
    if not path:
        return 'the data set names none'
    stem = os.path.splitext(os.path.basename(path))[0]
    beside = os.path.dirname(path) or '.'
    others = (
        sorted(name for name in os.listdir(beside) if os.path.splitext(name)[0] == stem)
        if os.path.isdir(beside)
        else []
    )
    return f'{path}; there is {others[0]}' if others else path


def _tested_twice(split: Split) -> dict[str, list[str]]:
    counts = Counter(map(os.path.abspath, split.images))
    twice = [path for path, count in counts.items() if count > 1]
    if twice:
        return dict(twice=twice)
    if split.samples is not None and split.samples != len(split.images):
        return dict(repeated=[f'{split.samples} samples of {len(split.images)} images'])
    return {}


def _problems_of(
    split: Split, num_classes: int, image_path: str, image: FileFacts | None, mask_path: str, mask: FileFacts | None
) -> Iterator[tuple[str, str]]:
    """(kind, culprit) for each problem of one image and its mask."""
    if not _fits_a_table(image_path):
        yield 'name', ascii(image_path)
    elif image is None:
        yield 'missing', image_path
    elif image.problem:
        yield 'image', f'{image_path} {image.problem}'
    if mask is None and split.name == UNLABELLED:
        return
    if mask is None:
        yield 'no mask', f'{image_path} ({_missing_mask(mask_path)})'
        return
    if mask.problem:
        kind = 'unreadable mask' if mask.problem.startswith(UNREADABLE) else 'mask'
        yield kind, f'{mask_path} {mask.problem}'
        return
    if mask.palette and split.mask_backend == 'cv2':
        yield 'palette', mask_path
    if image and None not in (image.height, mask.height) and (image.height, image.width) != (mask.height, mask.width):
        yield 'size', f'{mask_path} ({mask.height}×{mask.width}, image {image.height}×{image.width})'
    wrong = [label for label in mask.labels or () if not is_valid(label, split, num_classes)]
    if wrong:
        labels = some_of([str(label) for label in wrong], SHOWN)
        yield 'label', f'{mask_path} (label {labels}; {num_classes} classes{changes_of(split)})'


def _fits_a_table(path: str) -> bool:
    """Whether a name can be written as text, unlike Python's lone surrogates, and read back from a CSV."""
    try:
        path.encode()
    except UnicodeEncodeError:
        return False
    return '\r' not in path


def _message(kind: str, culprits: list[str]) -> str:
    return f'{len(culprits)} {_CURES[kind].format(some_of(culprits, SHOWN))}'
