"""The page of a report, ``index.html``: one file that needs nothing else, made from the records alone."""

from collections.abc import Sequence
from functools import cache
from pathlib import Path

import pandas as pd
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from benchmarks.analysis.metrics import METRIC_OF, metric_asked
from benchmarks.data.panels import Panel
from benchmarks.reports.answers import Answers
from benchmarks.reports.arms import clean_rows
from benchmarks.reports.image_table import image_table
from benchmarks.reports.interim import interim_text
from benchmarks.reports.markdown import opening
from benchmarks.reports.page.accuracy_cost import accuracy_cost
from benchmarks.reports.page.class_figure import class_figure
from benchmarks.reports.page.data_card import data_card
from benchmarks.reports.page.effects_figure import effects_figure
from benchmarks.reports.page.embed import content_hash, json_for_script
from benchmarks.reports.page.figure import MOST_ROWS as MOST_DRAWN
from benchmarks.reports.page.figure import Figure
from benchmarks.reports.page.image_figure import image_figure
from benchmarks.reports.page.latency_figure import latency_figure
from benchmarks.reports.page.learning_figure import learning_figure
from benchmarks.reports.page.panels import page_panels
from benchmarks.reports.page.prose import sections, to_html
from benchmarks.reports.page.provenance import provenances
from benchmarks.reports.page.row_table import MOST_ROWS, row_columns
from benchmarks.reports.page.step_figure import step_figure
from benchmarks.reports.page.strata_figure import strata_figure
from benchmarks.reports.page.vega import vega_library
from benchmarks.reports.panels.section import HEADING
from benchmarks.reports.results import Results
from benchmarks.reports.summary import Summary

_FOLDER = Path(__file__).with_name('templates')
# Sections of README.md that the page shows in another way.
_SHOWN_OTHERWISE = ('', 'How to read each row', HEADING)


def report_page(
    out: Path,
    results: Results,
    stacks: pd.DataFrame,
    comparisons: pd.DataFrame,
    classes: pd.DataFrame,
    found: Answers,
    in_brief: Summary,
    text: str,
    panels: Sequence[Panel] = (),
) -> str:
    """The HTML of the page. The same records give the same bytes.

    Args:
        out: The folder of the records.
        results: The records of the grid.
        stacks: The stack table.
        comparisons: The comparison table.
        classes: The class table.
        found: What the grid answers.
        in_brief: The answer in three points.
        text: The content of ``README.md``, whose sections the page holds, too.
        panels: The test images that the records have, with their label maps.
    """
    asked = metric_asked(results.grid)
    metrics = list(dict.fromkeys([asked.name, *comparisons['metric'].unique()]))
    prose, table = sections(text), stacks.head(MOST_ROWS)
    chances = found.tables.get('speed.csv', pd.DataFrame())
    return _render(
        title=results.grid['title'],
        interim=to_html(interim_text(results.grid)),
        answer=in_brief,
        lead=to_html(prose.get('', '').removeprefix(opening(results.grid, in_brief))),  # which the page shows otherwise
        metrics={name: METRIC_OF[name].title for name in metrics},
        names=list(table['label']),
        columns=row_columns(table, comparisons, chances, asked),
        more_rows=len(stacks) - len(table),
        figures=_figures(results, stacks, comparisons, classes, found, metrics),
        panels=page_panels(panels, results.grid, stacks),
        rows=list(provenances(out, results, stacks, comparisons[comparisons['metric'] == asked.name])),
        card=data_card(results.grid),
        command=results.grid['command'],
        prose={heading: to_html(part) for heading, part in prose.items() if heading not in _SHOWN_OTHERWISE},
    )


def _figures(
    results: Results,
    stacks: pd.DataFrame,
    comparisons: pd.DataFrame,
    classes: pd.DataFrame,
    found: Answers,
    metrics: Sequence[str],
) -> dict[str, Figure | None]:
    """The figures by the names that the template gives them; None where the records allow none."""
    label_of = dict(zip(stacks['stack'], stacks['label']))
    clean = {row['stack'] for row in clean_rows(results.grid)}
    names = ('speed', 'strata', 'effects')
    chances, strata, effects = (found.tables.get(f'{name}.csv', pd.DataFrame()) for name in names)
    return dict(
        cost=accuracy_cost(stacks, comparisons, chances, metrics, clean),
        steps=step_figure(stacks, comparisons, metrics, clean),
        effects=effects_figure(effects),
        strata=strata_figure(strata, label_of),
        classes=class_figure(classes, label_of),
        images=image_figure(image_table(results, list(stacks['stack'][:MOST_DRAWN])), label_of, len(stacks)),
        latency=latency_figure(stacks, results.profiles),
        learning=learning_figure(results, stacks),
    )


def _render(**content: object) -> str:
    style, script = (_asset(name) for name in ('page.css', 'page.js'))
    library = vega_library()
    scripts = [script] if library is None else [library, script]
    return (
        _environment()
        .get_template('page.html.jinja')
        .render(
            style=Markup(style),
            script=Markup(script),
            library=None if library is None else Markup(library),
            script_hashes=Markup(' '.join(content_hash(text) for text in scripts)),
            style_hash=Markup(content_hash(style)),
            **content,
        )
    )


@cache
def _environment() -> Environment:
    """Everything that is put into a template is escaped, but for what is ``Markup``."""
    environment = Environment(
        loader=FileSystemLoader(_FOLDER),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters['json_for_script'] = json_for_script
    return environment


def _asset(name: str) -> str:
    return (_FOLDER / name).read_text(encoding='utf-8')
