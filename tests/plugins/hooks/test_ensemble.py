"""Ensembles: the mean of probabilities, computed from its definition; and the hook in mmengine's test loop."""

import pickle
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from mmengine.config import ConfigDict
from mmengine.registry import init_default_scope
from mmseg.registry import HOOKS, MODELS
from mmseg.structures import SegDataSample
from torch import nn

from plugins.hooks.ensemble import EnsembleHook, EnsembleModel, build_ensemble, combine
from plugins.hooks.inference import InferenceHook, InferenceModel
from plugins.tools.combine_checkpoints import main


def model_config(out_channels=3, width=4, mean=0.0, mode='whole', **head):
    num_classes = max(out_channels, 2)
    return dict(
        type='EncoderDecoder',
        data_preprocessor=dict(type='SegDataPreProcessor', mean=[mean] * 3, std=[2.0] * 3, size_divisor=8),
        backbone=dict(
            type='UNet',
            base_channels=width,
            num_stages=2,
            strides=(1, 1),
            enc_num_convs=(1, 1),
            dec_num_convs=(1,),
            downsamples=(True,),
            enc_dilations=(1, 1),
            dec_dilations=(1,),
        ),
        decode_head=dict(
            type='FCNHead',
            in_channels=width,
            in_index=1,
            channels=4,
            num_convs=1,
            concat_input=False,
            num_classes=num_classes,
            out_channels=out_channels,
            align_corners=False,
            **(dict(threshold=0.4) if out_channels == 1 else {}),
            **head,
        ),
        test_cfg=dict(mode='whole') if mode == 'whole' else dict(mode='slide', crop_size=(16, 16), stride=(8, 8)),
    )


def built(config, seed=0):
    init_default_scope('mmseg')
    torch.manual_seed(seed)
    model = MODELS.build(ConfigDict(config))
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.normal_(std=0.5)
    return model.eval()


def images(seed=9, size=(16, 24)):
    return torch.randn(2, 3, *size, generator=torch.Generator().manual_seed(seed))


def metas(size=(16, 24)):
    return [dict(ori_shape=size, img_shape=size, pad_shape=size)] * 2


def mean_of(members, inputs):
    """From the definition, in float64."""
    logits = torch.stack([member.inference(inputs, metas()) for member in members]).double()
    return (logits.softmax(2) if logits.shape[2] > 1 else logits.sigmoid()).mean(0)


def probabilities(logits):
    return logits.softmax(1) if logits.shape[1] > 1 else logits.sigmoid()


def test_the_names_are_free_and_registered():
    assert HOOKS.get('EnsembleHook') is EnsembleHook and EnsembleHook.__module__ == 'plugins.hooks.ensemble'


@torch.no_grad()
@pytest.mark.parametrize('out_channels', [1, 2, 3])
def test_the_prediction_is_the_mean_of_the_probabilities(out_channels):
    members = [built(model_config(out_channels), seed) for seed in range(3)]
    found = probabilities(EnsembleModel(members).inference(images(), metas()))
    expected = mean_of(members, images())
    assert found.shape == (2, out_channels, 16, 24) and found.dtype == torch.float32
    torch.testing.assert_close(found.double(), expected, rtol=0, atol=1e-6)
    assert (probabilities(members[0].inference(images(), metas())) - found).abs().max() > 0.05


@torch.no_grad()
def test_by_hand():
    class Fixed(nn.Module):
        out_channels, num_classes, align_corners, decode_head, test_cfg = 2, 2, False, None, None

        def __init__(self, *p):
            super().__init__()
            self.data_preprocessor = nn.Identity()
            self.p = torch.tensor(p)

        def inference(self, inputs, metas):
            return torch.log(self.p).view(1, 2, 1, 1) + 5.0

    found = EnsembleModel([Fixed(0.9, 0.1), Fixed(0.2, 0.8), Fixed(0.4, 0.6)]).inference(torch.zeros(1, 3, 1, 1), [{}])
    assert found.softmax(1).flatten().tolist() == pytest.approx([0.5, 0.5])
    found = EnsembleModel([Fixed(0.9, 0.1), Fixed(0.6, 0.4)]).inference(torch.zeros(1, 3, 1, 1), [{}])
    assert found.softmax(1).flatten().tolist() == pytest.approx([0.75, 0.25])


