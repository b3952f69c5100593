"""What bad input gets through the command line: exit status 2, one message with culprit and cure, nothing run."""

import errno
import io
import os
import shutil
from collections import namedtuple
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from benchmarks.cli import console, main, parse
from benchmarks.errors import BadInput
from benchmarks.plan.grid import read_grid
from benchmarks.run.gpu_memory import GpuMemory
from benchmarks.session.data import list_data
from benchmarks.session.devices import why_unusable
from benchmarks.session.doing import MARK
from benchmarks.session.environment import usable_cores
from benchmarks.session.experiment import plan_stages, read_request
from benchmarks.session.legality import Sizes
from benchmarks.session.settings import Settings
from benchmarks.store.store import Result, Store

ROOT = Path(__file__).resolve().parents[2]
BASELINE = """
_base_ = ['../_base_/models/unet_small.py', '../_base_/runtime.py', '../_base_/schedules/schedule_small.py']
norm_cfg = dict(type='BN')
model = dict(backbone=dict(base_channels=4), decode_head=dict(in_channels=4, channels=4, num_classes=2),
             data_preprocessor=dict(size=(16, 16)))
data_root = {data_root!r}
train_pipeline = [dict(type='LoadImageFromFile'), dict(type='LoadAnnotations'), dict(type='RandomFlip', prob=0.5),
                  dict(type='PackSegInputs')]


test_pipeline = train_pipeline[:2] + train_pipeline[3:]


def split(name, pipeline, **sampler):
    return dict(batch_size=2, num_workers=0, sampler=sampler, dataset=dict(
        type='BaseSegDataset', data_root={data_root!r}, img_suffix='.png', pipeline=pipeline,
        metainfo=dict(classes=('background', 'blob')),
        data_prefix=dict(img_path=f'img/{{name}}', seg_map_path=f'ann/{{name}}')))


train_dataloader = split('train', train_pipeline, type='InfiniteSampler')
val_dataloader = split('val', test_pipeline, type='DefaultSampler', shuffle=False)
test_dataloader = split('test', test_pipeline, type='DefaultSampler', shuffle=False)
val_evaluator = test_evaluator = dict(type='IoUMetric')
"""
GRID = """
title = 'Tiny'
baseline = '../baselines/tiny.py'
designs = [dict(type='cumulative', techniques={techniques!r})]
seeds = 1
"""


class Project:
    """A checkout's configs with a tiny data set, and the command line on them."""

    def __init__(self, folder):
        self.root, self.data, self.work = folder / 'checkout', folder / 'data', folder / 'work'
        shutil.copytree(ROOT / 'configs', self.root / 'configs')
        rng = np.random.default_rng(0)
        for name in ('train', 'val', 'test'):
            for n in range(3):
                self.save(f'img/{name}/{n}.png', rng.integers(0, 256, (16, 16, 3), np.uint8))
                self.save(f'ann/{name}/{n}.png', rng.integers(0, 2, (16, 16), np.uint8))
        self.grid('flips_rot90')
        self.baseline()

    def save(self, name, pixels):
        (self.data / name).parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(pixels).save(self.data / name)

    def grid(self, *techniques, extra=''):
        (self.root / 'configs' / 'grids' / 'tiny.py').write_text(GRID.format(techniques=list(techniques)) + extra)

    def baseline(self, extra='', data_root=None):
        text = BASELINE.format(data_root=str(data_root or self.data)) + extra
        (self.root / 'configs' / 'baselines' / 'tiny.py').write_text(text)

    def technique(self, name, overlay, **fields):
        fields = dict(title=name, description='', overlay=overlay, **fields)
        text = ''.join(f'{key} = {value!r}\n' for key, value in fields.items())
        (self.root / 'configs' / 'techniques' / f'{name}.py').write_text(text)

    def request(self, device='cpu', **settings):
        """The tiny grid with its composed configs."""
        grid = read_grid(self.root / 'configs' / 'grids' / 'tiny.py')
        return read_request(grid, Settings(self.work, self.root / 'configs', device, **settings))

    def planned(self, **settings):
        """The tiny grid's data and plan, without the checks that import torch."""
        request = self.request(**settings)
        data = list_data(request.stacks, request.baseline, request.settings.cache)
        return data, plan_stages(request, data, Store.in_work_dir(self.work))

    def run(self, *flags, device='cpu', grid='tiny', dry_run=True):
        grid = self.root / 'configs' / 'grids' / f'{grid}.py'
        asked = (['--device', device] if device else []) + ['--dry-run'] * dry_run
        return main([str(grid), '--work-dir', str(self.work), *asked, *flags], self.root)


@pytest.fixture
def project(tmp_path, monkeypatch):
    for name in ('ABLATION_WORK_DIR', 'CUDA_VISIBLE_DEVICES', 'PYTORCH_NVML_BASED_CUDA_CHECK'):
        monkeypatch.setenv(name, '')  # the command line sets these; put back what was there
    # This checkout's configs stand alone. Without the packages, each trial would import torch and mmseg anew.
    monkeypatch.setenv('PYTHONPATH', str(ROOT))
    monkeypatch.setattr('sys.stdin', io.StringIO())
    return Project(tmp_path)


@pytest.fixture
def without_trials(monkeypatch):
    """Tries no batch and measures no input: ``test_good_input_is_planned`` does both for the tiny grid."""
    monkeypatch.setattr('benchmarks.session.experiment.untried', lambda *_: [])
    monkeypatch.setattr('benchmarks.session.experiment.find_lints', lambda *_: [])


@pytest.fixture
def refused(project, capsys):
    """Runs the command; gives the one message of a run that was refused."""

    def run(*flags, **options):
        assert project.run(*flags, **options) == 2
        said = capsys.readouterr()
        message = ''.join(line for line in said.err.splitlines(True) if not line.startswith(MARK))  # what takes long
        assert said.out == '' and message.startswith('error: ') and 'Traceback' not in message
        assert not (project.work / 'store').exists() or not list((project.work / 'store').glob('*/*/manifest.json'))
        return message

    return run


