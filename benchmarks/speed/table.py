"""All speed comparisons that were run, as one page: ``python -m benchmarks.speed.table``.

It reads ``results/speed/*.json``, and writes ``results/speed/README.md`` and the short table in ``README.md``.
"""

import json
from pathlib import Path

from benchmarks.check.readme_tables import ROOT, with_table
from benchmarks.speed.side_by_side import RESULTS, as_time

PAGE = 'README.md'
HEAD = """# Speed

Ratios of the reference's time to ours, above 1 where ours is faster: median and quartiles over the rounds of one run,
in which both were timed in turn. Each section's command measures it again.
"""
COLUMNS = '| what | ours | instead of | ratio [quartiles] |\n|---|---|---|---|'
# The lines of the short table: (comparison, what is compared, ours).
SHORT = (
    ('by_hand', '18 rows of three tables', 'one grid'),
    ('quickstart', 'finished grid run again', 'the same command'),
    ('quickstart', 'one refinement more, with its profile', 'a grid with it'),
    ('training', '2 × 60 steps of unet_small_icbm152', 'one thread each, side by side'),
    ('training_samples', '4 samples 1024×2048: load, resize, crop, flip, colours', 'with decoded images kept'),
    ('tta', '8 views of 512², unet_small_icbm152', 'one pass, views of ours'),
    ('dense_crf', '10 maps of 2 classes, 512×512, 5 iterations', 'shared lattice, 2 threads'),
    ('confusion_counts', 'label maps, 1024×2048, 19 classes', 'ours, uint8'),
    ('surface_distances', 'HD95 and NSD, 4 predictions of one image, 512×1024, 8 classes', 'ours, contour'),
)


def main() -> None:
    """Write the page and the short table."""
    (RESULTS / PAGE).write_text(page(RESULTS))
    readme = ROOT / 'README.md'
    readme.write_text(with_table(readme.read_text(), 'speed', short_table(RESULTS)))


def short_table(folder: Path) -> str:
    """The table of the lines in :data:`SHORT`, for the comparisons in a folder."""
    lines: dict[tuple[str, str, str], dict] = {}
    for path in sorted(folder.glob('*.json')):
        comparison = json.loads(path.read_text())
        for line in comparison['lines']:  # of several references the first
            lines.setdefault((comparison['name'], line['what'], line['ours']), line)
    return '\n'.join([COLUMNS, *(row(lines[wanted]) for wanted in SHORT)])


def page(folder: Path) -> str:
    """The page for the comparisons in a folder."""
    comparisons = [json.loads(path.read_text()) for path in sorted(folder.glob('*.json'))]
    return '\n'.join([HEAD, *map(_section, comparisons)])


def _section(comparison: dict) -> str:
    environment = comparison['environment']
    cpu = environment['cpu']
    where = ', '.join([cpu['model'], f'{cpu["usable_cores"]} cores', *environment['gpus']])
    versions = ', '.join(f'{name} {version}' for name, version in environment['packages'].items())
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
