"""Where stages run, as the flags ask for it."""

from types import SimpleNamespace

import pytest

from benchmarks.errors import BadInput
from benchmarks.session import place as place_module
from benchmarks.session.place import choose_place


@pytest.fixture
def flags(monkeypatch, tmp_path):
    """``flags(gpus, **given)``: flags on a machine with these GPUs."""
    monkeypatch.setenv('CUDA_VISIBLE_DEVICES', '')
    monkeypatch.setenv('PYTORCH_NVML_BASED_CUDA_CHECK', '')
    monkeypatch.setattr(place_module, 'usable_cores', lambda: 7)

    def give(gpus=(), **given):
        monkeypatch.setattr(place_module, 'choose_device', lambda asked: asked or ('cuda' if gpus else 'cpu'))
        monkeypatch.setattr(place_module, 'gpu_slots', lambda device: tuple(gpus) if device == 'cuda' else ())
        flags = dict(
            launcher='local',
            slurm=[],
            ray=[],
            address=None,
            device=None,
            jobs=None,
            timeout=5.0,
            dry_run=False,
            processes_per_training=1,
        )
        return SimpleNamespace(**flags | dict(work_dir=tmp_path) | given)

    return give


@pytest.mark.parametrize(
    'gpus, given, jobs, packs, held',
    [
        ((), {}, 7, False, 0),
        ((), dict(jobs=3), 3, False, 0),
        (('0', '1', '2'), {}, 3, False, 3),
        (('0', '1', '2'), dict(jobs=2), 2, False, 2),
        ((), dict(device='cuda'), 1, False, 1),
        ((), dict(device='cuda', jobs=4), 4, True, 1),
        (('0', '1'), dict(device='cuda:0', jobs=4), 4, True, 1),
    ],
)
def test_on_this_machine_each_core_or_gpu_runs_a_stage(flags, gpus, given, jobs, packs, held):
    place = choose_place(flags(gpus, **given), ())
    assert (place.jobs, place.packs_one_gpu, place.gpus) == (jobs, packs, held)
    assert place.launcher is place.local and place.local.timeout_s == 5.0 and place.nodes is place.queue is None
    assert place.local.gpus == (tuple(gpus) if not given.get('device', '').startswith('cuda:') else ())


def test_more_jobs_than_gpus_are_refused_with_the_way_to_pack_one(flags):
    with pytest.raises(BadInput, match='--jobs 3: each of the 2 GPUs runs one stage at once; .* --device cuda:0'):
        choose_place(flags(('0', '1'), jobs=3), ())


@pytest.mark.parametrize(
    'gpus, each, jobs, slots',
    [(('0', '1', '2', '3', '4'), 2, 2, ('0,1', '2,3')), (('5', '3'), 2, 1, ('5,3',)), ((), 3, 2, ()), ((), 9, 1, ())],
)
def test_trainings_in_several_processes_take_as_many_gpus_or_cores(flags, gpus, each, jobs, slots):
    place = choose_place(flags(gpus, processes_per_training=each), ())
    assert (place.jobs, place.local.gpus, place.packs_one_gpu) == (jobs, slots, False)
    assert place.gpus == (each * jobs if gpus else 0)


@pytest.mark.parametrize(
    'gpus, given, message',
    [
        (('0', '1'), dict(processes_per_training=3), 'each process needs a GPU of its own, and there are 2'),
        ((), dict(device='cuda', processes_per_training=2), 'and there are 1'),
        (('0', '1'), dict(device='cuda:1', processes_per_training=2), '--device cuda:1 is one'),
        (('0', '1', '2', '3'), dict(jobs=3, processes_per_training=2), 'each of the 2 groups of 2 GPUs runs one stage'),
        ((), dict(launcher='ray', processes_per_training=2), 'with --launcher ray one process trains a network'),
    ],
)
def test_too_few_gpus_for_the_processes_of_a_training_are_refused(flags, gpus, given, message):
    with pytest.raises(BadInput, match=message):
        choose_place(flags(gpus, **given), ())


def test_in_jobs_the_settings_say_where_and_how_many(flags):
    pytest.importorskip('submitit', reason="submitit is not installed: pip install 'segmentation-ablation[slurm]'")
    place = choose_place(flags(launcher='slurm', slurm=['cluster=local', 'gpus=1']), ())
    assert (place.device, place.jobs, place.nodes) == ('cuda', place_module.JOBS_AT_ONCE, None)
    assert place.queue.folder == place.queue.folder.parent.parent / 'slurm' / 'logs' and place.queue.at_once == 100


def test_a_grid_says_what_its_jobs_ask_for_and_flags_win(flags):
    pytest.importorskip('submitit', reason="submitit is not installed: pip install 'segmentation-ablation[slurm]'")
    of_grid = dict(slurm=dict(cluster='local', account='lab', time=7200.0), ray=dict(gpus=1.0))
    settings = choose_place(flags(launcher='slurm', slurm=['time=1h']), (), of_grid).queue.settings
    assert (settings.account, settings.time, settings.cluster) == ('lab', 3600.0, 'local')
    assert choose_place(flags(), (), of_grid).queue is None, 'another launcher does not read it'


def test_a_dry_run_starts_no_cluster(flags, monkeypatch):
    monkeypatch.setattr('benchmarks.run.ray.launcher.import_ray', lambda: pytest.fail('a cluster was started'))
    assert choose_place(flags(launcher='ray', dry_run=True), ()).jobs == 7


@pytest.mark.parametrize('launcher', ['slurm', 'ray'])
def test_a_cluster_deals_out_its_gpus_itself(flags, launcher):
    with pytest.raises(BadInput, match='--device cuda:1: on a cluster it is cpu or cuda'):
        choose_place(flags(launcher=launcher, device='cuda:1'), ())
