"""The choice of values: the best trial by Dice, the first of equals, and never a look at the test images."""

import copy
import json
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from mmseg.datasets import BaseSegDataset
from mmseg.registry import DATASETS
from PIL import Image

from benchmarks.plan.grid import read_grid
from benchmarks.stacks.compose import compose, load_config, strip_helpers
from benchmarks.stacks.imports import import_modules
from benchmarks.stacks.protocol import apply_protocol
from benchmarks.stacks.technique import load_techniques
from benchmarks.stacks.tuning import SEARCH, on_validation, search_config
from benchmarks.stages import select
from benchmarks.stages.chosen import CHOSEN, with_chosen
from benchmarks.stages.halving import image_order
from benchmarks.stages.maps import SCALE, write_map
from benchmarks.stages.parents import CHECKPOINT
from benchmarks.stages.runner import build_runner

CONFIGS = Path(__file__).resolve().parents[3] / 'configs'
AT, LEAST = 'inference.refine.cut.at', 'inference.refine.least.size'


# --- with a model that cuts a map at a threshold, and drops small foregrounds


class Cutting:
    """Refines by ``cut.at``, a threshold of the foreground, and ``least.size``, the fewest pixels that stay."""

    def __init__(self, inference=None):
        refine = (inference or {}).get('refine') or {}
        self.at, self.least = (refine.get(part, {}).get(key, 0) for part, key in (('cut', 'at'), ('least', 'size')))
        self.variants = []

    def add_variant(self, inference, receive):
        self.variants.append(Cutting(inference))

    @staticmethod
    def refine_all(models, maps, img_path):
        labels = [(q[1] > model.at * SCALE).astype(np.uint8) for model, q in zip(models, maps, strict=True)]
        return [each * (each.sum() >= model.least) for each, model in zip(labels, models)]


@pytest.fixture
def chosen(tmp_path, monkeypatch):
    """Choose among trials for images of one row each: probabilities of the foreground, and the truth."""

    def chosen(images, truths, trials, at=0.5, **halving):
        def sample(index):
            truth = SimpleNamespace(data=torch.tensor([[truths[index]]]))
            return dict(data_samples=SimpleNamespace(gt_sem_seg=truth, img_path=str(index)))

        for index, row in enumerate(images):
            foreground = np.array([row])
            write_map(tmp_path, index, np.rint(np.stack([1 - foreground, foreground]) * SCALE).astype(np.uint16))
        dataset = [sample(index) for index in range(len(images))]
        split = SimpleNamespace(classes=('land', 'pond'), background=0, ignore_index=255, images=list(images))
        runner = SimpleNamespace(test_dataloader=SimpleNamespace(dataset=dataset))
        monkeypatch.setattr(select, 'build_runner', lambda *_: runner)
        monkeypatch.setattr(select, 'open_inference', lambda _: Cutting())
        monkeypatch.setattr(select, 'list_split', lambda name, _: split if name == 'val' else pytest.fail(name))
        config = dict(
            test_dataloader=dict(dataset={}), inference=dict(refine=dict(cut=dict(at=at), least=dict(size=0)))
        )
        parents = dict(train=tmp_path, predict=tmp_path)
        facts = select.run({**config, SEARCH: dict(trials=trials, **halving)}, tmp_path, parents, 'cpu')
        assert facts['images'] == len(images)
        return facts['searches'], json.loads((tmp_path / CHOSEN).read_text())

    return chosen


def test_the_trial_with_the_best_dice_is_taken_and_the_whole_surface_kept(chosen):
    images, truths = [[0.9, 0.6, 0.3, 0.1], [0.9, 0.2, 0.7, 0.1]], [[1, 0, 0, 0], [1, 0, 1, 0]]
    searches, values = chosen(images, truths, dict(cut=[{}, {AT: 0.65}, {AT: 0.8}]))
    # 2 / 3 and 1; 1 and 1; 1 and 2 / 3
    assert searches[0]['dice'] == pytest.approx([100 * 5 / 6, 100, 100 * 5 / 6])
    assert searches[0] == dict(technique='cut', trials=[{}, {AT: 0.65}, {AT: 0.8}], dice=searches[0]['dice'], chosen=1)
    assert values == {AT: 0.65}


def test_of_equal_trials_the_first_is_taken(chosen):
    searches, values = chosen([[0.9, 0.1]], [[1, 0]], dict(cut=[{}, {AT: 0.4}, {AT: 0.3}]))
    assert searches[0]['dice'] == [100, 100, 100] and searches[0]['chosen'] == 0 and values == {}


def test_void_pixels_count_for_no_trial(chosen):
    searches, _ = chosen([[0.9, 0.6]], [[1, 255]], dict(cut=[{}, {AT: 0.8}]))
    assert searches[0]['dice'] == [100, 100]


def test_the_second_technique_is_tried_with_the_values_of_the_first(chosen):
    images, truths = [[0.9, 0.6, 0.6], [0.6, 0.1, 0.1]], [[1, 0, 0], [1, 0, 0]]
    trials = dict(cut=[{}, {AT: 0.7}], least=[{}, {LEAST: 2}])
    searches, values = chosen(images, truths, trials)
    # Cut at 0.5: 1/2 and 1, at 0.7: 1 and 0. Then at least 2 pixels: 1/2 and 0.
    assert [one['dice'] for one in searches] == [pytest.approx([75, 50]), pytest.approx([75, 25])] and values == {}
    searches, values = chosen(images[:1], truths[:1], trials)
    assert [one['dice'] for one in searches] == [pytest.approx([50, 100]), pytest.approx([100, 0])]
    assert [one['chosen'] for one in searches] == [1, 0] and values == {AT: 0.7}


