"""The checksums of an output folder's records and configs, so that a report notices a file that was altered.

``records/sha256.txt`` has a line for each file, as ``sha256sum`` writes and checks them, with the path in the output
folder. Records from before it existed are read without.
"""

from collections.abc import Iterator
from pathlib import Path

from benchmarks.files import write_atomic
from benchmarks.store.result import sha256

SUMS = Path('records') / 'sha256.txt'
SUMMED = ('records', 'configs')


def write_checksums(out: Path) -> None:
    """Write the checksums of all records and configs of an output folder."""
    lines = [f'{sha256(path)}  {path.relative_to(out)}\n' for path in _files(out)]
    write_atomic(out / SUMS, ''.join(lines).encode())


def altered(out: Path) -> list[str]:
    """The files of an output folder that are missing, or not as they were written, by their paths in it.

    A folder that is missing as a whole, such as ``configs`` where records alone were copied, is nobody's damage.
    """
    try:
        lines = (out / SUMS).read_text().splitlines()
    except FileNotFoundError:
        return []
    except ValueError:
        return [str(SUMS)]
    wrong = []
    for line in lines:
        checksum, _, name = line.partition('  ')
        if name and not (out / name.partition('/')[0]).is_dir():
            continue
        if not name or not (out / name).is_file() or sha256(out / name) != checksum:
            wrong.append(name or str(SUMS))
    return wrong


def refuse_altered(out: Path) -> None:
    """Refuse records of which a file is missing or altered.

    Raises:
        ValueError: Names the file, and the cure.
    """
    wrong = altered(out)
    if wrong:
        more = f', and {len(wrong) - 1} more' if len(wrong) > 1 else ''
        raise ValueError(
            f'{out / wrong[0]}: is missing or altered since it was written{more}; run the grid again with this --out, '
            'which writes it anew from the stored results. If you have changed it on purpose, delete '
            f'{out / SUMS}'
        )


def _files(out: Path) -> Iterator[Path]:
    for name in SUMMED:
        yield from (path for path in sorted((out / name).rglob('*')) if path.is_file() and path != out / SUMS)
