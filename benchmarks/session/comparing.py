"""Compares two output folders on request: ``--compare BEFORE AFTER --out DIR``."""

from pathlib import Path

from benchmarks.errors import BadInput
from benchmarks.session.doing import doing
from benchmarks.session.folders import refuse_unusable_folder


def compare(before: Path, after: Path, out: Path | None) -> None:
    """Write the page that compares two output folders, and print its beginning.

    Args:
        before: The output folder that is the reference.
        after: The other output folder.
        out: The folder of the page.

    Raises:
        BadInput: A folder holds no records, the two share no row, or the page would replace what is no such page.
    """
    from benchmarks.reports.compare.page import MOVED, PAGE, write_comparison  # here, because it imports pandas

    if out is None:
        raise BadInput('--compare writes a page; name its folder with --out DIR')
    if (out / PAGE).exists() and not (out / MOVED).exists():
        raise BadInput(f'--out {out}: its {PAGE} is no page of --compare, and would be replaced; name a new folder')
    if (out / 'grid.json').exists():
        raise BadInput(f'--out {out}: it is the output folder of a grid; name a new folder for the page')
    for folder in (before, after):
        if not (folder / 'grid.json').is_file():
            raise BadInput(f'--compare {folder}: it holds no grid.json, so it is no output folder of a run')
    refuse_unusable_folder('--out', out)
    try:
        with doing('comparing'):
            page = write_comparison(before, after, out)
    except ValueError as error:
        raise BadInput(f'--compare: {error}') from error
    print(page.read_text(encoding='utf-8').split('\n## ')[0])
    print(f'page: {page}')
