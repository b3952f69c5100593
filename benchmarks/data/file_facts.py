"""Facts about image and mask files, read once and cached as long as path, size and time stamp stay the same."""

import hashlib
import io
import os
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from benchmarks.data.pixel_format import palette_colours, pixel_format
from benchmarks.files import read_json, write_json

if TYPE_CHECKING:
    import numpy as np  # imported where it is used: a remembered fact needs none of it
    from PIL import Image

FACTS_VERSION = 4  # raise it when a file's facts are read differently
UNREADABLE = 'cannot be read'  # the beginning of the problem of a damaged file
THUMBNAIL_PX = 24  # height and width of the small copies that are compared with each other
# Formats that every loader reads alike. Others (TIFF, NIfTI, NumPy …) may need the data set's own loader, so an error
# here proves nothing.
CHECKED_SUFFIXES = ('.png', '.jpg', '.jpeg', '.bmp', '.webp')


@dataclass(frozen=True)
class FileFacts:
    """The facts of one file.

    Attributes:
        sha256: Digest of its bytes, in hexadecimal digits.
        height: Pixels; None if the format is not checked or the file is unreadable.
        width: Like height.
        labels: The distinct values of a mask, before mmseg's loader maps any of them; None for an image.
        problem: The reason why it cannot be used, or None.
        counts: The number of pixels of each label; None for an image.
        channels: Values per pixel in the file; None if the file is unreadable.
        bits: Bits of each value in the file; None likewise.
        palette: Whether the values are indices of a palette of colours.
        colours: The palette's colour of each of ``labels``, as 0xRRGGBB; None for a file without a palette.
        thumbnail: Grey values of the image at a small size, in hexadecimal digits; None where it was not made.
    """

    sha256: str
    height: int | None = None
    width: int | None = None
    labels: tuple[int, ...] | None = None
    problem: str | None = None
    counts: tuple[int, ...] | None = None
    channels: int | None = None
    bits: int | None = None
    palette: bool = False
    colours: tuple[int, ...] | None = None
    thumbnail: str | None = None


class Facts(Protocol):
    """Gives facts of files, in order; None for a file that does not exist."""

    def images(self, paths: Sequence[str]) -> list[FileFacts | None]:
        """Facts of images."""
        ...

    def masks(self, paths: Sequence[str]) -> list[FileFacts | None]:
        """Facts of masks."""
        ...


class FileStore:
    """Reads facts of files; with a cache folder it keeps them in ``files.json``. Use it as a context manager.

    A cache that cannot be read is ignored. Of two processes that write it, the last one wins; the facts that are lost
    are read again.

    Args:
        cache_dir: Folder of ``files.json``, made if missing; None caches nothing.
        told: Called with the number of files of a folder that have been read, and the number of those to read.
    """

    def __init__(
        self, cache_dir: str | os.PathLike | None = None, told: Callable[[int, int], object] | None = None
    ) -> None:
        self.told = told
        self.path = Path(cache_dir) / 'files.json' if cache_dir is not None else None
        self._known = self._load()
        self._changed = False

    def __enter__(self) -> 'FileStore':
        return self

    def __exit__(self, *_: object) -> None:
        self.save()

    def images(self, paths: Sequence[str]) -> list[FileFacts | None]:
        """Facts of images, in order; None for a file that does not exist."""
        return self.facts('image', paths, read_image)

    def masks(self, paths: Sequence[str]) -> list[FileFacts | None]:
        """Facts of masks, in order; None for a file that does not exist."""
        return self.facts('mask', paths, read_mask)

    def facts(self, role: str, paths: Sequence[str], read: Callable[[str], FileFacts]) -> list[FileFacts | None]:
        """Facts of files, in order; None for a file that does not exist.

        Args:
            role: The way in which the files are read; facts are remembered by role and path.
            paths: The files.
            read: Reads the facts of a file that is not remembered; called in several threads.
        """
        keys = [f'{role}:{os.path.abspath(path)}' for path in paths]
        stamps = [_stamp(path) for path in paths]
        all_facts = [self._recall(key, stamp) if stamp else None for key, stamp in zip(keys, stamps)]
        unread = [(i, stamp) for i, stamp in enumerate(stamps) if stamp and all_facts[i] is None]
        # Hashing and decoding release the interpreter's lock, so threads do help.
        with ThreadPoolExecutor(max_workers=min(8, os.cpu_count() or 1)) as pool:
            read_facts = zip(unread, pool.map(read, [paths[i] for i, _ in unread]))
            for done, ((i, stamp), facts) in enumerate(read_facts, 1):
                all_facts[i] = facts
                if self.told:
                    self.told(done, len(unread))
                self._remember(keys[i], stamp, facts)
        return all_facts

    def thumbnails(self, paths: Sequence[str]) -> list['np.ndarray | None']:
        """Grey values of small copies of images, as vectors; None for a file that PIL cannot read."""
        import numpy as np

        pictures = [facts and facts.thumbnail for facts in self.facts('thumbnail', paths, read_thumbnail)]
        return [np.frombuffer(bytes.fromhex(text), np.uint8) if text else None for text in pictures]

    def save(self) -> None:
        """Write ``files.json`` if new facts were read."""
        if self.path is not None and self._changed:
            write_json(self.path, dict(version=FACTS_VERSION, files=self._known))
            self._changed = False

    def _load(self) -> dict:
        content = read_json(self.path) if self.path is not None else None
        if not isinstance(content, dict) or content.get('version') != FACTS_VERSION:
            return {}
        files = content.get('files')
        return files if isinstance(files, dict) else {}

    def _recall(self, key: str, stamp: tuple[int, int]) -> FileFacts | None:
        try:
            size, mtime_ns, facts = self._known[key]
            if (size, mtime_ns) != stamp:
                return None
            lists = {name: facts[name] for name in ('labels', 'counts', 'colours')}
            tuples = {name: None if values is None else tuple(values) for name, values in lists.items()}
            return FileFacts(**dict(facts, **tuples))
        except (KeyError, TypeError, ValueError):
            return None

    def _remember(self, key: str, stamp: tuple[int, int], facts: FileFacts) -> None:
        # A file that has just been changed may change again within the same tick of the file system's clock.
        if abs(time.time_ns() - stamp[1]) > 1_000_000_000:
            self._known[key] = [*stamp, asdict(facts)]
            self._changed = True


