"""The data card of a split: its images, and the pixels of each class, as its data set lists and loads them."""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from benchmarks.data.file_facts import Facts, FileFacts, FileStore
from benchmarks.data.loaded_labels import VOID, loaded_label
from benchmarks.data.split import Split


@dataclass(frozen=True)
class ClassCount:
    """How often a class occurs in the truth of a split.

    Args:
        name: The class.
        pixels: Its pixels.
        images: The masks in which it occurs.
    """

    name: str
    pixels: int
    images: int


@dataclass(frozen=True)
class Format:
    """Files of one kind.

    Args:
        channels: Values per pixel.
        bits: Bits of each value.
        files: The number of files.
    """

    channels: int
    bits: int
    files: int


@dataclass(frozen=True)
class Card:
    """What is in a split.

    Args:
        images: The number of images.
        groups: The number of groups; None if the data set declares none.
        sizes: The number of distinct sizes.
        smallest: Height and width of the image with the fewest pixels; None where no size is known.
        largest: Height and width of the image with the most pixels; None likewise.
        image_formats: Channels and bits of the images.
        mask_formats: Channels and bits of the masks.
        masks: The number of masks whose labels are known. The counts below are over these.
        classes: The counts of each class, in the order of the classes.
        void_pixels: Pixels that are neither trained nor scored.
        all_void_images: The number of masks without any other pixel than void.
        values: The pixels of each value that the mask files hold, before any of them is mapped.
        bilevel_masks: The number of masks that hold 0 and 255, and no other value.
    """

    images: int
    groups: int | None
    sizes: int
    smallest: tuple[int, int] | None
    largest: tuple[int, int] | None
    image_formats: tuple[Format, ...]
    mask_formats: tuple[Format, ...]
    masks: int
    classes: tuple[ClassCount, ...]
    void_pixels: int
    all_void_images: int
    values: dict[int, int]
    bilevel_masks: int

    @property
    def pixels(self) -> int:
        """All pixels of the masks that were counted."""
        return sum(self.values.values())

    @property
    def void_share(self) -> float:
        """Void pixels as a part of all; 0 without any pixel."""
        return self.void_pixels / self.pixels if self.pixels else 0.0

    def present(self) -> set[int]:
        """The indices of the classes that occur."""
        return {index for index, count in enumerate(self.classes) if count.pixels}

    def as_json(self) -> dict[str, Any]:
        """The card for ``grid.json``."""
        return asdict(self) | dict(values={str(value): pixels for value, pixels in self.values.items()})


def make_card(split: Split, files: Facts | None = None) -> Card:
    """Count what a split holds.

    Args:
        split: The split; :func:`benchmarks.data.checks.check_split` has accepted it.
        files: Cache of the files' facts; None reads every file.
    """
    files = files or FileStore()
    images = [facts for facts in files.images(split.images) if facts]
    masks = [facts for facts in files.masks([mask for mask in split.masks if mask]) if facts]
    counted = [dict(zip(facts.labels, facts.counts)) for facts in masks if facts.labels and facts.counts]
    loaded = [_by_class(labels, split) for labels in counted]
    pixels, occurs = _total(loaded), Counter(label for labels in loaded for label in labels)
    sizes = sorted({(facts.height, facts.width) for facts in images if facts.height and facts.width}, key=_area)
    return Card(
        images=len(split.images),
        groups=len(set(split.groups)) if split.grouped else None,
        sizes=len(sizes),
        smallest=sizes[0] if sizes else None,
        largest=sizes[-1] if sizes else None,
        image_formats=_formats(images),
        mask_formats=_formats(masks),
        masks=len(counted),
        classes=tuple(ClassCount(name, pixels[i], occurs[i]) for i, name in enumerate(split.classes)),
        void_pixels=pixels[None],
        all_void_images=sum(set(labels) == {None} for labels in loaded),
        values=dict(sorted(_total(counted).items())),
        bilevel_masks=sum(set(labels) == {0, VOID} for labels in counted),
    )


def _by_class(labels: dict[int, int], split: Split) -> Counter:
    """The pixels of each class of a mask; void counts under None."""
    pixels: Counter = Counter()
    for label, number in labels.items():
        pixels[loaded_label(label, split)] += number
    return pixels


def _total(parts: Iterable[dict]) -> Counter:
    total: Counter = Counter()
    for part in parts:
        total.update(part)
    return total


def _formats(facts: Sequence[FileFacts]) -> tuple[Format, ...]:
    known = Counter((one.channels, one.bits) for one in facts if one.channels and one.bits)
    return tuple(Format(channels, bits, files) for (channels, bits), files in known.most_common())


def _area(size: tuple[int, int]) -> tuple[int, int]:
    return size[0] * size[1], size[0]