def test_good_input_is_planned(project, capsys):
    assert project.run() == 0
    text = capsys.readouterr().out
    assert '2 stacks; distinct stages: 1 train, 2 predict, 2 profile' in text and '0 cached, 5 to run' in text
    # 2 predictions of 3 images of 16×16 pixels in 2 classes, 2 bytes each
    assert 'predicted maps: at most 6.14 kB on disk (2 predictions of 3 images in 2 classes, 3.07 kB each' in text
    assert 'shared: 2 cells predict with 1 network that they share' in text
    assert list((project.work / 'store').glob('*/*/manifest.json')) == []


@pytest.mark.usefixtures('without_trials')
def test_another_grid_of_the_same_name_is_refused(project, refused, capsys, monkeypatch):
    monkeypatch.setattr('benchmarks.session.invocation.execute', lambda *_, **__: True)
    assert project.run(dry_run=False) == 0
    capsys.readouterr()
    other = project.root / 'configs' / 'other' / 'tiny.py'
    other.parent.mkdir()
    other.write_text(GRID.format(techniques=['cbam']))
    text = refused(grid='../other/tiny')
    assert str(project.root / 'configs' / 'grids' / 'tiny.py') in text and 'tiny.py' in text and '--out' in text
    assert project.run(grid='../other/tiny') == 2
    assert project.run('--out', str(project.root / 'mine'), grid='../other/tiny') == 0


@pytest.mark.usefixtures('without_trials')
@pytest.mark.parametrize('installed', [False, True])
def test_the_command_is_recorded_as_it_was_given(project, monkeypatch, installed):
    recorded = []
    monkeypatch.setattr(
        'benchmarks.session.invocation.execute', lambda *arguments, **_: recorded.append(arguments[3]) or True
    )
    arguments = [
        str(project.root / 'configs' / 'grids' / 'tiny.py'),
        '--work-dir',
        str(project.work),
        '--device',
        'cpu',
    ]
    if installed:
        monkeypatch.setattr('benchmarks.cli.ROOT', project.root)
        monkeypatch.setattr('sys.argv', ['/somewhere/segmentation-ablation', *arguments])
        with pytest.raises(SystemExit) as ended:
            console()
        assert ended.value.code == 0
    else:
        assert main(arguments, project.root) == 0
    program = 'segmentation-ablation' if installed else 'python run_ablation.py'
    assert recorded == [' '.join([program, *arguments])]


@pytest.mark.parametrize('program, place', [('run_ablation.py', 'this script'), ('segmentation-ablation', 'packages')])
def test_the_help_names_the_program_and_the_place_of_the_default_grid(project, capsys, program, place):
    with pytest.raises(SystemExit):
        parse(['--help'], project.root, program)
    text = ' '.join(capsys.readouterr().out.split())
    assert text.startswith(f'usage: {program} ') and 'default: configs/grids/quickstart.py beside' in text
    assert place in text
    assert parse([], project.root, program).grid == project.root / 'configs' / 'grids' / 'quickstart.py'


@pytest.mark.usefixtures('without_trials')
def test_seeds_on_the_command_line_win(project, capsys):
    assert project.run('--seeds', '2') == 0
    assert '2 stacks; distinct stages: 2 train, 4 predict' in capsys.readouterr().out


def test_options_change_the_baseline_and_its_keys(project, capsys):
    plans = [
        project.planned(cfg_options=options)[1]
        for options in ({}, {'model.decode_head.dropout_ratio': 0.3}, {'log_level': 'DEBUG'})
    ]
    train = [plan.cells[0].train for plan in plans]
    assert train[0] == train[2] != train[1]
    assert plans[1].cells[0].config['model']['decode_head']['dropout_ratio'] == 0.3


def test_the_same_data_elsewhere_keep_their_keys_and_one_changed_pixel_does_not(project, tmp_path):
    def keys(data_root=None):
        cell = project.planned(data_root=data_root)[1].cells[0]
        return cell.train, cell.predict

    before = keys()
    moved = shutil.copytree(project.data, tmp_path / 'elsewhere')
    assert keys(str(moved)) == before
    pixels = np.array(Image.open(moved / 'img' / 'test' / '1.png'))
    pixels[3, 4] ^= 1
    Image.fromarray(pixels).save(moved / 'img' / 'test' / '1.png')
    train, predict = keys(str(moved))
    assert train == before[0] and predict != before[1]
    pixels = np.array(Image.open(moved / 'ann' / 'train' / '1.png'))
    pixels[3, 4] ^= 1
    Image.fromarray(pixels).save(moved / 'ann' / 'train' / '1.png')
    assert keys(str(moved))[0] != before[0]


def test_a_measurement_on_another_kind_of_node_has_another_key_and_nothing_else_has(project):
    here, there = project.planned()[1].stages, project.planned(nodes='slurm constraint=a100')[1].stages
    assert {here[key].kind for key in here.keys() - there.keys()} == {'profile'} and len(here) == len(there)


def test_an_unknown_grid(refused):
    assert "did you mean 'tiny'" in refused(grid='tinny')


def test_an_unknown_technique(project, refused):
    project.grid('flips_rot09')
    assert "unknown technique 'flips_rot09'" in (text := refused()) and "did you mean 'flips_rot90'" in text


def test_every_mistake_of_a_grid_is_told_at_once(project, refused):
    project.grid(
        'flips_rot09', 'cbamm', extra="published_dice = {'cbam': 80.0, 'dice': 80.0}\nbaseline = '../none.py'\n"
    )
    text = refused()
    assert "'flips_rot09' (did you mean 'flips_rot90'" in text and "'cbamm' (did you mean 'cbam'" in text
    assert text.count('(known: ') == 1
    assert "names the stacks 'cbam', 'dice', which no design has" in text
    assert 'there is no config' in text and 'none.py' in text


