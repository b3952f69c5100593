"""The choice among trials of a network, and the stages that take its outcome: by Dice of validation images alone."""

import importlib
import json
from functools import partial
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from mmseg.datasets import BaseSegDataset
from mmseg.registry import DATASETS
from PIL import Image

from benchmarks.files import digest
from benchmarks.plan.grid import read_grid
from benchmarks.plan.making import KeyContext
from benchmarks.plan.planner import make_plan
from benchmarks.session.tuning import Trials
from benchmarks.stacks.compose import load_config, strip_helpers
from benchmarks.stacks.feature_levels import probe_levels
from benchmarks.stacks.imports import import_modules
from benchmarks.stacks.network_trials import ALTERNATIVES, NETWORK, network_trials, with_alternatives
from benchmarks.stacks.plugin_code import PluginCode
from benchmarks.stacks.protocol import apply_protocol
from benchmarks.stacks.tuned_baseline import LEARNING_RATE, baseline_technique
from benchmarks.stacks.tuning import SEARCH, search_config
from benchmarks.stages import choose, predict, take
from benchmarks.stages.chosen import CHOSEN, TRIAL, chosen_trial, taken_training, with_chosen, write_trial
from benchmarks.stages.facts import COLUMNS, FACTS
from benchmarks.stages.outcome import Diverged
from benchmarks.stages.parents import CHECKPOINT, by_role, earlier_checkpoint, weights
from benchmarks.store.result import MANIFEST

CONFIGS = Path(__file__).resolve().parents[3] / 'configs'
SPLIT = SimpleNamespace(classes=('land', 'pond'), background=0, images=['a', 'b'])
VALUES = [{}, {'gamma': 1}, {'gamma': 4}]
KEYS = ['k1', 'k2', 'k3']


@pytest.fixture
def chosen(tmp_path, monkeypatch):
    """Choose among trials, by the counts (tp, fp, fn) of the foreground in each image; None diverged."""

    def chosen(*counts, goes_on=None, before=None):
        def listed(name, dataset):
            assert (name, dataset) == ('val', 'the validation images')  # nothing else may be opened
            return SPLIT

        monkeypatch.setattr(choose, 'list_split', listed)
        parents = {}
        for number, (key, of_images) in enumerate(zip(KEYS, counts), 1):
            if of_images is not None:
                write_facts(tmp_path / key, of_images)
                parents[f'predict {number}'] = tmp_path / key
        names = dict(technique='focal', trials=VALUES, trained=['t1', 't2', 't3'], predicted=KEYS)
        search = names | dict(share=0.5 if goes_on else 1.0, goes_on=goes_on)
        if before:
            parents['choose'] = before
        config = {'test_dataloader': dict(dataset='the validation images'), NETWORK: search}
        facts = choose.run(config, tmp_path, parents, 'cpu')
        (tmp_path / MANIFEST).write_text(json.dumps(dict(facts=facts)))
        return facts['searches'][0], json.loads((tmp_path / CHOSEN).read_text())[TRIAL]

    return chosen


def write_facts(folder, of_images):
    folder.mkdir(exist_ok=True)
    rows = [','.join(COLUMNS)]
    for image, (tp, fp, fn) in zip('ab', of_images):
        for label, counts in enumerate([(100, fn, fp), (tp, fp, fn)]):
            row = dict.fromkeys(COLUMNS, 0) | dict(zip(('tp', 'fp', 'fn'), counts), image=image, group=image)
            rows.append(','.join(str((row | {'class': label, 'hd95_px': '', 'assd_px': ''})[name]) for name in COLUMNS))
    (folder / FACTS).write_text('\n'.join(rows) + '\n')


def test_the_trial_with_the_best_dice_is_taken_and_all_are_kept(chosen):
    search, best = chosen([(1, 1, 1), (1, 0, 0)], [(1, 0, 0), (1, 0, 0)], [(1, 0, 2), (0, 1, 1)])
    assert search == dict(technique='focal', trials=VALUES, dice=pytest.approx([75, 100, 25]), chosen=1) and best == 1


def test_of_equal_trials_the_first_is_taken(chosen):
    search, best = chosen([(1, 0, 0), (1, 1, 1)], [(1, 1, 1), (1, 0, 0)], [(1, 0, 0), (1, 1, 1)])
    assert search['dice'] == pytest.approx([75, 75, 75]) and best == 0


