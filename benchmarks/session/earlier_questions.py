"""The questions that were asked before: in an output folder, and of the same results in other ones.

A question stands in ``grid.json`` of its output folder. The cache of the work dir, which holds the results, has a copy,
with the grid and the cells that were asked about. So a report in a second folder knows that its question was asked
before the first result, or that another one was.
"""

import os
from collections.abc import Mapping, Set
from pathlib import Path
from typing import Any

from benchmarks.files import digest, read_json, write_json
from benchmarks.plan.question import is_asked_by

_PREFIX = 'asked_'


def asked_before(out: Path, cache: Path) -> list[dict]:
    """The questions that were asked in an output folder: those of ``grid.json``, or of the cache if it is spoilt."""
    for path in (out / 'grid.json', _file(out, cache)):
        written = read_json(path)
        if isinstance(written, dict) and written.get('questions'):
            return written['questions']
    return []


def asked_elsewhere(cache: Path, grid: str, cells: Set[str], question: Mapping[str, Any]) -> list[dict]:
    """The questions that a grid has asked of the same results in another output folder; empty for none.

    Of several folders that counts whose last question is this one, then one that asked before the first result, then
    the one with most questions.

    Args:
        cache: The work dir's folder of remembered facts.
        grid: The name of the grid.
        cells: The keys of the results of its cells; one in common is enough, because seeds may be added.
        question: What the grid asks now.
    """
    found = []
    for path in sorted(cache.glob(f'{_PREFIX}*.json')):
        written = read_json(path)
        if isinstance(written, dict) and written.get('grid') == grid and not cells.isdisjoint(written.get('cells', ())):
            found.append(written['questions'])
    return max(
        found, key=lambda asked: (is_asked_by(asked[-1], question), asked[0]['n_results'] == 0, len(asked)), default=[]
    )


def remember_asked(out: Path, cache: Path, grid: str, cells: Set[str], questions: list[dict]) -> None:
    """Keep the questions of an output folder in the cache; the arguments are those of the functions above."""
    write_json(_file(out, cache), dict(grid=grid, cells=sorted(cells), questions=questions))


def _file(out: Path, cache: Path) -> Path:
    """Where the cache keeps the questions of an output folder, also after both have moved together."""
    return cache / f'{_PREFIX}{digest(os.path.relpath(out.resolve(), cache.resolve()))[:40]}.json'