@torch.no_grad()
@pytest.mark.parametrize('out_channels', [1, 3])
def test_one_member_predicts_as_it_does_alone(out_channels):
    member = built(model_config(out_channels))
    alone, together = member.inference(images(), metas()), EnsembleModel([member]).inference(images(), metas())
    torch.testing.assert_close(probabilities(together), probabilities(alone), rtol=0, atol=2e-7)


@torch.no_grad()
def test_twins_predict_as_one_and_the_order_does_not_matter():
    first, second, third = (built(model_config(), seed) for seed in range(3))
    alone = first.inference(images(), metas()).softmax(1)
    torch.testing.assert_close(
        EnsembleModel([first, first]).inference(images(), metas()).softmax(1), alone, rtol=0, atol=2e-7
    )
    one = EnsembleModel([first, second, third]).inference(images(), metas())
    other = EnsembleModel([third, first, second]).inference(images(), metas())
    torch.testing.assert_close(one, other, rtol=0, atol=2e-6)


@torch.no_grad()
@pytest.mark.parametrize('out_channels', [1, 2])
def test_sure_members_give_finite_logits(out_channels):
    members = [built(model_config(out_channels), seed) for seed in range(2)]
    for member, sign in zip(members, (1, 1)):
        member.decode_head.conv_seg.weight.zero_()
        bias = torch.tensor([1e4, -1e4])[:out_channels] * sign
        member.decode_head.conv_seg.bias.copy_(bias)
    found = EnsembleModel(members).inference(images(), metas())
    assert torch.isfinite(found).all() and (probabilities(found)[:, 0] == 1).all()


@torch.no_grad()
def test_under_autocast_the_mean_is_taken_in_float32():
    model = EnsembleModel([built(model_config(), seed) for seed in range(2)])
    with torch.autocast('cpu', torch.bfloat16):
        found = model.inference(images(), metas())
    assert found.dtype == torch.float32
    torch.testing.assert_close(found.exp().sum(1), torch.ones(2, 16, 24), rtol=0, atol=1e-5)


@torch.no_grad()
def test_members_may_differ_in_architecture():
    members = [built(model_config(width=width, mode='slide'), seed) for seed, width in enumerate((4, 6))]
    given = metas()
    found = EnsembleModel(members).inference(images(), given)
    torch.testing.assert_close(found.softmax(1).double(), mean_of(members, images()), rtol=0, atol=1e-6)
    assert given == metas(), 'sliding windows write into the metas that they get'


@torch.no_grad()
def test_it_predicts_in_plain_mmseg_as_a_segmentor():
    members = [built(model_config(), seed) for seed in range(2)]
    samples = [SegDataSample(metainfo=dict(img_shape=(16, 24), ori_shape=(20, 28))) for _ in range(2)]
    raw = [torch.randint(0, 255, (3, 16, 24), generator=torch.Generator().manual_seed(n)).byte() for n in range(2)]
    found = EnsembleModel(members).test_step(dict(inputs=raw, data_samples=samples))
    alone = EnsembleModel(members[:1]).test_step(dict(inputs=raw, data_samples=samples))
    plain = members[0].test_step(dict(inputs=raw, data_samples=samples))
    for one, same in zip(alone, plain):
        assert torch.equal(one.pred_sem_seg.data, same.pred_sem_seg.data) and one.pred_sem_seg.shape == (20, 28)
    assert found[0].seg_logits.data.shape == (3, 20, 28)
    assert EnsembleModel(members)(images()).shape == (2, 3, 16, 24)