def test_every_mistaken_flag_is_told_at_once(refused):
    text = refused('--seeds', '0', '--jobs', '0', '--older-than', '3d', '--max-size', '3')
    assert all(flag in text for flag in ('--seeds 0', '--jobs 0', '--older-than limits', '--max-size 3: it is not'))


@pytest.mark.parametrize(
    'flags, said',
    [
        (('--budget', '2h'), '--budget limits how many seeds --until-decided spends; give both together'),
        (('--until-decided', '--budget', 'soon'), '--budget soon: it is no budget'),
        (('--until-decided', '--seeds', '2'), '--seeds 2: --until-decided begins with 2 seeds'),
    ],
)
def test_a_budget_of_nothing_or_that_cannot_be_read(refused, flags, said):
    assert said in refused(*flags)


@pytest.mark.parametrize(
    'flags, said',
    [
        (('--slurm', 'gpus=1'), '--slurm belongs to --launcher slurm; give both together'),
        (('--launcher', 'slurm', '--ray', 'gpus=1'), '--ray belongs to --launcher ray; give both together'),
        (('--address', 'head:6379'), '--address belongs to --launcher ray; give both together'),
        (
            ('--launcher', 'slurm', '--until-decided'),
            '--until-decided judges finished looks, and --launcher slurm does',
        ),
        (('--launcher', 'ray', '--check', 'x'), '--launcher runs a grid, and --check runs on this machine'),
        (('--launcher', 'slurm', '--slurm', 'cluster=local', 'gpu=1'), "--slurm has no key 'gpu'; did you mean 'gpus'"),
        (('--launcher', 'ray', '--ray', 'gpus=1'), '--ray gpus=1 does not go with --device cpu'),
    ],
)
def test_flags_of_another_launcher(refused, flags, said, monkeypatch):
    monkeypatch.setattr('benchmarks.run.ray.launcher.import_ray', lambda: pytest.fail('a cluster was started'))
    assert said in refused(*flags)


@pytest.mark.parametrize(
    'fields, flags, said',
    [
        ("slurm = dict(partitoin='gpu')", (), "tiny.py: 'slurm' has no key 'partitoin'; did you mean 'partition'?"),
        ("slurm = dict(time='2')", (), "tiny.py: 'slurm' time 2: it is not an age such as 12h"),
        ('ray = dict(gpu=1)', (), "tiny.py: 'ray' has no key 'gpu'; did you mean 'gpus'?"),
        (
            "slurm = dict(partition='gpu')\nstore = 's3://b/x'",
            ('--launcher', 'slurm'),
            "tiny.py: 'store' serves hosts that share no file system, and the jobs of --launcher slurm share the work "
            'dir; add --store none',
        ),
        ("store = 'memory://x'", (), "tiny.py: 'store' memory://x: no other process sees"),
    ],
)
def test_what_a_grid_says_of_launchers_and_store(project, refused, fields, flags, said):
    project.grid('flips_rot90', extra=f'{fields}\n')
    assert said in refused(*flags)


def test_all_mistakes_of_launchers_are_told_at_once(project, refused):
    project.grid('flips_rot90', extra="slurm = dict(partitoin='gpu', time='2')\nray = dict(gpu=1)\n")
    assert '3 mistakes' in refused()


def test_where_a_grid_runs_enters_no_key(project):
    before = project.planned()[1].stages
    project.grid(
        'flips_rot90',
        extra="slurm = dict(partition='gpu', account='lab', constraint='a100', time='2h', mem='16GB')\n"
        "ray = dict(gpus=0.5)\nstore = 's3://b/x'\n",
    )
    assert project.planned()[1].stages.keys() == before.keys()


@pytest.mark.usefixtures('without_trials')
def test_the_store_of_the_grid_is_asked_and_none_leaves_it_out(project, tmp_path, monkeypatch):
    from benchmarks.session import remote  # here, because it imports fsspec

    project.grid('flips_rot90', extra=f'store = {str(tmp_path / "shared")!r}\n')
    opened = []

    class Asked(remote.RemotePlace):
        def __init__(self, *given):
            opened.append(given)
            super().__init__(*given)

    monkeypatch.setattr(remote, 'RemotePlace', Asked)
    assert project.run('--store', 'none') == 0 and not opened
    assert project.run() == 0
    assert project.run('--store', str(tmp_path / 'other')) == 0
    assert [url for url, _ in opened] == [str(tmp_path / 'shared'), str(tmp_path / 'other')]
    assert opened[0][1].endswith("tiny.py: 'store'") and opened[1][1] == '--store'


def test_no_question_to_decide(project, refused):
    project.grid('cbam', extra='primary = []\n')
    assert '--until-decided spends seeds on primary comparisons, and this grid has none' in refused('--until-decided')


@pytest.mark.parametrize('given', ['grid', 'technique', 'folder'])
def test_another_kind_of_file_as_the_baseline(project, refused, given):
    places = dict(grid='quickstart.py', technique='../techniques/cbam.py', folder='../baselines')
    project.grid('cbam', extra=f"baseline = '{places[given]}'\n")
    assert f'is a {given}' in refused()


def test_illegal_keys_of_all_techniques_are_told_at_once(project, refused):
    for name in 'ab':
        project.technique(f'broken_{name}', dict(model=dict(decode_head={f'wrong_{name}': 1, f'odd_{name}': 2})))
    project.grid('broken_a', 'broken_b')
    text = refused()
    for name in 'ab':
        assert f"'broken_{name}'" in text and f'wrong_{name}' in text and f'odd_{name}' in text


def test_an_unknown_design(project, refused):
    project.grid(extra="designs = [dict(type='each_alnoe', techniques=['cbam'])]\n")
    assert "unknown design 'each_alnoe'; did you mean 'each_alone'" in refused()


