"""Everything under configs/ loads, fits together, and is what the README says it is."""

import copy
import re
import warnings
from pathlib import Path

import pytest
import torch
from mmengine.config import ConfigDict
from mmengine.registry import DefaultScope
from mmengine.structures import PixelData
from mmseg.registry import MODELS
from mmseg.structures import SegDataSample

from benchmarks.check.readme_tables import techniques_without_row
from benchmarks.plan.designs import lay_out
from benchmarks.plan.grid import read_grid
from benchmarks.record import stack_name
from benchmarks.session.experiment import read_request
from benchmarks.session.settings import Settings
from benchmarks.stacks.compose import TOP_LEVEL_KEYS, load_config, strip_helpers
from benchmarks.stacks.imports import import_modules
from benchmarks.stacks.several_networks import SEARCH
from benchmarks.stacks.technique import read_technique
from plugins.backbones.efficientnet_lite0 import INPUT_MEAN, INPUT_STD

CONFIGS = Path(__file__).resolve().parents[2] / 'configs'
# What ships stands in the folder's README; files that a user adds need not be like them.
LISTED = set(re.findall(r'`(\w+)(?:\.py)?`', (CONFIGS / 'README.md').read_text()))
GRIDS = sorted(path for path in (CONFIGS / 'grids').glob('*.py') if path.stem in LISTED)
BASELINES = sorted(path for path in (CONFIGS / 'baselines').glob('*.py') if path.stem in LISTED)
TECHNIQUES = sorted((CONFIGS / 'techniques').glob('*.py'))
# The rows of the table in plugins/README.md: a new technique need not have all that these have.
SHIPPED = sorted({path.stem for path in TECHNIQUES} - set(techniques_without_row(CONFIGS.parent)))
# Parameters by the beginning of a baseline's name.
MILLIONS = dict(
    unet_small_dsb2018=(0.1, 0.15),
    unet_small=(0.2, 0.5),
    unet_lite0_small=(0.5, 1),
    deeplabv3plus_small=(0.5, 1),
    segformer_small=(0.2, 0.5),
    unet_lite0=(5, 6),
    deeplabv3plus=(40, 45),
    segformer_b0=(3.5, 4),
    unet=(25, 35),
)
# The improvement tables for a CPU, and the rows alone behind one of them; every other grid has three seeds.
FIVE_SEEDS = ('quickstart', 'dsb2018_small', 'dsb2018_lite0', 'dsb2018_each_alone')
IMAGENET_MEAN, IMAGENET_STD = (123.675, 116.28, 103.53), (58.395, 57.12, 57.375)
# Not an idea of anybody's: more of the same, or the same sooner.
WITHOUT_PAPER = ('longer_schedule', 'persistent_loading', 'decoded_cache')


def stem(path):
    return path.stem


def built(config):
    """The model of a baseline, with random weights."""
    import_modules({}, config)
    with DefaultScope.overwrite_default_scope('mmseg'), warnings.catch_warnings():
        warnings.simplefilter('ignore')
        return MODELS.build(ConfigDict(copy.deepcopy(config['model'])))


def test_what_ships_is_tested():
    assert len(GRIDS) >= 5 and len(BASELINES) >= 10 and len(SHIPPED) >= 70


@pytest.mark.parametrize('path', BASELINES, ids=stem)
def test_a_baseline_is_a_whole_mmengine_config(path):
    config = strip_helpers(load_config(path))
    for key in ('model', 'train_dataloader', 'test_dataloader', 'optim_wrapper', 'train_cfg', 'default_hooks'):
        assert config.get(key), key
    assert config['default_scope'] == 'mmseg'
    splits = [config[f'{name}_dataloader']['dataset'] for name in ('train', 'val', 'test')]
    assert splits[0] != splits[1] != splits[2] != splits[0]
    assert config['param_scheduler'][-1]['end'] == config['train_cfg']['max_iters']
    assert 1e-4 <= config['optim_wrapper']['optimizer']['lr'] <= 5e-3


@pytest.mark.parametrize('path', BASELINES, ids=stem)
def test_a_baselines_model_builds_with_the_size_that_its_name_says(path):
    config = load_config(path)
    millions = sum(parameter.numel() for parameter in built(config).parameters()) / 1e6
    least, most = next(bounds for name, bounds in MILLIONS.items() if path.stem.startswith(name))
    assert least < millions < most
    heads = [config['model'][name] for name in ('decode_head', 'auxiliary_head') if config['model'].get(name)]
    classes = len(config.get('metainfo', dict(classes='abc'))['classes'])
    assert [head['num_classes'] for head in heads] == [classes] * len(heads)


