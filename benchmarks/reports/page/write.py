"""Write the page of a report. Its libraries are imported only then."""

from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from benchmarks.data.panels import Panel
from benchmarks.files import write_atomic
from benchmarks.reports.answers import Answers
from benchmarks.reports.results import Results
from benchmarks.reports.summary import Summary


def write_page(
    out: Path,
    results: Results,
    stacks: pd.DataFrame,
    comparisons: pd.DataFrame,
    classes: pd.DataFrame,
    found: Answers,
    in_brief: Summary,
    text: str,
    panels: Sequence[Panel] = (),
) -> Path:
    """Write ``<out>/report/index.html``; the arguments are those of ``report_page``."""
    from benchmarks.reports.page.page import report_page

    content = report_page(out, results, stacks, comparisons, classes, found, in_brief, text, panels)
    return write_atomic(Path(out) / 'report' / 'index.html', content.encode('utf-8'))
