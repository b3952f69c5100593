"""The grid that the comparison of the quickstart adds to it; the comparison itself takes ten minutes."""

from benchmarks.cli import main
from benchmarks.files import ROOT
from benchmarks.speed.quickstart import NEW_REFINEMENT, _with_one_refinement


def test_the_grid_with_one_refinement_more_can_be_run(tmp_path, capsys):
    grid = _with_one_refinement(tmp_path)
    assert main([str(grid), '--work-dir', str(tmp_path / 'work'), '--dry-run'], ROOT) == 0
    plan = capsys.readouterr().out
    assert '40 cells' in plan and NEW_REFINEMENT in plan