@pytest.mark.parametrize('path', BASELINES, ids=stem)
def test_a_baseline_trains_a_step_and_predicts_at_an_odd_size(path):
    config = load_config(path)
    config['model']['data_preprocessor']['size'] = (64, 64)  # what training pads to
    classes, size = config['model']['decode_head']['num_classes'], (36, 28)
    model = built(config)
    samples = [SegDataSample(gt_sem_seg=PixelData(data=torch.randint(classes, (1, *size)))) for _ in range(2)]
    data = dict(inputs=[torch.randint(256, (3, *size), dtype=torch.uint8) for _ in samples], data_samples=samples)
    loss, _ = model.train().parse_losses(model(**model.data_preprocessor(copy.deepcopy(data), True), mode='loss'))
    loss.backward()
    assert loss.isfinite() and loss > 0
    assert any((parameter.grad != 0).any() for parameter in model.backbone.parameters() if parameter.grad is not None)
    for sample in samples:
        sample.set_metainfo(dict(img_shape=size, ori_shape=size))
    model.eval()
    predictions = model.test_step(data)
    assert [prediction.pred_sem_seg.data.shape for prediction in predictions] == [(1, *size)] * 2


@pytest.mark.parametrize('path', BASELINES, ids=stem)
def test_a_baselines_encoder_gets_the_images_that_its_weights_know(path):
    model = load_config(path)['model']
    expected = (
        (INPUT_MEAN, INPUT_STD) if model['backbone']['type'] == 'EfficientNetLite0' else (IMAGENET_MEAN, IMAGENET_STD)
    )
    assert (tuple(model['data_preprocessor']['mean']), tuple(model['data_preprocessor']['std'])) == expected
    assert model['data_preprocessor']['bgr_to_rgb']


@pytest.mark.parametrize('path', BASELINES, ids=stem)
def test_only_full_size_baselines_need_weights_from_the_web(path):
    model = load_config(path)['model']
    from_the_web = [model.get('pretrained'), (model['backbone'].get('init_cfg') or {}).get('checkpoint')]
    assert any(from_the_web) == (path.stem in ('deeplabv3plus_dsb2018', 'segformer_b0_dsb2018'))


@pytest.mark.parametrize('path', TECHNIQUES, ids=stem)
def test_a_technique_can_be_read_and_its_modules_import(path):
    technique = read_technique(path)
    assert technique.title and '\n' not in technique.description
    import_modules({technique.name: technique}, {})


@pytest.mark.parametrize('name', SHIPPED)
def test_a_technique_that_ships_says_what_it_is(name):
    technique = read_technique(CONFIGS / 'techniques' / f'{name}.py')
    assert bool(technique.paper) != (name in WITHOUT_PAPER)
    assert technique.description.endswith('.')
    assert 40 <= len(technique.use_when) <= 140 and technique.use_when.endswith('.') and '\n' not in technique.use_when
    assert all(module.startswith('plugins.') for module in technique.imports)


def test_no_two_techniques_have_one_title():
    titles = [read_technique(path).title for path in TECHNIQUES]
    assert len(set(titles)) == len(titles) > 70
    assert len(SHIPPED) > 70


@pytest.mark.parametrize('path', GRIDS, ids=stem)
def test_every_stack_of_a_grid_composes_on_its_baseline(path, tmp_path):
    grid = read_grid(path)
    request = read_request(grid, Settings(tmp_path, CONFIGS, 'cpu'))
    layout, notes = request.stacks.layout, request.baseline.notes
    configs = [config for stack, config in request.stacks.paired.items() if stack not in layout.again_of]
    assert all(one != other for n, one in enumerate(configs) for other in configs[n + 1 :])
    assert all(config.keys() <= TOP_LEVEL_KEYS | {SEARCH} for config in configs)
    assert all(config['train_dataloader']['dataset']['type'] == 'PairedDataset' for config in configs)
    assert set(grid.published_dice) <= {stack_name(stack) for stack in layout.stacks}
    assert grid.seeds == (5 if path.stem in FIVE_SEEDS else 3) and not notes


def test_the_quickstart_is_the_improvement_table():
    layout = lay_out(read_grid(CONFIGS / 'grids' / 'quickstart.py').designs)
    assert [len(stack) for stack in layout.stacks] == [0, 1, 2, 3, 4, 5]
    published = read_grid(CONFIGS / 'grids' / 'quickstart.py').published_dice
    assert [published[stack_name(stack)] for stack in layout.stacks] == [85, 87, 88.5, 90, 91.5, 92]


@pytest.mark.parametrize('path', sorted((CONFIGS / '_base_').glob('*/*.py')), ids=stem)
def test_a_base_config_stands_alone(path):
    assert load_config(path)
