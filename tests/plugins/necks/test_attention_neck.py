import pytest
import torch
from mmengine.model import BaseModule
from mmseg.registry import MODELS

from plugins.attention.cbam import CBAM
from plugins.necks.attention_neck import AttentionNeck

BLOCK = dict(type='CBAM', reduction=2)
FPN = dict(type='FPN', in_channels=[4, 8, 12], out_channels=6, num_outs=4)


class Counted(BaseModule):
    """A block, and a neck, that knows how often it was initialised."""

    def __init__(self, channels: int = 1) -> None:
        super().__init__()
        self.channels, self.initialised = channels, 0

    def init_weights(self):
        self.initialised += 1
        super().init_weights()

    def forward(self, features):
        return features


@pytest.fixture
def pyramid():
    generator = torch.Generator().manual_seed(0)
    return [
        torch.randn(2, channels, side, side + 1, generator=generator) for channels, side in ((4, 16), (8, 8), (12, 4))
    ]


@pytest.fixture
def registered():
    MODELS.register_module(name='CountedForThisTest', module=Counted)
    yield 'CountedForThisTest'
    del MODELS._module_dict['CountedForThisTest']


@pytest.mark.parametrize('levels, attended', [(None, {0, 1, 2}), ([1], {1}), ([0, -1], {0, 2}), ((2, 0), {0, 2})])
def test_each_chosen_level_has_its_block_and_the_others_pass_untouched(pyramid, levels, attended):
    neck = MODELS.build(dict(type='AttentionNeck', block=BLOCK, in_channels=[4, 8, 12], levels=levels))
    given = neck(pyramid)
    assert len(given) == 3
    for level, (before, after) in enumerate(zip(pyramid, given)):
        if level in attended:
            assert torch.equal(after, neck.blocks[str(level)](before)) and not torch.equal(after, before)
        else:
            assert after is before
    assert {int(name) for name in neck.blocks} == attended
    assert [block.channel.mlp[0].in_features for block in neck.blocks.values()] == [
        pyramid[level].shape[1] for level in sorted(attended)
    ]


def test_the_blocks_settings_reach_it_and_the_config_stays_as_it_was():
    block = dict(type='CBAM', reduction=1, kernel_size=3)
    neck = AttentionNeck(block, [8, 12])
    assert neck.blocks['1'].channel.mlp[0].out_features == 12
    assert neck.blocks['0'].spatial.conv.kernel_size == (3, 3)
    assert isinstance(neck.blocks['0'], CBAM) and block == dict(type='CBAM', reduction=1, kernel_size=3)


def test_a_level_is_named_alike_whichever_others_are_chosen():
    """Arms of an ablation pair their parameters by name."""
    every, one = AttentionNeck(BLOCK, [4, 8, 12]), AttentionNeck(BLOCK, [4, 8, 12], levels=[2])
    assert set(one.state_dict()) == {name for name in every.state_dict() if name.startswith('blocks.2.')}
    assert len(one.state_dict()) == 3


@pytest.mark.parametrize('kind', [list, tuple])
def test_gives_the_kind_of_sequence_that_it_got(pyramid, kind):
    assert type(AttentionNeck(BLOCK, [4, 8, 12])(kind(pyramid))) is kind


def test_levels_that_are_not_chosen_may_be_anything(pyramid):
    token, pair = torch.randn(2, 8), (pyramid[1], torch.randn(2, 8))
    given = AttentionNeck(BLOCK, [8, 8, 12], levels=[2])([token, pair, pyramid[2]])
    assert given[0] is token and given[1] is pair and given[2].shape == pyramid[2].shape


def test_attends_to_what_the_models_own_neck_gives(pyramid):
    torch.manual_seed(0)
    neck = AttentionNeck(BLOCK, [6] * 4, levels=[0, 3], neck=FPN)
    inner = neck.neck(pyramid)
    given = neck(pyramid)
    assert isinstance(given, tuple) and [tuple(level.shape) for level in given] == [tuple(i.shape) for i in inner]
    assert torch.equal(given[3], neck.blocks['3'](inner[3])) and torch.equal(given[1], inner[1])


