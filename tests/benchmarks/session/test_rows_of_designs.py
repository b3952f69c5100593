"""The rows of designs, from a grid's file to composed configs: sweeps, techniques' own values, mistakes."""

from pathlib import Path

import pytest

from benchmarks.errors import BadInput
from benchmarks.plan.grid import read_grid
from benchmarks.session.experiment import read_request
from benchmarks.session.grid_record import _label, _role, _variants
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


def test_rows_that_test_the_grid(tmp_path):
    stacks = request(tmp_path, "[dict(type='aa'), dict(type='positive_control')]").stacks
    configs = stacks.unpaired
    assert list(configs) == [(), ('baseline_again',), ('third_of_steps',)]
    assert configs['baseline_again',] == configs[()]
    steps = [configs[stack]['train_cfg']['max_iters'] for stack in ((), ('third_of_steps',))]
    ends = [configs[stack]['param_scheduler'][-1]['end'] for stack in ((), ('third_of_steps',))]
    assert (
        steps[1] == round(steps[0] / 3)
        and ends[1] == round(ends[0] / 3)
        and list(stacks.techniques) == ['third_of_steps']
    )
    assert [_label(stack, stacks) for stack in configs] == ['baseline', 'baseline again (A/A)', 'a third of the steps']
    assert [_role(stack, stacks.layout) for stack in configs] == ['', 'again', 'control']


def test_a_tenth_of_the_labels_is_a_control_without_a_file(tmp_path):
    design = "dict(type='positive_control', technique='half_labels', values=dict(fraction=0.1))"
    stacks = request(tmp_path, f'[{design}]').stacks
    harmed = stacks.unpaired['half_labels[fraction=0.1]',]
    assert harmed['train_dataloader']['dataset']['fraction'] == 0.1


def test_a_row_that_no_sweep_has_is_refused_with_the_cure(tmp_path):
    with pytest.raises(BadInput) as refused:
        request(
            tmp_path,
            "[dict(type='each_alone', techniques=['focal[gamma=3]']), "
            "dict(type='sweep', technique='focal', over=dict(gamma=[4]))]",
        )
    said = "'focal[gamma=3]' is a row of no sweep of this grid; did you mean 'focal[gamma=4]'?"
    assert str(refused.value).startswith(said) and "dict(type='sweep', technique='focal', over=" in str(refused.value)


def test_every_wrong_key_of_every_sweep_is_told_at_once(tmp_path):
    with pytest.raises(BadInput) as refused:
        request(
            tmp_path,
            "[dict(type='sweep', technique='focal', over=dict(gama=[1])), "
            "dict(type='sweep', technique='crf', over=dict(iteration=[1]))]",
        )
    assert len(refused.value.args) == 2
    assert "did you mean 'gamma'" in str(refused.value) and "did you mean 'iterations'" in str(refused.value)