@pytest.mark.parametrize(
    'other, said',
    [
        (dict(out_channels=2), 'out_channels'),
        (dict(mean=3.0), 'mean'),
        (dict(mode='slide'), 'test_cfg .*slide.* the first one .*whole'),
    ],
)
def test_members_that_do_not_fit_are_refused(other, said):
    with pytest.raises(ValueError, match=f'member 2.*{said}'):
        EnsembleModel([built(model_config()), built(model_config(**other))])


@pytest.mark.parametrize(
    'other, said', [(dict(mean=3.0), 'mean'), (dict(mode='slide'), 'test_cfg'), (dict(width=6), None)]
)
def test_members_that_cannot_be_tested_together_are_refused_before_any_training(other, said):
    models = [model_config(), model_config(), model_config(**other)]
    config = dict(ensemble=dict(members=[dict(model=model) for model in models]))
    if said is None:
        EnsembleHook.check(config)
    else:
        with pytest.raises(ValueError, match=f'member 3.*{said}'):
            EnsembleHook.check(config)


@pytest.mark.parametrize(
    'one, other',
    [
        (dict(mode='whole'), dict()),
        (dict(mode='slide', crop_size=(8, 8), stride=(4, 4)), dict(mode='slide', crop_size=[8, 8], stride=[4, 4])),
    ],
)
def test_a_test_cfg_may_be_written_in_other_ways(one, other):
    def members(*test_cfgs):
        return dict(ensemble=dict(members=[dict(model=dict(model_config(), test_cfg=cfg)) for cfg in test_cfgs]))

    config, windows = members(one, other), dict(mode='slide', crop_size=(8, 8), stride=(2, 4))
    EnsembleHook.check(config)
    assert config == members(one, other)
    with pytest.raises(ValueError, match='member 3.*test_cfg'):  # another stride is no other way of writing
        EnsembleHook.check(members(one, other, windows))


@pytest.mark.parametrize(
    'config', [dict(), dict(ensemble=None), dict(ensemble=dict(seeds=3)), dict(ensemble=dict(members=[dict(), dict()]))]
)
def test_where_no_members_models_are_given_there_is_nothing_to_check(config, monkeypatch):
    built = []
    monkeypatch.setattr(MODELS, 'build', built.append)
    EnsembleHook.check(config)
    assert built == []
    EnsembleHook.check(dict(ensemble=dict(members=[dict(model=model_config())] * 2)))
    assert [preprocessor['type'] for preprocessor in built] == ['SegDataPreProcessor'] * 2  # models that are given


def test_an_ensemble_of_nobody_is_refused():
    with pytest.raises(ValueError, match='at least one'):
        EnsembleModel([])


@torch.no_grad()
def test_it_counts_members_that_change_the_prediction():
    first, second = built(model_config(), 0), built(model_config(), 1)
    twin = built(model_config(), 0)
    for members, expected in (([first], 0), ([first, twin], 0), ([first, second, twin, second], 4)):
        model = EnsembleModel(members)
        for _ in range(2):
            model.inference(images(), metas())
        assert model.acted == expected


def combined(folder, members, config):
    path = folder / 'combined.pth'
    torch.save(combine([(dict(state_dict=member.state_dict(), meta={}), config) for member in members]), path)
    return path


def runner(model, checkpoint, **cfg):
    return SimpleNamespace(model=model, _load_from=None if checkpoint is None else str(checkpoint), cfg=ConfigDict(cfg))


@torch.no_grad()
def test_the_hook_tests_with_all_members_and_restores_the_model(tmp_path):
    members = [built(model_config(), seed) for seed in range(3)]
    run = runner(members[0], combined(tmp_path, members, model_config()), ensemble=dict(seeds=3))
    hook = EnsembleHook()
    hook.before_test(run)
    assert isinstance(run.model, EnsembleModel) and len(run.model.members) == 3 and run.model.members[0] is members[0]
    assert not any(module.training for member in run.model.members for module in member.modules())
    expected = EnsembleModel(members).inference(images(), metas())
    assert torch.equal(run.model.inference(images(), metas()), expected)
    hook.before_test(run)  # as after a test that broke off
    assert len(run.model.members) == 3
    hook.after_test(run)
    assert run.model is members[0]
    pickle.dumps(hook)