def read_image(path: str) -> FileFacts:
    """Read digest and size of an image, and check that it is complete; for a PNG no pixel is decoded for that."""
    from PIL import Image

    data = Path(path).read_bytes()
    digest = hashlib.sha256(data).hexdigest()
    try:
        image = Image.open(io.BytesIO(data))
        width, height = image.size
        depth = pixel_format(image, data)
        if 'exif' in image.info and image.getexif().get(0x0112, 1) >= 5:  # loaders turn it by 90°
            width, height = height, width
        if image.format == 'PNG':
            image.verify()  # checks each chunk's CRC
        else:
            image.draft('L', (max(1, width // 8), max(1, height // 8)))  # a JPEG is decoded at an eighth of its size
            image.load()
    except Exception as error:  # PIL's decoders raise nearly anything on broken files
        return FileFacts(digest, problem=_unreadable(path, error))
    return FileFacts(digest, height, width, **depth)


def read_mask(path: str) -> FileFacts:
    """Read digest, size and distinct labels of a mask, as mmseg's ``LoadAnnotations`` decodes it."""
    from PIL import Image

    data = Path(path).read_bytes()
    digest = hashlib.sha256(data).hexdigest()
    try:
        image = Image.open(io.BytesIO(data))
        depth = pixel_format(image, data)
        pixels = _decode_mask(image, data)
    except Exception as error:  # PIL's decoders raise nearly anything on broken files
        return FileFacts(digest, problem=_unreadable(path, error))
    facts = FileFacts(digest, *pixels.shape[:2], **depth)
    if pixels.ndim != 2:
        return replace(facts, problem=f'has {pixels.shape[2]} channels instead of one ({_colours(pixels)})')
    if pixels.dtype.kind not in 'uib':
        return replace(facts, problem=f'holds {pixels.dtype} instead of whole numbers')
    labels, counts = distinct(pixels)
    return replace(facts, labels=labels, counts=counts, colours=palette_colours(image, labels))


def read_thumbnail(path: str) -> FileFacts:
    """Read a small grey copy of an image, spread over the full range; its other facts stay unknown."""
    import numpy as np
    from PIL import Image

    try:
        image = Image.open(path)
        image.draft('L', (2 * THUMBNAIL_PX, 2 * THUMBNAIL_PX))
        deep = image.mode.startswith('I') or image.mode == 'F'
        grey = Image.fromarray(np.asarray(image, np.float32)) if deep else image.convert('L').convert('F')
        small = np.asarray(grey.resize((THUMBNAIL_PX, THUMBNAIL_PX), Image.Resampling.BOX))
    except Exception:  # PIL's decoders raise nearly anything, and other formats need the data set's own loader
        return FileFacts('')
    spread = (small - small.min()) * (255 / max(float(np.ptp(small)), 1e-6))
    return FileFacts('', thumbnail=spread.astype(np.uint8).tobytes().hex())


def _decode_mask(image: 'Image.Image', data: bytes) -> 'np.ndarray':
    import cv2
    import numpy as np
    from PIL import Image

    if image.format == 'PNG':
        Image.open(io.BytesIO(data)).verify()  # OpenCV makes zeros of what a file that was cut off lacks
    if image.mode == 'L' and image.format == 'PNG':
        pixels = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED)  # twice as fast as PIL
        if pixels is not None and pixels.ndim == 2:
            return pixels
    # OpenCV would turn palette indices into colours; PIL, like mmseg, keeps the indices.
    return np.asarray(image)


def distinct(pixels: 'np.ndarray') -> tuple[tuple[int, ...], tuple[int, ...]]:
    """The distinct values in rising order, and the number of pixels of each."""
    import cv2
    import numpy as np

    if pixels.dtype == np.uint8:
        every = cv2.calcHist([pixels], [0], None, [256], [0, 256]).ravel()  # several times faster than np.unique
        # A histogram of float32 is exact up to 2**24 pixels.
        every = every if pixels.size < 2**24 else np.bincount(pixels.ravel(), minlength=256)
        labels = np.flatnonzero(every)
        return tuple(labels.tolist()), tuple(every[labels].astype(int).tolist())
    labels, counts = np.unique(pixels, return_counts=True)
    return tuple(labels.astype(int).tolist()), tuple(counts.tolist())


def _colours(pixels: 'np.ndarray') -> str:
    """What the channels of a mask hold, for its cure."""
    import numpy as np

    if pixels.shape[2] >= 3 and not (pixels[..., :1] != pixels[..., 1:3]).any():
        return 'all equal: take the first'
    colours = np.unique(pixels.reshape(-1, pixels.shape[2]), axis=0)[:4].tolist()
    return 'colours ' + ', '.join(str(tuple(colour)) for colour in colours[:3]) + (' …' if len(colours) > 3 else '')


def _unreadable(path: str, error: Exception) -> str | None:
    return f'{UNREADABLE} ({error})' if path.lower().endswith(CHECKED_SUFFIXES) else None


def _stamp(path: str) -> tuple[int, int] | None:
    try:
        status = os.stat(path)
    except OSError:
        return None
    return (status.st_size, status.st_mtime_ns) if os.path.isfile(path) else None