def test_a_published_value_for_a_stack_that_is_not_there(project, refused):
    project.grid('flips_rot90', extra="published_dice = {'cbam': 80.0}\n")
    assert "names the stack 'cbam', which no design has (stacks: baseline, flips_rot90)" in refused()


@pytest.mark.parametrize('flags', [['--seeds', '0'], ['--seeds', '-1'], ['--jobs', '0'], ['--timeout', '0']])
def test_numbers_below_one(refused, flags):
    assert f'{flags[0]} {flags[1]}: give' in refused(*flags)


def test_a_grid_without_seeds(project, refused):
    project.grid('flips_rot90', extra='seeds = 0\n')
    assert '0 seeds cannot be run; give at least 1' in refused()


@pytest.mark.parametrize('flags', [['--dryrun'], ['--seeds', 'three'], ['--see', '3'], ['grid.py', 'another.py']])
def test_flags_that_do_not_exist(project, capsys, flags):
    with pytest.raises(SystemExit) as caught:
        main(flags, project.root)
    assert caught.value.code == 2 and 'usage:' in capsys.readouterr().err


@pytest.mark.parametrize(
    'flags, message',
    [
        (dict(device='cuda'), '--device cuda: this machine has no GPU that can be used'),
        (dict(device='cuda:x'), '--device cuda:x: it is cpu, cuda or cuda:N'),
    ],
)
def test_a_device_that_is_not_there(refused, monkeypatch, flags, message):
    monkeypatch.setattr('benchmarks.session.devices.gpus', lambda: [])
    assert message in refused(**flags)


@pytest.fixture
def tried(monkeypatch):
    """A GPU that torch cannot use; how often it was tried."""

    def call(launcher, function):
        tries.append(function)
        return 'the driver is too old'

    tries = []
    monkeypatch.setattr('benchmarks.session.devices.gpus', lambda: ['one'])
    monkeypatch.setattr('benchmarks.session.devices._version_file', lambda: "cuda: Optional[str] = '12.8'")
    monkeypatch.delenv('CUDA_VISIBLE_DEVICES')
    monkeypatch.setattr('benchmarks.run.launcher.LocalLauncher.call', call)
    monkeypatch.setattr('benchmarks.session.invocation.execute', lambda *_, **__: True)
    return tries


@pytest.mark.usefixtures('without_trials')
@pytest.mark.parametrize('device', ['cuda', None])
def test_a_gpu_that_only_torch_finds_unusable_is_refused_before_anything_runs(
    project, refused, tried, monkeypatch, device
):
    with monkeypatch.context() as silent:
        silent.setattr('benchmarks.session.invocation.show_data', lambda *_: None)
        silent.setattr('benchmarks.session.invocation.show_plan', lambda *_, **__: None)
        silent.setattr('benchmarks.session.invocation.announced_maps', lambda *_: [])
        silent.setattr('benchmarks.session.invocation.asking', lambda *_: [])
        text = refused(device=device, dry_run=False)
    assert 'this torch cannot use it: the driver is too old' in text and '--device cpu' in text
    assert tried == [why_unusable] and list((project.work / 'store' / 'outputs').glob('*')) == []


@pytest.mark.usefixtures('without_trials')
def test_a_gpu_is_tried_only_when_something_is_to_be_run_on_it(project, tried, monkeypatch, capsys):
    assert project.run(device='cuda') == 0  # dry
    assert project.run(device='cpu', dry_run=False) == 0
    monkeypatch.setenv('CUDA_VISIBLE_DEVICES', '0')
    done = Result(project.work, 'ok', None, {}, {}, '')
    monkeypatch.setattr('benchmarks.store.store.Store.get', lambda *_, **__: done)
    assert project.run(device='cuda', dry_run=False) == 0
    assert tried == []


def test_the_run_uses_the_name_that_stages_have_for_their_gpu(project, monkeypatch, capsys):
    monkeypatch.setattr('benchmarks.session.place.choose_device', lambda asked: 'cuda:1')
    monkeypatch.setenv('CUDA_VISIBLE_DEVICES', '')
    given = []

    def refuse(grid, settings):
        given.append(settings.device)
        raise BadInput('enough')

    monkeypatch.setattr('benchmarks.session.invocation.read_request', refuse)
    assert project.run() == 2 and given == ['cuda'] and os.environ['CUDA_VISIBLE_DEVICES'] == '1'


@pytest.mark.usefixtures('without_trials')
@pytest.mark.parametrize(
    'device, jobs, packs',
    [
        ('cuda', ['--jobs', '3'], True),
        ('cuda', ['--jobs', '1'], False),
        ('cuda', [], False),
        ('cpu', ['--jobs', '3'], False),
    ],
)
def test_stages_are_packed_on_a_gpu_when_several_are_asked_for(project, monkeypatch, capsys, device, jobs, packs):
    monkeypatch.setattr('benchmarks.session.place.choose_device', lambda asked: device)
    monkeypatch.setattr('benchmarks.run.launcher.LocalLauncher.call', lambda *_: None)
    monkeypatch.setenv('CUDA_VISIBLE_DEVICES', '')
    given = []

    def refuse(*_, gpu, **__):
        given.append(gpu)
        raise BadInput('enough')

    monkeypatch.setattr('benchmarks.session.look.Driver', refuse)
    assert project.run(*jobs, dry_run=False) == 2 and [isinstance(gpu, GpuMemory) for gpu in given] == [packs]


@pytest.mark.usefixtures('without_trials')
def test_only_the_cores_that_this_process_may_use_count(project, monkeypatch, capsys):
    monkeypatch.setattr('os.cpu_count', lambda: 96)
    monkeypatch.setattr('os.sched_getaffinity', lambda pid: {3, 4, 9}, raising=False)
    assert project.run() == 0 and '5 to run, 3 at a time' in capsys.readouterr().out
    monkeypatch.delattr('os.sched_getaffinity')
    assert usable_cores() == 96