def test_a_trial_that_diverged_has_no_score_and_is_never_taken(chosen):
    search, best = chosen(None, [(0, 1, 1), (0, 1, 1)], [(1, 1, 1), (0, 1, 1)])
    assert search['dice'] == [None, 0, 25] and best == 2
    search, best = chosen(None, [(0, 0, 0), (0, 0, 0)], [(0, 0, 0), (0, 0, 0)])  # no image shows a foreground class
    assert search['dice'] == [None, None, None] and best == 1
    with pytest.raises(Diverged, match='the training of each trial diverged'):
        chosen(None, None, None)


def test_the_best_trials_and_the_values_of_the_file_go_on_to_the_next_round(chosen, tmp_path):
    bad, good, better = [(1, 1, 1), (1, 1, 1)], [(1, 0, 1), (1, 0, 1)], [(1, 0, 0), (1, 0, 0)]
    search, best = chosen(bad, good, better, goes_on=2)
    assert best == 2 and search['dice'] == pytest.approx([50, 200 / 3, 100]) and search['steps'] == [0.5] * 3
    before = tmp_path / 'before'
    before.mkdir()
    for name in (CHOSEN, MANIFEST):
        (tmp_path / name).rename(before / name)
    assert [chosen_trial(dict(choose=before), rank) for rank in (0, 1)] == [0, 2]
    with pytest.raises(Diverged, match='trials that go on: 2'):
        chosen_trial(dict(choose=before), 2)
    # Of the two that go on, the values of the file are better after a whole schedule.
    search, best = chosen(good, bad, before=before)
    assert best == 0 and search['dice'] == pytest.approx([200 / 3, 200 / 3, 50]) and search['steps'] == [1, 0.5, 1]
    search, best = chosen(bad, good, before=before)
    assert best == search['chosen'] == 2 and taken_training(dict(choose=tmp_path)) == 1
    search, best = chosen(None, bad, before=before)
    assert best == 2 and search['dice'] == pytest.approx([None, 200 / 3, 50])


def test_a_trial_that_diverged_does_not_go_on(chosen, tmp_path):
    chosen([(1, 1, 1), (1, 1, 1)], None, None, goes_on=2)
    assert chosen_trial(dict(choose=tmp_path), 0) == 0
    with pytest.raises(Diverged, match='trials that go on: 1; the trainings of the others diverged'):
        with_chosen(with_alternatives({}, [{}, {}, {}], rank=1), dict(choose=tmp_path))


@pytest.fixture
def trained(tmp_path):
    """Trainings of three trials, of which the second was chosen; each kept two checkpoints."""
    for n in (1, 2, 3):
        folder = tmp_path / f't{n}'
        folder.mkdir()
        (folder / MANIFEST).write_text(json.dumps(dict(facts=dict(seconds=10 * n, iterations=n))))
        for name in (CHECKPOINT, earlier_checkpoint(2)):
            (folder / name).write_text(f'{name} of {n}')
    (tmp_path / 'choice').mkdir()
    write_trial(tmp_path / 'choice', 1, 1)
    return {'choose': tmp_path / 'choice', **{f'train {n}': tmp_path / f't{n}' for n in (1, 2, 3)}}


def test_all_checkpoints_of_the_chosen_trial_are_taken_with_the_facts_of_its_training(trained, tmp_path):
    folder = tmp_path / 'taken'
    folder.mkdir()
    facts = take.run({NETWORK: dict(trained=['t1', 't2', 't3'])}, folder, trained, 'cpu')
    assert facts['taken'] == 't2' and facts['training'] == dict(seconds=20, iterations=2)
    assert (folder / CHECKPOINT).read_text() == f'{CHECKPOINT} of 2' == weights(dict(take=folder)).read_text()
    assert (folder / earlier_checkpoint(2)).exists()


def test_a_trial_is_found_by_its_key_where_another_one_diverged(trained, tmp_path):
    folder = tmp_path / 'taken'
    folder.mkdir()
    parents = {'choose': trained['choose'], 'train 1': trained['train 2'], 'train 2': trained['train 3']}
    assert take.run({NETWORK: dict(trained=['t1', 't2', 't3'])}, folder, parents, 'cpu')['taken'] == 't2'


