"""Make the report of a grid from its records."""

from pathlib import Path

from benchmarks.analysis.metrics import metric_asked
from benchmarks.files import write_atomic
from benchmarks.reports.answers import answers
from benchmarks.reports.arms import clean_rows
from benchmarks.reports.chance_text import chance_of, in_figure
from benchmarks.reports.class_table import class_table
from benchmarks.reports.figures import accuracy_speed
from benchmarks.reports.latex import latex_table
from benchmarks.reports.markdown import report_markdown
from benchmarks.reports.page.vega import start_bundling
from benchmarks.reports.page.write import write_page
from benchmarks.reports.panels.section import panel_section, panels_of, write_sheets
from benchmarks.reports.phrases import number_of_seeds, without_tags
from benchmarks.reports.results import Results, read_results
from benchmarks.reports.summary import summary
from benchmarks.reports.table import comparison_table, stack_table, write_csv


def make_report(out: Path, *, panels: bool = True) -> Path:
    """Write ``<out>/report/``: README.md, index.html, the tables, and accuracy_speed.png and .svg if they show a row.

    The tables are table.csv, table.tex, comparisons.csv and classes.csv, and those of :mod:`benchmarks.reports.answers`
    that have a row.

    Reads ``grid.json`` and ``records/`` only. The same records give the same bytes. Works when no cell is ok.

    Args:
        out: Folder that holds grid.json and records/.
        panels: Whether to show test images, if the records have some.

    Returns:
        Path: ``<out>/report/README.md``.

    Raises:
        ValueError: A record is missing or damaged; names file and field.
    """
    start_bundling()
    results = read_results(out)
    stacks, comparisons, classes = stack_table(results), comparison_table(results), class_table(results)
    folder = Path(out) / 'report'
    write_csv(stacks, folder / 'table.csv')
    write_csv(comparisons, folder / 'comparisons.csv')
    write_csv(classes, folder / 'classes.csv')
    metric = metric_asked(results.grid)
    asked = comparisons[comparisons['metric'] == metric.name]
    write_atomic(folder / 'table.tex', latex_table(stacks, asked, metric).encode('ascii'))
    chance = chance_of(asked)
    caption, band = (
        _caption(results) + (f' {in_figure(chance)}' if chance else ''),
        chance and (chance.low, chance.high),
    )
    clean = stacks[stacks['stack'].isin([row['stack'] for row in clean_rows(results.grid)])]
    for name in ('accuracy_speed.svg', 'accuracy_speed.png'):
        figure = accuracy_speed(clean, folder / name, results.grid['title'], caption, band, metric)
    found = answers(results, stacks, comparisons)
    for name, table in found.tables.items():
        if table.empty:
            (folder / name).unlink(missing_ok=True)
        else:
            write_csv(table, folder / name)
    shown = panels_of(out, results) if panels else []
    write_sheets(out, shown, results.grid, dict(zip(stacks['stack'], stacks['label'])))
    images = panel_section(shown, stacks)
    in_brief = summary(results, stacks, comparisons)
    text = report_markdown(
        results, stacks, comparisons, classes, found.text, in_brief, has_figure=figure is not None, panels=images
    )
    readme = write_atomic(folder / 'README.md', without_tags(text).encode('utf-8'))
    write_page(out, results, stacks, comparisons, classes, found, in_brief, text, shown)
    return readme


def _caption(results: Results) -> str:
    seeds, counts = len(results.grid['seeds']), results.counts
    covers = 'image groups and seeds' if seeds > 1 else 'image groups only (one seed)'
    return (
        f'{results.grid["dataset"]["name"]}: {len(counts.images)} images in {counts.n_groups} groups, '
        f'{number_of_seeds(results.grid)}; intervals over {covers}. Speed on {results.grid["device"]}.'
    )