@pytest.mark.usefixtures('without_trials')
@pytest.mark.parametrize('flag', ['--work-dir', '--out'])
def test_a_folder_below_a_file(project, refused, monkeypatch, flag):
    monkeypatch.setattr('benchmarks.session.invocation.show_data', lambda *_: None)
    monkeypatch.setattr('benchmarks.session.invocation.show_plan', lambda *_, **__: None)
    monkeypatch.setattr('benchmarks.session.invocation.announced_maps', lambda *_: [])
    monkeypatch.setattr('benchmarks.session.invocation.asking', lambda *_: [])
    (project.root / 'file').touch()
    text = refused(flag, str(project.root / 'file' / 'below'), dry_run=False)
    assert f'{flag} {project.root / "file" / "below"} cannot be used (Not a directory)' in text


def test_a_folder_that_cannot_be_written_to(project, refused, monkeypatch):
    def refuse(dir):
        raise PermissionError(13, 'Permission denied', str(dir))

    monkeypatch.setattr('tempfile.TemporaryFile', refuse)  # root may write to any folder
    assert f'--work-dir {project.work} cannot be used (Permission denied)' in refused()


@pytest.mark.usefixtures('without_trials')
@pytest.mark.parametrize('number', [errno.EROFS, errno.EDQUOT, errno.EIO, errno.ESTALE, errno.EACCES])
@pytest.mark.parametrize('where', ['execute', 'open_store', 'Outputs.add'])
def test_a_disk_that_fails_meanwhile_costs_a_line(project, monkeypatch, capsys, number, where):
    def fail(*_, **__):
        raise OSError(number, os.strerror(number), '/data/work/file')

    place = (
        f'benchmarks.session.invocation.{where}' if where != 'Outputs.add' else 'benchmarks.store.outputs.Outputs.add'
    )
    monkeypatch.setattr('benchmarks.session.invocation.execute', lambda *_, **__: True)
    monkeypatch.setattr(place, fail)
    assert project.run(dry_run=False) == 1
    (line,) = [text for text in capsys.readouterr().err.splitlines() if not text.startswith(MARK)]
    assert line.startswith(f'error: /data/work/file cannot be written: {os.strerror(number)}. Stored results are kept')


@pytest.mark.usefixtures('without_trials')
@pytest.mark.parametrize('name', ['records', 'configs'])
def test_an_output_folder_with_folders_of_another_origin(project, refused, name):
    (project.root / 'mine' / name).mkdir(parents=True)
    text = refused('--out', str(project.root / 'mine'))
    assert f"--out {project.root / 'mine'}: it has a folder '{name}'" in text
    (project.root / 'mine' / 'grid.json').touch()
    assert project.run('--out', str(project.root / 'mine')) == 0


def test_a_store_that_is_a_file(project, refused):
    project.work.mkdir()
    (project.work / 'store').touch()
    text = refused()
    assert f'--work-dir {project.work}: its store cannot be used' in text and 'another folder' in text


@pytest.mark.usefixtures('without_trials')
def test_without_a_gpu_and_unasked_the_cpu_is_used(project, monkeypatch, capsys):
    monkeypatch.setattr('benchmarks.session.environment.gpus', lambda: [])
    assert project.run(device=None) == 0


def test_a_technique_that_needs_a_gpu(project, refused):
    project.technique('halves', dict(optim_wrapper=dict(type='AmpOptimWrapper')), device='cuda')
    project.grid('halves')
    assert "technique 'halves' needs a GPU, but the grid runs on the CPU" in refused()


@pytest.mark.parametrize('device', ['cuda', 'cuda:1'])
def test_a_technique_that_needs_a_gpu_is_welcome_on_one(project, device):
    project.technique('halves', dict(optim_wrapper=dict(type='AmpOptimWrapper')), device='cuda')
    project.grid('halves')
    configs = project.request(device).stacks.paired
    assert configs[('halves',)]['optim_wrapper']['type'] == 'AmpOptimWrapper'


def test_a_refinement_that_needs_a_gpu_is_refused_on_the_cpu_even_after_a_check_on_a_gpu(
    project, refused, monkeypatch, capsys
):
    crf = dict(type='DenseCRF', order=1, implementation='torch_lattice', device='cuda')
    project.technique('on_gpu', dict(inference=dict(refine=dict(crf=crf))), imports=['plugins.refine.dense_crf'])
    project.grid('on_gpu')
    monkeypatch.setenv('CUDA_VISIBLE_DEVICES', '0')
    with monkeypatch.context() as on_a_gpu:
        on_a_gpu.setattr('benchmarks.session.place.choose_device', lambda asked: 'cuda')
        on_a_gpu.setattr('torch.cuda.is_available', lambda: True)
        on_a_gpu.setattr('torch.cuda.device_count', lambda: 1)
        on_a_gpu.setattr('benchmarks.session.experiment.untried', lambda *_: [])  # there is none to try it on
        assert project.run(device='cuda') == 0
    capsys.readouterr()
    monkeypatch.setattr('torch.cuda.is_available', lambda: False)
    text = refused(device='cpu')
    assert "DenseCRF: device='cuda', but this process has no GPU" in text and "implementation='shared_lattice'" in text