def test_a_stage_runs_with_the_config_of_the_chosen_trial_and_without_a_choice_with_its_own(trained):
    own, others = dict(model=1, lr=2, data=3), [dict(model=1, lr=2, data=3), dict(model=1, lr=4, data=3)]
    config = with_alternatives(own, others)
    assert config[ALTERNATIVES] == [{}, dict(lr=4)]
    assert with_chosen(config, trained) == others[1] and with_chosen(config, {}) == own
    assert chosen_trial({}) is None and with_chosen(own, dict(predict=Path())) == own


def test_refinements_are_chosen_on_top_of_a_network(trained, tmp_path):
    refined = dict(lr=2, inference=dict(refine=dict(cut=dict(at=1))))
    (tmp_path / CHOSEN).write_text(json.dumps({'inference.refine.cut.at': 9}))
    config = with_alternatives(refined, [refined, {**refined, 'lr': 4}])
    both = with_chosen(config, trained | dict(select=tmp_path))
    assert both == dict(lr=4, inference=dict(refine=dict(cut=dict(at=9))))


# --- with real trainings, and a data set whose test split cannot be opened


@DATASETS.register_module()
class SealedForTrials(BaseSegDataset):
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
    return dict(type='SealedForTrials', data_root=str(root), img_suffix='.png', data_prefix=prefix, pipeline=pipeline)


@pytest.fixture
def row(tmp_path):
    """The plan of a row with three trials of its learning rate, on random images."""
    rng = np.random.default_rng(0)
    for split in ('train', 'val', 'test'):
        for n in range(2):
            for kind, pixels in (('img', rng.integers(0, 256, (32, 32, 3))), ('ann', rng.integers(0, 2, (32, 32)))):
                path = tmp_path / kind / split / f'{n}.png'
                path.parent.mkdir(parents=True, exist_ok=True)
                Image.fromarray(pixels.astype(np.uint8)).save(path)
    raw = strip_helpers(load_config(read_grid(CONFIGS / 'grids' / 'quickstart.py').baseline))
    config = apply_protocol(raw, load_config(CONFIGS / '_base_' / 'protocol.py'), 'cpu')[0]
    config['model']['decode_head']['num_classes'] = 2
    config['visualizer'] = dict(type='Visualizer', vis_backends=[])  # this process runs several stages
    config['train_cfg'] = dict(type='IterBasedTrainLoop', max_iters=2)
    config['train_dataloader'] = dict(
        batch_size=2,
        num_workers=0,
        persistent_workers=False,
        sampler=dict(type='InfiniteSampler', shuffle=True),
        dataset=sealed(tmp_path, 'train'),
    )
    config['test_dataloader'] = {**config['test_dataloader'], 'num_workers': 0, 'persistent_workers': False}
    config['test_dataloader']['dataset'] = sealed(tmp_path, 'test')
    technique = baseline_technique(config, dict(space={LEARNING_RATE: [1e-4, 1e-2, 1.0]}))
    data = sealed(tmp_path, 'val')
    trials = Trials(config, {}, probe_levels, 3)
    network = network_trials([technique], 3, config, partial(trials.composed, (), [technique], config))
    config[SEARCH] = {**search_config([technique], 3, data), NETWORK: network}
    import_modules({}, config)
    context = KeyContext(
        baseline=config,
        code=PluginCode(config['custom_imports']['imports']),
        fingerprint=digest,
        names=digest,
        versions={},
        device_type='cpu',
        hardware='a processor',
        label_dir=str,
    )
    return make_plan({('baseline[tuned]',): config}, [], [0], context)


@pytest.mark.slow
def test_no_trial_opens_the_test_images(row, tmp_path):
    (cell,) = row.cells
    folders = {}
    for kind, key in (*cell.beside, *cell.steps[:2]):
        stage, folder = row.stages[key], tmp_path / key
        folder.mkdir(exist_ok=True)
        parents = by_role([(of, folders[parent]) for of, parent in stage.parents])
        facts = importlib.import_module(f'benchmarks.stages.{kind}').run(stage.config, folder, parents, 'cpu')
        (folder / MANIFEST).write_text(json.dumps(dict(facts=facts)))
        folders[key] = folder
    assert len(facts['training']['loss_by_tenth']) > 0 and (folders[cell.train] / CHECKPOINT).exists()
    with pytest.raises(Exception, match='the test split was opened'):  # by the test of the row itself, and only there
        stage = row.stages[cell.predict]
        predict.run(stage.config, tmp_path, by_role([(of, folders[one]) for of, one in stage.parents]), 'cpu')
