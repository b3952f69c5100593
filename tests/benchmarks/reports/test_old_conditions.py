from pathlib import Path

import pytest

from benchmarks.reports.arms import clean_rows
from benchmarks.reports.old_conditions import conditions_in
from benchmarks.reports.results import read_results

SLICES = Path(__file__).parent / 'slices_of_two_seeds'
CONFIGS = dict(
    baseline="model = dict(type='Net')\ntest_dataloader = dict(pipeline=['load'])\n",
    fog="custom_imports = dict(imports=['fog'])\nmodel = dict(type='Net')\ntest_dataloader = dict(pipeline=['fog'])\n",
    tta="model = dict(type='Net')\ntest_dataloader = dict(pipeline=['load'])\nviews = dict(flip=True)\n",
)


@pytest.fixture
def out(tmp_path):
    for name, text in (CONFIGS | {'tta+fog': CONFIGS['tta'].replace("'load'", "'fog'")}).items():
        (tmp_path / f'{name}.py').write_text(text)
    return tmp_path


def found_in(out, *stacks):
    rows = [dict(techniques=[] if stack == 'baseline' else stack.split('+')) for stack in stacks]
    records = {f'{stack}__seed0': dict(seed=0, config=f'{stack}.py') for stack in stacks}
    return conditions_in(out, rows, records)


def test_what_changes_the_test_images_alone_is_a_condition(out):
    assert found_in(out, 'baseline', 'fog', 'tta', 'tta+fog') == ['fog']


@pytest.mark.parametrize('text', [None, 'a config (', "model = dict(type='Other')\ntest_dataloader = 1\n"])
def test_of_a_config_that_is_lost_or_changes_more_nothing_is_said(out, text):
    (out / 'fog.py').unlink() if text is None else (out / 'fog.py').write_text(text)
    assert found_in(out, 'baseline', 'fog') == []


def test_a_stack_without_its_counterpart_tells_nothing(out):
    assert found_in(out, 'tta+fog', 'baseline') == []


def test_the_conditions_of_old_records_are_no_techniques():
    """They were rows of ``each_alone`` when these records were made."""
    grid = read_results(SLICES).grid
    assert grid['conditions'] == [f'{kind}_{n}' for kind in ('blur', 'contrast', 'jpeg', 'noise') for n in (1, 2, 3)]
    assert len(clean_rows(grid)) == len(grid['rows']) - 12
