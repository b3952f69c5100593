"""What draws at random, seeds a generator or sets a flag of torch changes no number of other rows in its pass."""

import random

import numpy as np
import pytest
import torch
from mmcv.transforms import BaseTransform
from mmseg.models.decode_heads import FCNHead
from mmseg.registry import MODELS, TRANSFORMS

import plugins.hooks.paired_arms
import plugins.views.flip
import plugins.views.identity  # noqa: F401 (registers the view)
from benchmarks.stages import predict, refine, train
from benchmarks.stages.process_state import ChangedState

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures('own_state')]
PLAIN = dict(type='IdentityView')
FLIP = dict(type='FlipView', direction='horizontal')
DRAWS = dict(
    Python=lambda shape: np.reshape([random.random() for _ in range(np.prod(shape))], shape),
    numpy=lambda shape: np.random.random(shape),
    torch=lambda shape: torch.rand(shape).numpy(),
)
SEEDS = dict(Python=random.seed, numpy=np.random.seed, torch=torch.manual_seed)
FLAGS = {
    'whether cuDNN tries kernels out from False to True': lambda: setattr(torch.backends.cudnn, 'benchmark', True),
    'whether cuDNN is deterministic from False to True': lambda: setattr(torch.backends.cudnn, 'deterministic', True),
    'whether torch is deterministic from False to True': lambda: torch.use_deterministic_algorithms(True),
    "the number of torch's threads from": lambda: torch.set_num_threads(torch.get_num_threads() + 1),
}


@MODELS.register_module(force=True)
class DrawingHead(FCNHead):
    """Draws at random when it predicts, as LightHamHead of mmseg does."""

    def forward(self, inputs):
        logits = super().forward(inputs)
        return logits if self.training else logits + 2 * torch.rand(logits.shape)


@TRANSFORMS.register_module(force=True)
class DrawingView:
    """Adds noise to the image."""

    def __init__(self, draws_from):
        self.draw = DRAWS[draws_from]

    def forward(self, image):
        return image + torch.from_numpy(200 * self.draw(tuple(image.shape))).to(image.dtype)

    def inverse(self, maps, size):
        return maps


@TRANSFORMS.register_module(force=True)
class SeedingView(DrawingView):
    """Seeds a generator before each image."""

    def forward(self, image):
        SEEDS[next(name for name, draw in DRAWS.items() if draw is self.draw)](7)
        return image


@TRANSFORMS.register_module(force=True)
class FlagView(DrawingView):
    """Sets a flag."""

    def __init__(self, flag):
        self.set_flag = FLAGS[flag]

    def forward(self, image):
        self.set_flag()
        return image


@TRANSFORMS.register_module(force=True)
class DrawingRefinement(BaseTransform):
    """Turns a share of the pixels, which it draws, into background."""

    takes, gives, needs_image = 'probabilities', 'labels', False

    def __init__(self, draws_from, share):
        self.draw, self.share = DRAWS[draws_from], share

    def transform(self, results):
        drawn = self.draw(results['labels'].shape) < self.share
        return dict(labels=np.where(drawn, 0, results['labels']).astype(np.uint8))


@TRANSFORMS.register_module(force=True)
class Background(BaseTransform):
    """Gives all pixels one label."""

    takes, gives, needs_image = 'probabilities', 'labels', False

    def __init__(self, label):
        self.label = label

    def transform(self, results):
        return dict(labels=np.full_like(results['labels'], self.label))


@pytest.fixture
def flags_restored():
    cudnn, threads = torch.backends.cudnn, torch.get_num_threads()
    before = cudnn.benchmark, cudnn.deterministic
    yield
    cudnn.benchmark, cudnn.deterministic = before
    torch.use_deterministic_algorithms(False)
    torch.set_num_threads(threads)


class Stages:
    """Runs stages of several rows that differ in their ``inference``, on their own and in one pass."""

    def __init__(self, config, module, folder, parents):
        self.config, self.module, self.folder, self.parents = config, module, folder, parents

    def _rows(self, rows, name):
        folders = [self.folder / f'{name} {number}' for number in range(len(rows))]
        for folder in folders:
            folder.mkdir()
        return [{**self.config, 'inference': dict(dict(views={}, refine={}), **row)} for row in rows], folders

    def alone(self, rows):
        configs, folders = self._rows(rows, 'alone')
        for config, folder in zip(configs, folders):
            self.module.run(config, folder, self.parents, 'cpu')
        return [(folder / 'facts.csv').read_bytes() for folder in folders]

    def together(self, rows, name='together'):
        configs, folders = self._rows(rows, name)
        self.module.run_together(configs, folders, [self.parents] * len(rows), 'cpu')
        return [(folder / 'facts.csv').read_bytes() for folder in folders]


