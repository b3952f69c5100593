"""All speed comparisons that were run, as one page: ``python -m benchmarks.speed.table``.

It reads ``results/speed/*.json`` and writes ``results/speed/README.md``.
"""

import json
from pathlib import Path

from benchmarks.speed.side_by_side import RESULTS, as_time

PAGE = 'README.md'
HEAD = """# Speed

Ratios of the reference's time to ours, above 1 where ours is faster: median and quartiles over the rounds of one run,
in which both were timed in turn. Each section's command measures it again.
"""
COLUMNS = '| what | ours | instead of | ratio [quartiles] |\n|---|---|---|---|'


def main() -> None:
    """Write the page."""
    (RESULTS / PAGE).write_text(page(RESULTS))


def page(folder: Path) -> str:
    """The page for the comparisons in a folder."""
    comparisons = [json.loads(path.read_text()) for path in sorted(folder.glob('*.json'))]
    return '\n'.join([HEAD, *map(_section, comparisons)])


def _section(comparison: dict) -> str:
    around = comparison['environment']
    gpus = ''.join(f', {gpu}' for gpu in around['gpus'])
    where = f'{around["cpu"]["model"]}, {around["cpu"]["usable_cores"]} cores{gpus}'
    versions = ', '.join(f'{name} {version}' for name, version in around['packages'].items())
    lines = [
        f'## {comparison["name"]}',
        '',
        f'`{comparison["command"]}` on {where}; load {comparison["load_average"]}',
        '',
        COLUMNS,
        *map(row, comparison['lines']),
        '',
    ]
    notes = dict.fromkeys(line['note'] for line in comparison['lines'] if line['note'])
    return '\n'.join([*lines, *(f'- {note}' for note in notes), f'- {versions}', ''])


def row(line: dict) -> str:
    """One line of a comparison as a row of the table."""
    return (
        f'| {line["what"]} | {line["ours"]}: {as_time(line["ours_s"])} | '
        f'{line["reference"]}: {as_time(line["reference_s"])} | '
        f'{line["ratio"]:.3g}× [{line["low"]:.3g}, {line["high"]:.3g}] |'
    )


if __name__ == '__main__':
    main()
