"""A file that is given as a grid: every mistake is told at once, and a file of another kind is called by its name."""

from pathlib import Path

import pytest

from benchmarks.errors import BadInput
from benchmarks.plan.grid import read_grid


def refusal(path):
    with pytest.raises(BadInput) as refused:
        read_grid(path)
    return refused.value


def test_all_mistakes_of_a_grid_are_told_at_once(tmp_path):
    path = tmp_path / 'grid.py'
    path.write_text(
        "titel = 'a'\nbaseline = 'b.py'\ndesigns = ['cumulative']\nseeds = 'three'\n"
        'equivalence_margin = -1\npublished_dice = dict(cbam="much")\nlatency_budget_ms = 0\n'
    )
    error = refusal(path)
    assert len(error.args) == 7 and str(error).startswith('7 mistakes:\n- ')
    culprits = ("'titel'", "lacks the field 'title'", "'cumulative'", "'three'", "'equivalence_margin'", "'cbam'")
    for culprit in (*culprits, "'latency_budget_ms'"):
        assert sum(culprit in mistake for mistake in error.args) == 1, culprit


@pytest.mark.parametrize('asked, said', [("'all'", "'all'"), ('2', '2'), ('True', 'True'), ('2.5', '2.5')])
def test_baseline_seeds_are_a_number_not_below_the_seeds_or_auto(tmp_path, asked, said):
    path = tmp_path / 'grid.py'
    path.write_text(f"title, baseline, designs, seeds, baseline_seeds = 'a', 'b.py', [], 3, {asked}\n")
    assert f"'baseline_seeds' is {said}" in str(refusal(path))
    path.write_text("title, baseline, designs, seeds, baseline_seeds = 'a', 'b.py', [], 3, 'auto'\n")
    assert read_grid(path).baseline_seeds == 'auto'


def test_a_baselines_config_is_called_by_its_name(tmp_path):
    path = tmp_path / 'unet.py'
    path.write_text("model = dict(type='EncoderDecoder')\ntrain_dataloader = dict()\n")
    text = str(refusal(path))
    assert 'is a config of a baseline, not a grid' in text and f"baseline = '{path}'" in text


def test_a_technique_is_called_by_its_name(tmp_path):
    path = tmp_path / 'mine.py'
    path.write_text("title = 'T'\ndescription = 'D'\noverlay = dict(model=dict())\n")
    text = str(refusal(path))
    assert 'is a technique, not a grid' in text and "techniques=['mine']" in text


def test_a_folder_and_a_file_that_is_no_python(tmp_path):
    (tmp_path / 'mine.py').touch()
    assert f'is a folder; name one of its files ({tmp_path / "mine.py"})' in str(refusal(tmp_path))
    (tmp_path / 'grid.json').touch()
    assert f"is a folder of records; name the grid's file, and this folder by --out {tmp_path}" in str(
        refusal(tmp_path)
    )
    path = tmp_path / 'grid.yaml'
    path.write_text('title: mine\n')
    assert 'is no Python file' in str(refusal(path))


@pytest.mark.parametrize(
    'name, text, said',
    [
        (
            'unet.yaml',
            'model: {type: EncoderDecoder}\n',
            ['is a config of a baseline in YAML, not a grid', "/unet.yaml'"],
        ),
        ('unet.json', '{"train_cfg": {}}', ['is a config of a baseline in JSON', "/unet.json'"]),
        ('mine.yml', 'overlay: {}\n', ['is a technique in YAML', 'Write it as the Python file mine.py', "['mine']"]),
        ('grid.yml', 'title: a\ndesigns: []\n', ['seems to be a grid in YAML', 'as Python assignments']),
        ('grid.json', '{"rows": [], "comparisons": [], "version": 1}', ['record of a finished run', '--report-only']),
        ('truth.json', '[1, 2]', ['is no Python file. A grid is']),
        ('broken.yaml', 'a: [\n', ['is no Python file. A grid is']),
        ('best.pth', '', ['seems to be a checkpoint', '`load_from`']),
    ],
)
def test_what_a_file_in_another_language_seems_to_be_is_said(tmp_path, name, text, said):
    (tmp_path / name).write_text(text)
    message = str(refusal(tmp_path / name))
    assert message.startswith(f'GRID {tmp_path / name} is ') and all(words in message for words in said), message


