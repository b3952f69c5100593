"""The report says what may make its rows mean something else; without such a finding it says nothing."""

from benchmarks import record
from benchmarks.reports.report import make_report

HEADING = '## Before you believe a row'


def text_of(out, **changed_grid):
    record.write_grid(out, record.read_grid_json(out) | changed_grid)
    return make_report(out).read_text()


def test_a_clean_grid_has_no_such_section(tmp_path, synthetic_writer):
    assert HEADING not in text_of(synthetic_writer(tmp_path, failed=()))


def test_what_was_found_before_the_run_stands_in_the_report(tmp_path, synthetic_writer):
    text = text_of(synthetic_writer(tmp_path, failed=()), lints=["the row 'a' drifts. Add\na control"])
    assert f"{HEADING}\n\n- The row 'a' drifts. Add a control.\n\n## How to read" in text
