"""The plan of a cell from its dumped config: the seeds of all its trainings, and what has changed since the record."""

import numpy as np
import pytest
from PIL import Image

from benchmarks.check.cell_again import Ways, changes_of_work, fresh_store, plan_again
from benchmarks.data.fold_tables import table_name
from benchmarks.errors import BadInput
from benchmarks.files import write_atomic
from benchmarks.stacks.compose import dump_config
from benchmarks.store.store import Store


def loader(root, split):
    return dict(
        batch_size=1,
        dataset=dict(
            type='BaseSegDataset',
            data_root=str(root),
            img_suffix='.png',
            metainfo=dict(classes=('ground', 'blob')),
            data_prefix=dict(img_path=f'img/{split}', seg_map_path=f'ann/{split}'),
            pipeline=[dict(type='LoadImageFromFile'), dict(type='LoadAnnotations'), dict(type='PackSegInputs')],
        ),
    )


@pytest.fixture
def dumped(tmp_path):
    """Writes a cell's config; gives the folder of its grid, and how it runs."""
    root, rng = tmp_path / 'data', np.random.default_rng(0)
    for split in ('train', 'test'):
        for kind, shape in (('img', (8, 8, 3)), ('ann', (8, 8))):
            (root / kind / split).mkdir(parents=True)
            Image.fromarray(rng.integers(0, 2, shape, np.uint8)).save(root / kind / split / 'a.png')

    def write(cell, seed, **more):
        config = dict(
            model=dict(type='EncoderDecoder', decode_head=dict(type='FCNHead', num_classes=2)),
            train_dataloader=loader(root, 'train'),
            test_dataloader=loader(root, 'test'),
            inference=dict(views={}, refine={}),
            randomness=dict(seed=seed),
        )
        dump_config(config | more, tmp_path / 'out' / 'configs' / f'{cell}.py')
        return tmp_path / 'out', Ways(tmp_path / 'work', 'cpu', 1)

    return write


def planned(out, ways, record):
    with fresh_store(ways.work_dir) as store:
        return plan_again(out, record, store, ways)


def seeds(plan):
    return [stage.config['randomness']['seed'] for stage in plan.stages.values() if stage.kind == 'train']


RECORD = dict(cell='a__seed1', stack='a', techniques=['a'], seed=1, keys={})


@pytest.mark.parametrize(
    'in_config, more, trained',
    [
        (1, {}, [1]),
        (2_000_001, {}, [2_000_001]),  # an A/A arm
        (2000, dict(ensemble=dict(seeds=3)), [2000, 2001, 2002]),
        (2_002_000, dict(ensemble=dict(seeds=2)), [2_002_000, 2_002_001]),
    ],
)
def test_trainings_have_the_seeds_of_the_first_run(dumped, in_config, more, trained):
    out, ways = dumped('a__seed1', in_config, **more)
    plan = planned(out, ways, RECORD)
    assert seeds(plan) == trained
    kinds = [kind for kind, _ in plan.cells[0].steps]
    assert kinds == ['train'] * len(trained) + ['combine'] * (len(trained) > 1) + ['predict']
    assert plan.cells[0].name == 'a__seed1'


def test_a_fold_keeps_its_name(dumped):
    out, ways = dumped('a__seed1__fold2', 1)
    assert planned(out, ways, RECORD | dict(cell='a__seed1__fold2', fold=2)).cells[0].name == 'a__seed1__fold2'


def test_the_data_may_lie_elsewhere_and_the_keys_stay(dumped, tmp_path):
    out, ways = dumped('a__seed1', 1)
    before = planned(out, ways, RECORD)
    (tmp_path / 'data').rename(tmp_path / 'moved')
    after = planned(out, Ways(ways.work_dir, 'cpu', 1, data_root=str(tmp_path / 'moved')), RECORD)
    assert after.cells[0].steps == before.cells[0].steps


def test_changed_ingredients_are_named_where_the_first_result_is_kept(dumped):
    out, ways = dumped('a__seed1', 1)
    plan = planned(out, ways, RECORD)
    cell = plan.cells[0]
    same = RECORD | dict(keys=dict(train=cell.train, predict=cell.predict, refine=None))
    assert changes_of_work(plan, same, ways.work_dir) == []
    store = Store.in_work_dir(ways.work_dir)
    ingredients = {**plan.stages[cell.train].ingredients, 'torch': '1.0'}
    with store.writing('old') as folder:
        store.commit(
            'train', 'old', folder, status='ok', reason=None, facts={}, ingredients=ingredients, label='a__seed1'
        )
    other = RECORD | dict(keys=dict(train='old', predict='gone', refine=None))
    assert changes_of_work(plan, other, ways.work_dir) == ['train (torch)', 'predict']


def test_the_values_that_a_tuned_cell_was_given_are_no_other_work(dumped):
    out, ways = dumped('a__seed1', 1, inference=dict(views={}, refine=dict(holes=dict(type='FillHoles'))))
    plan = planned(out, ways, RECORD)
    cell = plan.cells[0]
    record = RECORD | dict(keys=dict(train=cell.train, predict=cell.predict, refine='with a choice'))
    assert changes_of_work(plan, record, ways.work_dir) == ['refine']
    record['keys'] |= dict(select='choice')
    assert changes_of_work(plan, record, ways.work_dir) == []


def test_the_table_of_a_fold_is_read_beside_the_configs(dumped, tmp_path):
    content = b'source,index,image,group\n0,0,a.png,\n'
    table = tmp_path / 'first' / 'folds' / table_name(content)
    whole = loader(tmp_path / 'data', 'test')
    leaf = dict(type='MergedSplits', sources=[whole['dataset'] | dict(pipeline=[])], ann_file=str(table))
    fold = whole | dict(dataset=leaf | dict(pipeline=whole['dataset']['pipeline']))
    out, ways = dumped(
        'a__seed1', 1, test_dataloader=fold, custom_imports=dict(imports=['plugins.datasets.merged_splits'])
    )
    with pytest.raises(BadInput, match='--dry-run in the folder where it ran'):
        planned(out, ways, RECORD)
    write_atomic(table, content)
    before = planned(out, ways, RECORD)
    write_atomic(out / 'configs' / 'folds' / table.name, content)
    table.unlink()
    assert planned(out, ways, RECORD).cells[0].steps == before.cells[0].steps


def test_the_fresh_store_is_removed_and_a_killed_process_leaves_it_to_the_next_run(tmp_path):
    with fresh_store(tmp_path) as store:
        (store.root / 'train').mkdir()
        Store.in_work_dir(tmp_path).clear_abandoned()
        assert (store.root / 'train').is_dir()  # the lock is held
    running = tmp_path / 'store' / 'running'
    assert list(running.iterdir()) == []
    (running / 'verify0-1').mkdir()
    Store.in_work_dir(tmp_path).clear_abandoned()
    assert list(running.iterdir()) == []


def test_a_network_that_was_taken_is_compared_with_the_training_of_its_trial(dumped):
    out, ways = dumped('a__seed1', 1)
    plan = planned(out, ways, RECORD)
    record = RECORD | dict(keys=dict(choose='c', take='t', train='another', predict='after the choice', refine=None))
    assert changes_of_work(plan, record, ways.work_dir) == ['train']
    record['keys'] |= dict(train=plan.cells[0].train)
    assert changes_of_work(plan, record, ways.work_dir) == []
    record['keys'] = dict(choose='c', train='after the choice', predict='after the choice', refine=None)
    assert changes_of_work(plan, record, ways.work_dir) == []