def test_all_folders_of_techniques_that_are_missing_are_named(tmp_path):
    path = tmp_path / 'grid.py'
    path.write_text("title, baseline, designs, technique_folders = 'a', 'b.py', [], ['one', 'two']\n")
    assert len(refusal(path).args) == 2


@pytest.mark.parametrize(
    'fields, said',
    [
        ("metric = 'mIoU'", "'metric' is 'mIoU', and no score has that name; did you mean 'miou'?"),
        ('metric = 3', "'metric' is 3; give one of dice, mdice, miou"),
        ("metric = 'hd95_px'", "'metric' is 'hd95_px', in pixels; say within how many two stacks count as equal"),
    ],
)
def test_a_metric_is_one_of_the_scores_and_pixels_need_a_margin_of_their_own(tmp_path, fields, said):
    path = tmp_path / 'g.py'
    path.write_text(f"title, baseline, designs = 'a', 'b.py', []\n{fields}\n")
    assert said in str(refusal(path))
    path.write_text("title, baseline, designs, metric, equivalence_margin = 'a', 'b.py', [], 'hd95_px', 1.5\n")
    assert (read_grid(path).metric, read_grid(path).equivalence_margin) == ('hd95_px', 1.5)


def test_where_a_grid_runs_is_read_and_a_path_of_its_store_is_beside_its_file(tmp_path):
    path = tmp_path / 'g.py'
    needed = "title, baseline, designs = 'a', 'b.py', []\n"
    path.write_text(
        f"{needed}slurm = dict(partition='gpu', gpus=1, time='2h')\nray = dict(gpus=0.5)\nstore = 's3://b/x'\n"
    )
    grid = read_grid(path)
    assert (grid.slurm, grid.ray, grid.store) == (dict(partition='gpu', gpus=1, time='2h'), dict(gpus=0.5), 's3://b/x')
    path.write_text(f"{needed}store = '~/shared'\n")
    assert read_grid(path).store == str(Path('~/shared').expanduser().resolve())
    path.write_text(f"{needed}store = '../shared'\n")
    assert read_grid(path).store == str(tmp_path.parent / 'shared')
    path.write_text(needed)
    assert (read_grid(path).slurm, read_grid(path).ray, read_grid(path).store) == ({}, {}, None)


@pytest.mark.parametrize(
    'field, said',
    [
        ("slurm = 'gpu'", "'slurm' is 'gpu'; give a dict of what jobs ask for, dict(partition='gpu', time='2h')"),
        ('slurm = dict(gpus=True)', "'slurm' gives 'gpus' the value True; give a text, such as '2h', or a number"),
        ("ray = dict(memory='')", "'ray' gives 'memory' the value ''; give a text"),
        ("ray = dict(gpus=['a'])", "'ray' gives 'gpus' the value ['a']; give a text"),
        ('store = 3', "'store' is 3; give a URL, 's3://bucket/prefix', or a folder beside the grid's file"),
        ("store = ''", "'store' is empty; give a URL"),
        ("store = 'none'", "'store' is 'none'; leave the field out for no store"),
    ],
)
def test_where_a_grid_runs_is_texts_and_numbers(tmp_path, field, said):
    path = tmp_path / 'g.py'
    path.write_text(f"title, baseline, designs = 'a', 'b.py', []\n{field}\n")
    assert f'{path}: {said}' in str(refusal(path))


@pytest.mark.parametrize('asked', ['1', 'True', "'five'", '2.5', '[3]'])
def test_folds_are_a_number_from_two_on_or_leave_one_group_out(tmp_path, asked):
    path = tmp_path / 'grid.py'
    path.write_text(f"title, baseline, designs, folds = 'a', 'b.py', [], {asked}\n")
    assert f"'folds' is {asked}" in str(refusal(path)) and "'leave_one_group_out'" in str(refusal(path))
    for right in ('2', "'leave_one_group_out'"):
        path.write_text(f"title, baseline, designs, folds = 'a', 'b.py', [], {right}\n")
        assert repr(read_grid(path).folds) == right
