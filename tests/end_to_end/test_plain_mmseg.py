"""The dumped configs in mmsegmentation's own scripts: the same weights, the same score."""

import re

import pytest
import torch

FULL_STACK = 'cbam+focal_dice_boundary+multi_scale_small+flips_rot90+crf_cleanup'
CELLS = ('baseline__seed0', f'{FULL_STACK}__seed1')


@pytest.fixture(scope='module')
def scripts(project, finished, driving, tmp_path_factory):
    """What ``tools/test.py`` says of each cell's checkpoint, and ``tools/train.py``'s checkpoint of the last cell."""
    folder = tmp_path_factory.mktemp('plain')

    def start(script, cell, *arguments):
        work_dir = folder / f'{script}_{len(list(folder.iterdir()))}'
        work_dir.mkdir()
        config = finished.out / 'configs' / f'{cell}.py'
        return work_dir, project.mmseg_tool(script, config, *arguments, '--work-dir', work_dir)

    retrained, training = start('train.py', CELLS[1])
    tests = {cell: start('test.py', cell, stored(finished, cell))[1] for cell in CELLS[:1]}
    said = {cell: driving.finish(process) for cell, process in tests.items()}
    trained = driving.finish(training)
    assert trained.status == 0, trained.said
    checkpoint = retrained / (retrained / 'last_checkpoint').read_text().strip()
    tests = {
        CELLS[1]: start('test.py', CELLS[1], stored(finished, CELLS[1]))[1],
        'retrained': start('test.py', CELLS[1], checkpoint)[1],
    }
    said |= {cell: driving.finish(process) for cell, process in tests.items()}
    return said, checkpoint


def stored(grid, cell):
    return grid.store / 'train' / grid.records()[cell]['keys']['train'] / 'checkpoint.pth'


def pooled_miou(grid, cell):
    """Mean over classes of tp / (tp + fp + fn), each summed over the images, in percent."""
    rows = [row for row in grid.counts() if row['cell'] == cell]
    scores = []
    for label in {row['class'] for row in rows}:
        tp, fp, fn = (sum(int(row[name]) for row in rows if row['class'] == label) for name in ('tp', 'fp', 'fn'))
        scores.append(tp / (tp + fp + fn))
    return 100 * sum(scores) / len(scores)


def miou_said(done):
    assert done.status == 0, done.said
    return float(re.findall(r'mIoU: +([\d.]+)', done.stdout)[-1])


@pytest.mark.parametrize('cell', CELLS)
def test_the_dumped_config_gives_the_same_miou(scripts, finished, cell):
    said, _ = scripts
    assert miou_said(said[cell]) == pytest.approx(pooled_miou(finished, cell), abs=0.01)


def test_the_dumped_config_trains_to_the_same_weights(scripts, finished):
    _, checkpoint = scripts
    ours, plain = (
        torch.load(path, map_location='cpu', weights_only=False)['state_dict']
        for path in (stored(finished, CELLS[1]), checkpoint)
    )
    assert ours.keys() == plain.keys()
    assert [name for name in ours if not torch.equal(ours[name], plain[name])] == []


def test_the_weights_trained_by_mmseg_score_the_same(scripts):
    said, _ = scripts
    assert miou_said(said['retrained']) == miou_said(said[CELLS[1]])


def test_the_tables_miou_is_the_mean_over_seeds(finished):
    for row in finished.table():
        cells = [pooled_miou(finished, f'{row["stack"]}__seed{seed}') for seed in (0, 1)]
        assert float(row['miou']) == pytest.approx(sum(cells) / 2, abs=1e-4)