@pytest.fixture(scope='module')
def trained(tmp_path_factory):
    """The folder of one training; the heads have the same weights."""
    return tmp_path_factory.mktemp('trained')


@pytest.fixture
def predictions(config, trained, tmp_path):
    """Stages ``predict`` of a network, by the type of its head."""
    if not any(trained.iterdir()):
        train.run(config, trained, {}, 'cpu')

    def of(head='FCNHead'):
        config['model']['decode_head']['type'] = head
        return Stages(config, predict, tmp_path, dict(train=trained))

    return of


def harms_and_is_refused(stages, rows, monkeypatch, words):
    """The pass fails; without the guard a row would get other numbers than on its own."""
    with pytest.raises(ChangedState, match=words):
        stages.together(rows)
    monkeypatch.setattr(stages.module, 'refuse_draws', lambda before: None)
    assert stages.together(rows, 'unguarded') != stages.alone(rows)


def test_a_network_that_draws_shares_no_pass(predictions, monkeypatch):
    rows = [{}, dict(views=dict(plain=PLAIN, flipped=FLIP))]
    harms_and_is_refused(predictions('DrawingHead'), rows, monkeypatch, 'global random generator of torch, or seeded')


@pytest.mark.parametrize('generator', DRAWS)
def test_a_view_that_seeds_shares_no_pass_with_one_that_draws(predictions, monkeypatch, generator):
    view, other = (dict(type=name, draws_from=generator) for name in ('DrawingView', 'SeedingView'))
    rows = [dict(views=dict(a=view)), dict(views=dict(a=PLAIN, b=other))]
    harms_and_is_refused(predictions(), rows, monkeypatch, f'global random generator of {generator}, or seeded')


def test_rows_that_draw_nothing_share_a_pass(predictions):
    rows = [{}, dict(views=dict(plain=PLAIN, flipped=FLIP))]
    stages = predictions()
    assert stages.together(rows) == stages.alone(rows)


def test_a_row_that_draws_has_a_pass_of_its_own(predictions):
    stages = predictions('DrawingHead')
    assert stages.together([{}]) == stages.alone([{}])


@pytest.mark.usefixtures('flags_restored')
@pytest.mark.parametrize('flag', FLAGS)
def test_a_view_that_sets_a_flag_shares_no_pass(predictions, flag):
    with pytest.raises(ChangedState, match=flag):
        predictions().together([{}, dict(views=dict(a=dict(type='FlagView', flag=flag)))])


@pytest.mark.usefixtures('flags_restored')
def test_flags_that_the_config_sets_are_no_reason_to_refuse(config, predictions):
    threads = torch.get_num_threads() + 1
    config['env_cfg'] = dict(cudnn_benchmark=True)
    config['custom_hooks'] = [dict(type='PairedArmsHook', num_threads=threads), *config['custom_hooks']]
    stages = predictions()
    assert len(stages.together([{}, dict(views=dict(plain=PLAIN, flipped=FLIP))])) == 2
    torch.set_num_threads(threads - 1)
    rows = [dict(refine=dict(a=dict(type='Background', order=1, label=label))) for label in (0, 1)]
    assert len(refinements(stages).together(rows, 'refined')) == 2
    assert torch.backends.cudnn.benchmark and torch.get_num_threads() == threads


def refinements(stages):
    """Stages ``refine`` after a prediction without views."""
    (stages.folder / 'maps').mkdir()
    predict.run(stages.config, stages.folder / 'maps', stages.parents, 'cpu')
    return Stages(stages.config, refine, stages.folder, stages.parents | dict(predict=stages.folder / 'maps'))


@pytest.mark.parametrize('generator', DRAWS)
def test_refinements_that_draw_share_no_pass(predictions, monkeypatch, generator):
    stages = refinements(predictions())
    rows = [
        dict(refine=dict(a=dict(type='DrawingRefinement', order=1, draws_from=generator, share=share)))
        for share in (0.4, 0.6)
    ]
    harms_and_is_refused(stages, rows, monkeypatch, f'global random generator of {generator}, or seeded')
