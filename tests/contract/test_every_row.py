"""Every row of the techniques table, on the U-Net: a new row is tested the moment it exists."""

from pathlib import Path

import pytest

from benchmarks.check.checks import CHECKS
from benchmarks.check.readme_tables import techniques_without_row
from benchmarks.check.result import BROKEN, NOT_APPLICABLE, NOT_CHECKED, OK

ROOT = Path(__file__).resolve().parents[2]
ROWS = sorted(path.stem for path in (ROOT / 'configs' / 'techniques').glob('*.py'))
NEW = techniques_without_row(ROOT)  # may be made for another network; all that ship fit the U-Net


@pytest.fixture(scope='module')
def results(request, on_unet, contract):
    rows = contract.files(contract.selected(request, 'row'))
    checks = [check.name for check in CHECKS]  # all of them, but no measurement of the cost
    return {result.technique: result for result in on_unet.results(rows, only=checks)}


@pytest.mark.parametrize('row', ROWS)
def test_the_row_is_good(results, contract, row):
    result = results[row]
    if result.status == NOT_CHECKED:
        pytest.skip(result.reason)
    if row in NEW and not result.fits:
        pytest.skip(f'it does not fit the U-Net: {contract.causes(result)}')
    assert result.status != BROKEN, contract.causes(result)
    # mmseg's own scripts are among them: the same weights, and the same pooled mIoU to 0.01.
    assert [one.check for one in result.findings] == [check.name for check in CHECKS]
    assert {one.status for one in result.findings} <= {OK, NOT_APPLICABLE}
    assert next(one.note for one in result.findings if one.check == 'plain').startswith('mIoU ')