@torch.no_grad()
def test_views_go_around_the_ensemble_and_both_hooks_put_back_what_they_found(tmp_path):
    members = [built(model_config(), seed) for seed in range(2)]
    run = runner(members[0], combined(tmp_path, members, model_config()), inference=dict(views={}, refine={}))
    hooks = sorted([InferenceHook(), EnsembleHook()], key=lambda hook: hook.priority != 'ABOVE_NORMAL')
    for hook in hooks:
        hook.before_test(run)
    assert isinstance(run.model, InferenceModel) and isinstance(run.model.model, EnsembleModel)
    for hook in hooks:
        hook.after_test_epoch(run)
    for hook in hooks:
        hook.after_test(run)
    assert run.model is members[0]


def test_a_checkpoint_of_one_network_is_refused_where_an_ensemble_is_asked_for(tmp_path):
    member = built(model_config())
    torch.save(dict(state_dict=member.state_dict()), tmp_path / 'plain.pth')
    hook = EnsembleHook()
    with pytest.raises(ValueError, match='one network alone; combine'):
        hook.before_test(runner(member, tmp_path / 'plain.pth', ensemble=dict(seeds=3)))
    run = runner(member, tmp_path / 'plain.pth')
    EnsembleHook().before_test(run)
    assert run.model is member


def test_weights_that_do_not_fit_their_model_are_refused(tmp_path):
    members = [built(model_config(), seed) for seed in range(2)]
    rows = [dict(state_dict=member.state_dict(), model=model_config(width=6)) for member in members]
    with pytest.raises(RuntimeError, match='member 2 of the ensemble do not fit'):
        build_ensemble(members[0], rows)


@torch.no_grad()
def test_checkpoints_are_combined_from_the_command_line(tmp_path, capsys):
    members, files = [built(model_config(), 0), built(model_config(width=6), 1)], []
    for number, (member, width) in enumerate(zip(members, (4, 6))):
        config, checkpoint = tmp_path / f'{number}.py', tmp_path / f'{number}.pth'
        config.write_text(f'model = {model_config(width=width)!r}\n')
        torch.save(dict(state_dict=member.state_dict(), meta=dict(epoch=number)), checkpoint)
        files += [str(config), str(checkpoint)]
    out = tmp_path / 'all.pth'
    main([*files, '--out', str(out)])
    run = runner(members[0], out)
    EnsembleHook().before_test(run)
    assert torch.equal(run.model.inference(images(), metas()), EnsembleModel(members).inference(images(), metas()))
    assert torch.load(out, weights_only=False)['meta'] == dict(epoch=0)
    for wrong, said in (
        (files[:3], 'a config and a checkpoint belong'),
        (files[:2], 'two members at least'),
        ([*files[:3], 'lost.pth'], 'lost.pth'),
    ):
        with pytest.raises(SystemExit) as ended:
            main([*wrong, '--out', str(out)])
        assert ended.value.code == 2 and said in capsys.readouterr().err


class Malicious:
    """Writes a file when a pickle of it is loaded."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return Path.touch, (self.path,)


def test_a_checkpoint_that_would_execute_code_is_not_combined(tmp_path, capsys):
    files, mark = [], tmp_path / 'executed'
    for number, meta in enumerate((dict(epoch=1), dict(epoch=Malicious(mark)))):
        config, checkpoint = tmp_path / f'{number}.py', tmp_path / f'{number}.pth'
        config.write_text(f'model = {model_config()!r}\n')
        torch.save(dict(state_dict=built(model_config()).state_dict(), meta=meta), checkpoint)
        files += [str(config), str(checkpoint)]
    with pytest.raises(SystemExit) as ended:
        main([*files, '--out', str(tmp_path / 'all.pth')])
    assert ended.value.code == 2 and '1.pth holds something else than weights' in capsys.readouterr().err
    assert not mark.exists() and not (tmp_path / 'all.pth').exists()