def test_initialising_reaches_the_inner_neck_and_the_blocks(registered):
    neck = AttentionNeck(dict(type=registered), [4, 8], neck=dict(type=registered))
    neck.init_weights()
    assert [part.initialised for part in (neck.neck, *neck.blocks.values())] == [1, 1, 1]


def test_initialising_draws_the_inner_neck_as_its_config_says():
    constant = dict(FPN, init_cfg=dict(type='Constant', layer='Conv2d', val=0.25, bias=2.0))
    neck = AttentionNeck(BLOCK, [6] * 4, neck=constant)
    blocks = {name: value.clone() for name, value in neck.blocks.state_dict().items()}
    neck.init_weights()
    convs = [module for module in neck.neck.modules() if isinstance(module, torch.nn.Conv2d)]
    assert convs and all((conv.weight == 0.25).all() and (conv.bias == 2).all() for conv in convs)
    assert all(torch.equal(value, blocks[name]) for name, value in neck.blocks.state_dict().items())


def test_captures_the_pyramid_as_one_graph(pyramid):
    torch.compiler.reset()
    neck = AttentionNeck(BLOCK, [4, 8, 12], levels=[0, 2])
    compiled = torch.compile(neck, backend='aot_eager', fullgraph=True)
    for captured, eager in zip(compiled(pyramid), neck(pyramid), strict=True):
        torch.testing.assert_close(captured, eager)


def test_neck_survives_saving_and_loading(pyramid, tmp_path):
    neck, other = (AttentionNeck(BLOCK, [6] * 4, neck=FPN) for _ in range(2))
    torch.save(neck.state_dict(), tmp_path / 'weights.pth')
    other.load_state_dict(torch.load(tmp_path / 'weights.pth'))
    assert all(torch.equal(a, b) for a, b in zip(neck(pyramid), other(pyramid), strict=True))


@pytest.mark.parametrize(
    'settings, message',
    [
        (dict(levels=[3]), r'levels=\[3\]: there is no level 3, in_channels names 0 to 2'),
        (dict(levels=[-4]), 'there is no level -4'),
        (dict(levels=[]), r'levels=\[\]: name one level or more'),
        (dict(levels=[2, -1]), r'levels=\[2, -1\]: .* each once'),
        (dict(block=dict(type='CBAM', channels=4)), "leave 'channels' out"),
    ],
)
def test_refuses_settings_that_cannot_work(settings, message):
    with pytest.raises(ValueError, match=message):
        AttentionNeck(**(dict(block=BLOCK, in_channels=[4, 8, 12]) | settings))


@pytest.mark.parametrize(
    'channels, settings, message',
    [
        ([4, 8], {}, r'got 3 levels from the backbone, but in_channels=\[4, 8\] names 2 levels'),
        ([6, 6, 6], dict(neck=FPN), r"got 4 levels from the neck 'FPN'"),
        ([4, 9, 12], {}, r'level 1 from the backbone has 8 channels, but in_channels\[1\]=9: set it to 8'),
    ],
)
def test_names_the_level_that_does_not_fit(pyramid, channels, settings, message):
    with pytest.raises(ValueError, match=message):
        AttentionNeck(BLOCK, channels, **settings)(pyramid)


@pytest.mark.parametrize('last, said', [(torch.zeros(2, 12), r'\(2, 12\)'), ((torch.zeros(2, 12, 4, 4),), 'tuple')])
def test_refuses_a_chosen_level_that_is_no_feature_map(pyramid, last, said):
    with pytest.raises(ValueError, match=f'level 2 from the backbone is {said}, not a feature map .* leave 2 out'):
        AttentionNeck(BLOCK, [4, 8, 12])([*pyramid[:2], last])


def test_refuses_a_single_map_that_is_no_pyramid(pyramid):
    with pytest.raises(ValueError, match='got Tensor from the backbone'):
        AttentionNeck(BLOCK, [4, 8])(pyramid[0])