@pytest.mark.parametrize(
    'option, message',
    [
        ('model.decode_head.dropout_ration=0.2', "'FCNHead' takes no 'dropout_ration'; did you mean 'dropout_ratio'"),
        ('model.decode_heed.dropout_ratio=0.2', "'EncoderDecoder' takes no 'decode_heed'; did you mean 'decode_head'"),
        ('train_pipeline.2.prob=0.1', "'train_pipeline' is only a helper variable"),
        ('data_root=x', '--data-root'),
        ('modle.type=X', "nothing reads the top-level key 'modle'"),
        ('train_dataloader.dataset.pipeline.9.prob=1', "'9' is no index of a list of 4"),
        ('model.decode_head.dropout_ratio', 'write KEY=VALUE'),
        ('model.backbone.strides=(1,1)', 'the baseline does not build'),
    ],
)
def test_options_that_change_nothing_or_break_it(refused, option, message):
    assert message in refused('--cfg-options', option)


@pytest.mark.parametrize(
    'overlay, message',
    [
        (
            dict(model=dict(decode_head=dict(loss_decodee=dict(type='DiceLoss')))),
            "takes no 'loss_decodee'; did you mean 'loss_decode'",
        ),
        (
            dict(model=dict(decode_head=dict(loss_decode=dict(type='DiceLos')))),
            "the type 'DiceLos', which nothing registers; did you mean 'DiceLoss'",
        ),
        (dict(modl=dict()), "nothing reads the top-level key 'modl'"),
        (dict(train_pipeline=[]), "'train_pipeline' is only a helper variable"),
        (dict(model=dict(decode_head=dict(dropout_ratio=0.1))), "technique 'bright' changes nothing"),
        (dict(model=dict(decode_head=dict(num_classes=1.5))), "the baseline with 'bright' does not build"),
        (dict(log_level='DEBUG'), "the stacks 'bright' and 'baseline' are the same work"),
        (dict(default_hooks=dict(logger=dict(interval=1))), 'is read by no stage (logging, paths, validation)'),
        (
            dict(
                inference=dict(
                    refine=dict(
                        a=dict(type='Morphology', order=1, operation='open', radius=1), b=dict(type='DenseCRF', order=2)
                    )
                )
            ),
            "Refinement 'b' takes probabilities, but 'a' before it gives labels",
        ),
    ],
)
def test_overlays_that_change_nothing_or_break_it(project, refused, overlay, message):
    project.technique('bright', overlay, imports=['plugins.refine.dense_crf', 'plugins.refine.morphology'])
    project.grid('bright')
    text = refused()
    assert message in text and 'bright' in text


def test_two_techniques_that_clash(project, refused):
    project.technique('bright', dict(model=dict(decode_head=dict(type='ASPPHead'))))
    project.grid('cbam', 'bright')
    assert "techniques 'cbam' and 'bright' both set 'model.decode_head.type'" in refused()


def test_a_module_that_does_not_exist(project, refused):
    project.technique('bright', dict(model=dict(decode_head=dict(type='New'))), imports=['plugins.heads.neww'])
    project.grid('bright')
    text = refused()
    assert "technique 'bright' imports 'plugins.heads.neww', and no such module is on the path" in text, text


def test_a_baseline_that_is_missing_or_incomplete(project, refused):
    project.baseline(extra='\ntrain_dataloader = None\n')
    assert "lacks 'train_dataloader'" in refused()
    (project.root / 'configs' / 'baselines' / 'tiny.py').unlink()
    assert 'tiny.py' in refused()


def test_a_model_with_another_number_of_classes_than_the_data(refused):
    text = refused('--cfg-options', 'model.decode_head.num_classes=5')
    assert 'the model predicts 5 classes, but the train data set has 2 (background, blob)' in text and 'to 2' in text


@pytest.mark.usefixtures('without_trials')
def test_a_missing_data_folder_names_the_folder_and_the_flag(project, refused):
    project.baseline(data_root='/nowhere/to/be/found')
    text = refused()
    assert '/nowhere/to/be/found' in text and '--data-root' in text
    assert project.run('--data-root', str(project.data)) == 0


def test_one_missing_folder_of_a_split(project, refused):
    shutil.rmtree(project.data / 'img' / 'test')
    assert f'{project.data / "img" / "test"}' in refused()


def test_an_image_without_its_mask(project, refused):
    (project.data / 'ann' / 'train' / '1.png').unlink()
    text = refused()
    assert 'train data: 1 image(s) without their mask' in text and 'img/train/1.png' in text


def test_a_mask_of_another_size(project, refused):
    project.save('ann/test/2.png', np.zeros((16, 17), np.uint8))
    assert 'ann/test/2.png (16×17, image 16×16)' in refused()


def test_a_label_without_a_class_names_file_and_label(project, refused):
    project.save('ann/train/0.png', np.full((16, 16), 7, np.uint8))
    text = refused()
    assert 'ann/train/0.png (label 7; 2 classes' in text and 'num_classes' in text


def test_reduced_labels_are_judged_after_their_reduction(project, capsys):
    for name in ('train', 'val', 'test'):
        project.save(f'ann/{name}/0.png', np.full((16, 16), 2, np.uint8))
    assert project.run() == 2
    assert 'label 2; 2 classes' in capsys.readouterr().err
    reduced = [f'{name}_dataloader.dataset.reduce_zero_label=True' for name in ('train', 'test')]
    assert project.run('--cfg-options', *reduced) == 0


def test_an_empty_split(project, refused):
    for path in (project.data / 'img' / 'test').iterdir():
        path.unlink()
    text = refused()
    assert 'test data: no image found in' in text and 'img/test' in text


@pytest.mark.slow
def test_an_image_of_one_pixel_is_refused_by_its_name_where_the_loader_cannot_take_it(project, refused):
    project.save('img/test/9.png', np.zeros((1, 1, 3), np.uint8))
    project.save('ann/test/9.png', np.zeros((1, 1), np.uint8))
    text = refused()
    assert 'img/test/9.png of 1×1 pixels cannot be predicted' in text and 'Traceback' not in text


def test_an_unreadable_image(project, refused):
    path = project.data / 'img' / 'train' / '1.png'
    path.write_bytes(path.read_bytes()[:100])
    text = refused()
    assert '1 image(s) cannot be used' in text and 'img/train/1.png' in text


