"""A digest of a split's content: independent of the folder where the data lies, different if one byte differs."""

import hashlib

from benchmarks.data.file_facts import FileStore
from benchmarks.data.split import Split
from benchmarks.errors import BadInput


def fingerprint(split: Split, files: FileStore | None = None) -> str:
    """sha256 over (sha256 of image, sha256 of mask, group number) of each image, in the data set's order.

    Groups are numbered by first appearance, and neither names nor paths enter: moving or renaming the data changes
    nothing as long as the order stays. An image without a mask enters with an empty mask digest.

    Args:
        split: The split.
        files: Cache of the files' digests; None reads every file.

    Returns:
        64 hexadecimal digits.

    Raises:
        BadInput: A listed file does not exist.
    """
    files = files or FileStore()
    numbers: dict[str, int] = {}
    digest = hashlib.sha256()
    masks = iter(files.masks([mask for mask in split.masks if mask]))
    for i, image in enumerate(files.images(split.images)):
        mask = next(masks) if split.masks[i] else None
        if image is None or (mask is None and split.masks[i]):
            lost = split.images[i] if image is None else split.masks[i]
            raise BadInput(f"{split.name} data: {lost} is missing. Put it there, or take it off the data set's list")
        group = numbers.setdefault(split.groups[i], len(numbers))
        digest.update(f'{image.sha256} {mask.sha256 if mask else ""} {group}\n'.encode())
    return digest.hexdigest()


def names_digest(split: Split) -> str:
    """sha256 over the names of each image and of its group, in the data set's order; no path enters."""
    lines = (f'{name!r} {group!r}\n' for name, group in zip(split.names, split.groups))
    return hashlib.sha256(''.join(lines).encode()).hexdigest()
