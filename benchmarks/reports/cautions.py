"""What may make the rows of a report mean something else than they say."""

from benchmarks.reports.phrases import one_line
from benchmarks.reports.table import Results


def cautions(results: Results) -> str:
    """The section of cautions, one item for each; empty if there is nothing to say.

    Args:
        results: The records, profiles and counts of the grid.
    """
    found = results.grid.get('lints', [])
    items = [f'- {text[:1].upper()}{one_line(text)[1:]}.' for text in found]
    return '\n'.join(['## Before you believe a row', '', *items]) if items else ''
