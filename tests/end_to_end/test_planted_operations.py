"""A technique that needs more operations with as many parameters is pointed out before anything is trained."""

import re

# Without its first pooling the U-Net works at twice the resolution from there on.
FINER = """
title, description = 'finer', 'No pooling after the first stage.'
overlay = dict(model=dict(backbone=dict(downsamples=(False, True))))
"""
WARNING = re.compile(
    r"warning: the row 'finer' differs from 'baseline' in more than 'finer' declares: (\S+) times the operations of "
    r'the network for a test image \(\S+ billion → \S+ billion\)\. A difference'
)


def test_only_the_planted_technique_is_warned_of(project, write_grid, tmp_path):
    clean = ['focal', 'flips_rot90', 'crf_cleanup']  # another loss, eight passes, a refinement
    grid = write_grid(tmp_path, ['finer', *clean], design='each_alone')
    (tmp_path / 'techniques').mkdir()
    (tmp_path / 'techniques' / 'finer.py').write_text(FINER)
    done = project.run(grid, '--dry-run')
    warnings = [line for line in done.stdout.splitlines() if 'declares' in line]
    assert len(warnings) == 1, warnings
    found = WARNING.match(warnings[0])
    assert found and float(found[1]) > 1.5, warnings
    assert 'not run yet' in done.stdout and not list(grid.work_dir.rglob('*.pth'))
