"""Several processes that train one network: what each of them runs, and which key it has."""

import pytest

from benchmarks.errors import BadInput
from benchmarks.plan.keys import config_parts
from benchmarks.stacks.processes import PROCESSES, processes_of, share_of, trained_by

CONFIG = dict(model=dict(type='A'), train_dataloader=dict(batch_size=8, num_workers=2))


def test_one_process_has_the_config_of_today():
    assert trained_by(CONFIG, 1, 'cpu') == trained_by(CONFIG, 1, 'cuda') == CONFIG and processes_of(CONFIG) == 1
    assert trained_by(trained_by(CONFIG, 4, 'cpu'), 1, 'cpu') == CONFIG, 'the flag decides, whatever the file says'


def test_their_number_enters_the_key_of_the_training_alone():
    before, after = (config_parts(one, lambda name: False) for one in (CONFIG, trained_by(CONFIG, 2, 'cpu')))
    assert after == before | dict(train=before['train'] | {PROCESSES: 2})


def test_on_gpus_batch_norm_is_synchronised_unless_the_config_has_a_way_of_its_own():
    assert trained_by(CONFIG, 2, 'cuda')['sync_bn'] == 'torch'
    assert trained_by(CONFIG | dict(sync_bn='mmcv'), 2, 'cuda')['sync_bn'] == 'mmcv'
    assert 'sync_bn' not in trained_by(CONFIG, 2, 'cpu')


def test_each_process_has_its_share_of_the_batch_and_mmengines_launcher():
    share = share_of(trained_by(CONFIG, 4, 'cuda'), 'cuda')
    assert (share['launcher'], share['train_dataloader']) == ('pytorch', dict(batch_size=2, num_workers=2))
    assert 'model_wrapper_cfg' not in share and CONFIG['train_dataloader']['batch_size'] == 8
    on_cpu = share_of(trained_by(CONFIG | dict(find_unused_parameters=True), 2, 'cpu'), 'cpu')['model_wrapper_cfg']
    assert on_cpu['device_ids'] is None and on_cpu['find_unused_parameters'] is True


def test_a_batch_that_cannot_be_shared_evenly_is_refused_with_the_numbers_that_can():
    with pytest.raises(
        BadInput, match='--processes-per-training 3 cannot share .*batch_size=8 evenly; give one of 1, 2, 4, 8'
    ):
        share_of(trained_by(CONFIG, 3, 'cpu'), 'cpu')
