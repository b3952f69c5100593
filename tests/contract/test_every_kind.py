"""One technique of each kind on every small baseline: a kind is a place of the config that techniques change."""

from pathlib import Path

import pytest
from mmengine.config import Config

from benchmarks.check.result import BROKEN

CONFIGS = Path(__file__).resolve().parents[2] / 'configs'
OTHER_BASELINES = sorted(
    path.stem for path in (CONFIGS / 'baselines').glob('*_small_icbm152.py') if path.stem != 'unet_small_icbm152'
)
# Deeper places first: what changes only the loss of a head is a loss.
PLACES = (
    'ensemble',
    'teacher',
    'model.backbone',
    'model.neck',
    'model.decode_head.loss_decode',
    'model.decode_head.sampler',
    'model.decode_head',
    'model.auxiliary_head',
    'model.data_preprocessor',
    'inference.views',
    'inference.refine',
    'inference',
    'optim_wrapper',
    'param_scheduler',
    'train_cfg',
    'custom_hooks',
    'train_dataloader.sampler',
    'train_dataloader.dataset.pipeline',
    'train_dataloader.dataset',
    'train_dataloader',
    'test_dataloader',
)
# What a new baseline can break; graphs, autocast and round trips are each technique's own matter, tested on the U-Net.
CHECKS = ('builds', 'trains', 'learns', 'predicts', 'acts')
# mmseg's own scripts on the dumped config: that is broken by a kind, which each row shows on the U-Net, or by a
# baseline. So each kind is tried there on one of the baselines, and each baseline with a part of the kinds.
PLAIN = 'plain'


def place(overlay):
    """The first of the places that an overlay sets; of another overlay its first key."""
    for dotted in PLACES:
        node = overlay
        for step in dotted.split('.'):
            node = node.get(step) if isinstance(node, dict) else None
        if node is not None:
            return dotted
    return min(overlay)


def groups():
    """Techniques by kind; only their kind's first one that fits a baseline is put on it."""
    found = {}
    for path in sorted((CONFIGS / 'techniques').glob('*.py')):
        row = Config.fromfile(path, import_custom_modules=False)
        if row.get('device', 'any') == 'any':
            found.setdefault(place(row.overlay.to_dict()), []).append(path)
    return found


GROUPS = groups()


def checks_of(kind, baseline):
    """The checks of a kind on a baseline."""
    turn = list(GROUPS).index(kind) % len(OTHER_BASELINES)
    return (*CHECKS, PLAIN) if OTHER_BASELINES[turn] == baseline else CHECKS


@pytest.fixture(scope='module')
def results(request, benches, contract):
    baselines = contract.selected(request, 'baseline')
    bench = contract.make_bench(benches / 'others', *baselines, with_breaks='captures' in CHECKS)
    found, wanted = {}, contract.selected(request, 'kind')
    for one in bench.baselines.copy():
        bench.baselines = [one]
        for checks in ((*CHECKS, PLAIN), CHECKS):
            kinds = [kind for kind in wanted if checks_of(kind, one.name) == checks]
            results = bench.first_that_fit({kind: GROUPS[kind] for kind in kinds}, checks)
            found |= {(kind, baseline): result for kind, baseline, result in results}
    return found


@pytest.mark.parametrize('baseline', OTHER_BASELINES)
@pytest.mark.parametrize('kind', GROUPS)
def test_a_technique_of_the_kind_is_good(results, contract, kind, baseline):
    result = results[kind, baseline]
    assert result.status != BROKEN, contract.causes(result)
    assert tuple(one.check for one in result.findings) == checks_of(kind, baseline)


def test_each_baseline_is_tried_in_mmsegs_own_scripts():
    tried = [baseline for kind in GROUPS for baseline in OTHER_BASELINES if PLAIN in checks_of(kind, baseline)]
    assert len(tried) == len(GROUPS) and set(tried) == set(OTHER_BASELINES)


@pytest.mark.parametrize(
    'overlay, expected',
    [
        (dict(model=dict(decode_head=dict(loss_decode=dict(type='X')))), 'model.decode_head.loss_decode'),
        (dict(model=dict(decode_head=dict(type='X'))), 'model.decode_head'),
        (dict(model=dict(data_preprocessor=dict(type='X')), inference=dict(views=dict())), 'model.data_preprocessor'),
        (dict(ensemble=dict(seeds=2), custom_hooks=dict(_insert_=[])), 'ensemble'),
        (dict(load_from='weights.pth', env_cfg=dict(cudnn_benchmark=True)), 'env_cfg'),
    ],
)
def test_the_kind_is_the_place_that_is_set(overlay, expected):
    assert place(overlay) == expected


def test_every_small_baseline_is_there():
    assert len(OTHER_BASELINES) >= 3
    assert len(GROUPS) >= 10
