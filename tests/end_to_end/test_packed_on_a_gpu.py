"""Trainings that share a GPU, against the same one at a time: the same weights, but for the order of CUDA's sums."""

import json
import os

import pytest
import torch

STEPS = 600  # long enough to meet: the second starts when the first has said what it needs
CLOSE = 0.05  # of the distance between two seeds


def weights(grid):
    """The trained weights, as one vector, by label."""
    found = {}
    for folder in (grid.store / 'train').iterdir():
        label = json.loads((folder / 'manifest.json').read_text())['label']
        state = torch.load(folder / 'checkpoint.pth', map_location='cpu', weights_only=False)['state_dict']
        found[label] = torch.cat([value.double().flatten() for value in state.values()])
    return found


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason='needs a CUDA GPU')
def test_trainings_that_share_a_gpu_end_with_the_weights_that_they_have_one_at_a_time(
    driving, project, write_grid, tmp_path
):
    checkout = driving.Checkout(project.root)
    checkout.environment.pop('CUDA_VISIBLE_DEVICES')
    checkout.environment |= {name: os.environ[name] for name in ('CUDA_VISIBLE_DEVICES',) if name in os.environ}
    one = write_grid(tmp_path / 'grid', ('cbam',), seeds=2)
    several = one._replace(work_dir=tmp_path / 'several')
    flags = ('--device', 'cuda', '--cfg-options', f'train_cfg.max_iters={STEPS}')
    done = checkout.run(one, *flags, '--jobs', '1')
    assert done.status == 0, done.said

    driver, seen = checkout.start(several, *flags, '--jobs', '2'), set()

    def ended():
        seen.add(frozenset(path.name.split('-')[0] for path in several.store.glob('running/*')))
        return driver.poll() is not None

    driving.wait_until(ended)
    done = driving.finish(driver)
    assert done.status == 0, done.said
    trained = {path.name for path in (several.store / 'train').iterdir()}
    assert max(len(keys & trained) for keys in seen) == 2
    alone, packed = weights(one), weights(several)
    assert alone.keys() == packed.keys() and len(alone) == 4
    for label, expected in alone.items():
        other = alone[label[:-1] + str(1 - int(label[-1]))]
        assert torch.dist(packed[label], expected) < CLOSE * torch.dist(other, expected), label
