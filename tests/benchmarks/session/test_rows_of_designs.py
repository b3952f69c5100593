"""The rows of designs, from a grid's file to composed configs: sweeps, techniques' own values, mistakes."""

from pathlib import Path

import pytest

from benchmarks.errors import BadInput
from benchmarks.plan.grid import read_grid
from benchmarks.session.experiment import read_request
from benchmarks.session.grid_record import _label, _variants
from benchmarks.session.settings import Settings

CONFIGS = Path(__file__).resolve().parents[3] / 'configs'


def request(folder, designs, extra=''):
    (folder / 'grid.py').write_text(
        f"title, baseline = 'Mine', '{CONFIGS / 'baselines' / 'unet_small_icbm152.py'}'\ndesigns = {designs}\n{extra}"
    )
    return read_request(read_grid(folder / 'grid.py'), Settings(folder / 'work', CONFIGS, 'cpu'))


def test_a_sweep_composes_a_config_for_each_value_and_joins_the_techniques_own_row(tmp_path):
    stacks = request(
        tmp_path,
        "[dict(type='each_alone', techniques=['focal']), dict(type='sweep', technique='focal', "
        "over=dict(gamma=[n / 1 for n in (2, 5)])), dict(type='cumulative', techniques=['focal[gamma=5]', 'cbam'])]",
    ).stacks
    losses = {stack: config['model']['decode_head']['loss_decode'] for stack, config in stacks.unpaired.items()}
    assert list(losses) == [(), ('focal',), ('focal[gamma=5]',), ('focal[gamma=5]', 'cbam')]
    assert losses['focal[gamma=5]',] == losses['focal[gamma=5]', 'cbam'] == {**losses['focal',], 'gamma': 5}
    assert losses['focal',]['gamma'] == 2
    assert [_label(stack, stacks) for stack in losses][1:3] == ['loss (focal)', '+ loss (focal), gamma=5']
    assert _variants(stacks)[0] == dict(
        name='focal[gamma=2]', called='focal', technique='focal', values=dict(gamma=2.0), texts=dict(gamma='2')
    )


def test_every_wrong_key_of_every_sweep_is_told_at_once(tmp_path):
    with pytest.raises(BadInput) as refused:
        request(
            tmp_path,
            "[dict(type='sweep', technique='focal', over=dict(gama=[1])), "
            "dict(type='sweep', technique='crf', over=dict(iteration=[1]))]",
        )
    assert len(refused.value.args) == 2
    assert "did you mean 'gamma'" in str(refused.value) and "did you mean 'iterations'" in str(refused.value)