def test_an_undefined_score_is_null_and_below_every_other(chosen):
    searches, _ = chosen([[0.9, 0.1]], [[0, 0]], dict(cut=[{AT: 0.95}, {}]))
    assert searches[0]['dice'] == [None, 0] and searches[0]['chosen'] == 1
    assert select.best_of([float('nan'), float('nan')]) == 0


def ponds(number):
    """Images that are all alike, on which a cut at 0.5 is right everywhere: probabilities, and the truth."""
    return [[n / 20 for n in range(21)]] * number, [[int(n > 10) for n in range(21)]] * number


def test_halving_drops_the_worse_trials_before_they_have_seen_all_images(chosen):
    images, truths = ponds(36)
    trials = dict(cut=[{}, *({AT: at} for at in (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8))])
    whole, values = chosen(images, truths, trials, at=0.9)
    halved, same = chosen(images, truths, trials, at=0.9, halving=dict(cut=3))
    assert same == values == {AT: 0.5} and halved[0].pop('images') == [36, 4, 4, 4, 12, 36, 4, 4, 4]
    assert 'images' not in whole[0] and halved[0]['chosen'] == whole[0]['chosen'] == 5
    assert halved[0]['dice'] == pytest.approx(whole[0]['dice'])  # images are alike: a part of them scores as all do


def test_a_trial_that_was_dropped_is_not_chosen_for_its_score_on_a_part_of_the_images(chosen):
    images, truths = [[0.9, 0.6]] * 12, [[1, 1]] * 12
    easy = image_order(12)[:4]
    for n in range(12):
        if n not in easy:
            images[n] = [0.1, 0.1]  # no trial labels a pixel of these
    (search,), values = chosen(images, truths, dict(cut=[{}, {AT: 0.4}, {AT: 0.7}]), halving=dict(cut=3))
    assert search['images'] == [12, 12, 4] and search['dice'] == pytest.approx([100 / 3, 100 / 3, 200 / 3])
    assert search['chosen'] == 0 and values == {}


def test_the_refinement_takes_the_chosen_values_and_without_a_choice_the_configs(tmp_path):
    config = dict(inference=dict(refine=dict(cut=dict(type='Cut', at=0.5))))
    (tmp_path / CHOSEN).write_text(json.dumps({AT: 0.65}))
    assert with_chosen(config, dict(predict=tmp_path)) == config
    assert with_chosen(config, dict(predict=tmp_path, select=tmp_path))['inference']['refine']['cut']['at'] == 0.65


# --- with a real runner, and a data set whose test split cannot be opened


@DATASETS.register_module()
class SealedTest(BaseSegDataset):
    """A data set that raises as soon as its test split is listed."""

    METAINFO = dict(classes=('land', 'pond'), palette=[[0, 0, 0], [9, 9, 9]])

    def load_data_list(self):
        """The images of the split."""
        if Path(self.data_prefix['img_path']).name == 'test':
            raise PermissionError('the test split was opened')
        return super().load_data_list()


def sealed(root, split):
    pipeline = [dict(type='LoadImageFromFile'), dict(type='LoadAnnotations'), dict(type='PackSegInputs')]
    prefix = dict(img_path=f'img/{split}', seg_map_path=f'ann/{split}')
    return dict(type='SealedTest', data_root=str(root), img_suffix='.png', data_prefix=prefix, pipeline=pipeline)


@pytest.fixture(scope='module')
def project(tmp_path_factory):
    """The config of a row with a tuned technique, a checkpoint with random weights, and maps of the images."""
    root = tmp_path_factory.mktemp('sealed')
    rng = np.random.default_rng(0)
    for split in ('val', 'test'):
        for n in range(2):
            for kind, pixels in (('img', rng.integers(0, 256, (16, 16, 3))), ('ann', rng.integers(0, 2, (16, 16)))):
                path = root / kind / split / f'{n}.png'
                path.parent.mkdir(parents=True, exist_ok=True)
                Image.fromarray(pixels.astype(np.uint8)).save(path)
            foreground = rng.random((16, 16))
            write_map(root, n, np.rint(np.stack([1 - foreground, foreground]) * SCALE).astype(np.uint16))
    protocol = load_config(CONFIGS / '_base_' / 'protocol.py')
    raw = strip_helpers(load_config(read_grid(CONFIGS / 'grids' / 'quickstart.py').baseline))
    raw['model']['decode_head']['num_classes'] = 2
    techniques = load_techniques(CONFIGS / 'techniques', ['small_components'])
    config = compose(apply_protocol(raw, protocol, 'cpu')[0], ('small_components',), techniques)
    import_modules(techniques, config)
    config['test_dataloader'] = {**config['test_dataloader'], 'dataset': sealed(root, 'test')}
    config['train_dataloader'] = copy.deepcopy(config['test_dataloader'])
    config[SEARCH] = search_config(list(techniques.values()), 4, sealed(root, 'val'))
    validating = {key: value for key, value in on_validation(config).items() if key != SEARCH}
    runner = build_runner(validating, root / 'run')
    torch.save(dict(state_dict=runner.model.state_dict(), meta={}), root / CHECKPOINT)
    return root, config


def run_choice(root, config, folder):
    return select.run(config, folder, dict(train=root, predict=root), 'cpu')


def test_the_choice_never_opens_the_test_split(project, tmp_path):
    root, config = project
    facts = run_choice(root, on_validation(config), tmp_path)
    (search,) = facts['searches']
    assert len(search['dice']) == 4 and facts['images'] == 2
    assert search['chosen'] == int(np.argmax(search['dice']))
    assert json.loads((tmp_path / CHOSEN).read_text()) == search['trials'][search['chosen']]


def test_a_choice_on_test_images_would_be_seen(project, tmp_path):
    root, config = project
    with pytest.raises(Exception, match='the test split was opened'):
        run_choice(root, config, tmp_path)