@pytest.mark.usefixtures('without_trials')
def test_a_full_disk(project, monkeypatch, capsys):
    usage = namedtuple('usage', 'total used free')
    monkeypatch.setattr('shutil.disk_usage', lambda path: usage(1, 1, 2**20))
    assert project.run() == 2
    text = capsys.readouterr().err
    assert f'MiB to {project.work}, where 1 MiB are free' in text and '--work-dir' in text


@pytest.mark.usefixtures('without_trials')
def test_testing_on_the_validation_split_is_said(project, capsys):
    project.baseline(extra='\ntest_dataloader = val_dataloader\n')
    assert project.run() == 0
    assert 'note: the baseline tests on its validation split' in capsys.readouterr().out


@pytest.mark.usefixtures('without_trials')
def test_training_images_in_the_test_split_are_said(project, capsys):
    shutil.copy(project.data / 'img' / 'train' / '0.png', project.data / 'img' / 'test' / '0.png')
    assert project.run() == 0
    assert 'note: train and test share 1 image(s)' in capsys.readouterr().out


@pytest.mark.usefixtures('without_trials')
def test_a_schedule_for_a_longer_training_is_said(project, capsys):
    assert project.run('--cfg-options', 'train_cfg.max_iters=10') == 0
    text = capsys.readouterr().out
    assert 'warning: the schedule does not fit the training: param_scheduler.0 (PolyLR) takes 250 steps' in text
    assert text.count('add --cfg-options param_scheduler.0.end=10') == 1


def test_a_schedule_that_would_end_the_training_is_refused(project, refused):
    late = "\nparam_scheduler = [dict(type='PolyLR', begin=1500, by_epoch=False)]\n"
    project.baseline(extra=late)
    text = refused()
    assert 'param_scheduler.0 (PolyLR) begins at step 1500' in text and 'param_scheduler.0.begin=12' in text


def test_a_report_without_records(project, capsys):
    assert main(['--report-only', '--out', str(project.work / 'nothing')], project.root) == 2
    assert 'no report can be made from' in capsys.readouterr().err


def test_what_was_found_legal_is_remembered_until_something_changes(project, monkeypatch, capsys):
    assert project.run() == 0
    judged = []

    def judge(*_):
        judged.append(1)
        return Sizes()

    monkeypatch.setattr('benchmarks.session.experiment.check_stacks', judge)
    monkeypatch.setattr('benchmarks.session.experiment.find_lints', lambda *_: [])  # they ask for the sizes, too
    monkeypatch.setattr('benchmarks.session.invocation.refuse_too_large_plan', lambda *_: None)
    assert project.run() == 0 and judged == []
    assert project.run('--cfg-options', 'model.decode_head.dropout_ratio=0.2') == 0 and judged == [1]
    project.technique(
        'flips_rot90',
        dict(inference=dict(views=dict(h=dict(type='FlipView', direction='vertical')))),
        imports=['plugins.views.flip'],
    )
    assert project.run() == 0 and judged == [1, 1]


@pytest.mark.parametrize(
    'overlay, words',
    [
        (dict(ensemble=dict(seeds=1)), ["'ensemble.seeds' is 1", '2 networks at least']),
        (dict(ensemble=dict(sedes=3)), ['sedes', 'takes one of seeds, members, last_checkpoints']),
        (
            dict(ensemble=dict(members=[dict(), dict(model=dict(decode_head=dict(drop_ratio=0.3)))])),
            ["technique 'odd', member 2", "'FCNHead' takes no 'drop_ratio'", 'did you mean'],
        ),
        (
            dict(ensemble=dict(members=[dict(), dict(train_cfg=dict(max_itres=3))])),
            ['member 2', 'max_itres', 'did you mean'],
        ),
        (
            dict(ensemble=dict(members=[dict(), dict(model=dict(decode_head=dict(num_convs='two')))])),
            ['member 2', 'does not build'],
        ),
        (
            dict(teacher=dict(data='A', unlabelled='B', confidence=0.9)),
            ["'teacher' needs one training data set", 'there are 0'],
        ),
        (
            dict(train_dataloader=dict(dataset=dict(_wrap_='dataset', type='LabelledPart', fraction=2.0))),
            ['fraction is 2.0'],
        ),
    ],
)
def test_what_several_networks_cannot_be_is_refused(project, refused, overlay, words):
    project.technique('odd', overlay, imports=['plugins.datasets.carved', 'plugins.hooks.ensemble'])
    project.grid('odd')
    text = refused()
    assert all(word in text for word in words), text


def test_members_that_see_images_otherwise_are_refused(project, refused):
    slide = dict(mode='slide', crop_size=(16, 16), stride=(8, 8))
    overlay = dict(
        ensemble=dict(members=[dict(), dict(model=dict(test_cfg=dict(_delete_=True, **slide)))]),
        custom_hooks=dict(_insert_=[dict(type='EnsembleHook')]),
    )
    project.technique('odd', overlay, imports=['plugins.hooks.ensemble'])
    project.grid('odd')
    text = refused()
    assert all(word in text for word in ("'odd'", 'member 2', 'test_cfg', 'give all one model.test_cfg')), text


@pytest.mark.slow
def test_the_first_stack_may_train_none_of_its_members_on_its_own_data(project):
    def part(fraction):
        return dict(train_dataloader=dict(dataset=dict(_wrap_='dataset', type='LabelledPart', fraction=fraction)))

    project.technique(
        'parts',
        dict(ensemble=dict(members=[part(0.7), part(0.4)]), custom_hooks=dict(_insert_=[dict(type='EnsembleHook')])),
        imports=['plugins.datasets.carved', 'plugins.hooks.ensemble'],
    )
    (project.root / 'configs' / 'grids' / 'tiny.py').write_text(
        GRID.format(techniques=['parts']).replace('cumulative', 'leave_one_out')
    )
    data, plan = project.planned()
    assert plan.cells[0].stack == ('parts',) and plan.count('train') == 3
    assert len(data.train.split.images) == 2 and len(data.test.split.images) == 3
    assert data.train.fingerprint != data.test.fingerprint


