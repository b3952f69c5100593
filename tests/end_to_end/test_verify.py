"""A cell of a finished grid runs again from its dumped config, and comes out again; altered counts are noticed."""

import gzip
import shutil

CELL = 'cbam+crf_cleanup__seed0'


def verify(project, grid, out):
    arguments = ['--work-dir', grid.work_dir, '--device', 'cpu', '--verify', out, CELL]
    script = str(project.root / 'run_ablation.py')
    return project.warm.start([script, *map(str, arguments)], project.environment, grid.path.parent)


def test_a_cell_comes_out_again_and_altered_counts_are_noticed(project, uninterrupted, driving, tmp_path):
    altered = shutil.copytree(uninterrupted.out, tmp_path / 'altered')
    path = altered / 'records' / 'counts.csv.gz'
    lines = gzip.decompress(path.read_bytes()).decode().splitlines()
    place = next(number for number, line in enumerate(lines) if line.startswith(f'{CELL},'))
    fields = lines[place].split(',')
    fields[4] = str(int(fields[4]) + 1)
    lines[place] = ','.join(fields)
    path.write_bytes(gzip.compress('\n'.join([*lines, '']).encode()))
    before = uninterrupted.manifests()
    running = [verify(project, uninterrupted, out) for out in (uninterrupted.out, altered)]
    good, bad = map(driving.finish, running)
    assert good.status == 0 and f'{CELL}: all counts of 6 images are equal' in good.stdout, good.said
    assert 'note:' not in good.stdout  # the keys are those of the record, too
    assert bad.status == 1 and '1 of 6 images have other counts' in bad.stdout, bad.said
    assert uninterrupted.manifests() == before and list((uninterrupted.store / 'running').iterdir()) == []