@pytest.mark.slow
def test_a_changed_unlabelled_image_moves_the_labels_and_its_true_mask_moves_nothing(project):
    project.grid('pseudo_labels')

    def stages():
        data, plan = project.planned()
        kinds = ('teacher', 'label', 'student', 'predict')
        return dict(zip(kinds, (key for _, key in plan.cells[1].steps))), data

    def moved():
        return {name for name, key in stages()[0].items() if key != before[name]}

    before, data = stages()
    splits = {one.split.name: one.split for one in data.by_config.values()}
    number = Path(splits['unlabelled'].images[0]).stem
    assert splits['unlabelled'].masks == [''] * len(splits['unlabelled'].images)
    project.save(f'ann/train/{number}.png', np.ones((16, 16), np.uint8))
    assert moved() == set()
    project.save(f'img/train/{number}.png', np.zeros((16, 16, 3), np.uint8))
    assert moved() == {'label', 'student', 'predict'}


# --- values that are chosen on validation images

SIZES = dict(inference=dict(refine=dict(small=dict(order=1, type='Components', min_size=4))))
SEARCHED = dict(imports=['plugins.refine.components'], search=dict(space=dict(min_size=[4, 8, 16]), trials=3))


@pytest.fixture
def tuned(project):
    """The tiny grid with a technique that has a search."""
    project.technique('small', SIZES, **SEARCHED)
    project.grid('small')
    return project


@pytest.mark.usefixtures('without_trials')
def test_tuned_rows_are_planned_and_their_choices_counted(tuned, capsys):
    assert tuned.run('--tune') == 0
    said = capsys.readouterr().out
    assert '3 stacks; distinct stages: 1 train, 2 predict, 1 select, 2 refine, 3 profile' in said
    assert 'note: tuned rows: 3 trials for each of small; values are chosen on 3 validation images' in said
    assert tuned.run() == 0
    assert 'select' not in capsys.readouterr().out


@pytest.mark.parametrize('number', ['1', '0', '-3'])
def test_one_trial_chooses_nothing(tuned, refused, number):
    assert f'--tune {number}: give at least 2' in refused('--tune', number)


def test_there_must_be_something_to_tune(refused):
    assert '--tune: no technique of this grid has a search' in refused('--tune', '5')


def test_values_are_not_chosen_without_validation_images(tuned, refused):
    tuned.baseline(extra='\nval_dataloader = None\nval_cfg = val_evaluator = None\n')
    message = refused('--tune')
    assert 'and the baseline has none; give val_dataloader.dataset of the baseline images' in message


def test_a_validation_list_that_is_that_of_the_test_is_refused(tuned, refused):
    tuned.baseline(extra="\nval_dataloader['dataset']['data_prefix'] = test_dataloader['dataset']['data_prefix']\n")
    assert 'the val_dataloader of the baseline lists its test images' in refused('--tune')


def test_a_planted_test_image_among_the_validation_images_is_refused(tuned, refused):
    for kind in ('img', 'ann'):
        shutil.copy(tuned.data / kind / 'test' / '1.png', tuned.data / kind / 'val' / 'leak.png')
    message = refused('--tune')
    assert 'val and test share 1 image(s) with the same content (test 1 = val leak)' in message
    assert 'would be chosen on the test. Take them out of the validation data' in message


@pytest.mark.usefixtures('without_trials')
def test_the_same_image_is_no_matter_where_nothing_is_chosen(tuned):
    shutil.copy(tuned.data / 'img' / 'test' / '1.png', tuned.data / 'img' / 'val' / '0.png')
    assert tuned.run() == 0


@pytest.mark.parametrize(
    'space, message',
    [
        ({'small.min_sizes': [1, 2]}, "technique 'small[min_sizes=1]': 'inference.refine.small.min_sizes' is no"),
        ({'min_size': [2, -1]}, "the baseline with 'small[min_size=-1]' does not build"),
    ],
)
def test_each_trial_is_checked_before_the_run(tuned, refused, space, message):
    tuned.technique('small', SIZES, **{**SEARCHED, 'search': dict(space=space, trials=3)})
    assert message in refused('--tune')


def test_damaged_validation_images_are_refused_where_they_choose(tuned, refused):
    (tuned.data / 'img' / 'val' / '2.png').write_bytes(b'no image')
    assert 'val/2.png' in refused('--tune')


@pytest.mark.usefixtures('without_trials')
def test_images_carved_out_of_the_training_images_choose_and_no_row_trains_on_them(tuned, capsys):
    tuned.baseline(extra='\nval_dataloader = None\nval_cfg = val_evaluator = None\n')
    tuned.grid('photometric', 'small', extra='validation_share = 0.3\n')
    data, plan = tuned.planned(tune=3)
    splits = {
        name: [one.split for one in data.by_config.values() if one.split.name == name] for name in ('train', 'val')
    }
    carved = {image for split in splits['val'] for image in split.images}
    assert len(splits['train']) == 2 and len(carved) == 1  # of the baseline, and of what changes its pixels
    assert all(len(split.images) == 2 and not carved & set(split.images) for split in splits['train'])
    assert plan.count('select') == 1 and tuned.run('--tune', '3') == 0
    assert '1 of 3 training images are carved out for validation (validation_share=0.3)' in capsys.readouterr().out


def test_validation_data_of_other_classes_are_refused(tuned, refused):
    tuned.baseline(extra="\nval_dataloader['dataset']['metainfo'] = dict(classes=('blob', 'background'))\n")
    assert 'train and val data declare other classes, in another order' in refused('--tune')
