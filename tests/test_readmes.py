"""What the READMEs say is so: their files and links exist, their examples load, their lists are the code's."""

import argparse
import ast
import csv
import gzip
import os
import re
import subprocess
import textwrap
from collections import Counter, defaultdict
from pathlib import Path
from statistics import fmean

import numpy as np
import pytest
from mmseg.registry import DATASETS
from PIL import Image
from scipy.stats import fisher_exact

from benchmarks.data.checks import check_split
from benchmarks.data.file_facts import FileStore
from benchmarks.data.split import list_split
from benchmarks.errors import BadInput
from benchmarks.kinds import NAMES
from benchmarks.plan.designs import DESIGNS, lay_out
from benchmarks.plan.grid import NOT_IN_FILES, Grid, read_grid
from benchmarks.session.grid_record import dataset_name
from benchmarks.stacks.compose import TOP_LEVEL_KEYS, compose, load_config, strip_helpers
from benchmarks.stacks.marks import LIST_MARKS, MARKS
from benchmarks.stacks.protocol import apply_protocol
from benchmarks.stacks.references import MARKS as REFERENCE_MARKS
from benchmarks.stacks.references import PROBES
from benchmarks.stacks.shorter import THIRD_OF_STEPS
from benchmarks.stacks.technique import Technique, load_techniques, read_technique
from benchmarks.stacks.variants import varied
from benchmarks.stages.maps import SCALE, write_map

ROOT = Path(__file__).resolve().parents[1]
CONFIGS = ROOT / 'configs'
PAGES = [
    ROOT / name
    for name in (
        'README.md',
        'CONTRIBUTING.md',
        'CHANGELOG.md',
        *(f'{room}/README.md' for room in ('benchmarks', 'plugins', 'configs', 'results')),
    )
]
# Their first line names the file that an example would be, which is not there.
FILE = re.compile(r'# (\S+\.py)\n')
PLACES = ('benchmarks/', 'plugins/', 'configs/', 'results/', 'tests/')
# A path of this repository, alone in backticks.
PATH = re.compile(r'`([\w./-]+(?:\.(?:py|md|txt|toml|csv)|/))`')


def page_name(path):
    return path.relative_to(ROOT).as_posix()


def blocks(path, language):
    """The code blocks of a page, those within lists included."""
    found = re.findall(rf'^( *)```{language}\n(.*?)^\1```$', path.read_text(), re.MULTILINE | re.DOTALL)
    return [textwrap.dedent(content) for _, content in found]


def section(path, heading):
    """The text under a heading, up to the next one of its level."""
    level = re.escape(heading.split()[0])
    return re.search(rf'^{re.escape(heading)}\n(.*?)(?=^{level} |\Z)', path.read_text(), re.M | re.S)[1]


def first_cells(text):
    """What stands in backticks in the first column of the tables in a text."""
    return [
        name
        for line in text.splitlines()
        if line.startswith('|')
        for name in re.findall(r'`([^`]+)`', line.split('|')[1])
    ]


def anchors(path):
    """The anchors of a page's headings, as GitHub makes them."""
    titles = re.findall(r'^#+ (.*)$', path.read_text(), re.MULTILINE)
    return {re.sub(r'[^\w\- ]', '', title.lower()).replace(' ', '-') for title in titles}


def examples(path):
    """The files that a page's examples would be, by path."""
    return {match[1]: block for block in blocks(path, 'python') if (match := FILE.match(block))}


@pytest.mark.parametrize('path', PAGES, ids=page_name)
def test_every_link_leads_somewhere(path):
    for target in re.findall(r'\]\(([^)]+)\)', path.read_text()):
        if not target.startswith('https://'):
            name, _, anchor = target.partition('#')
            file = (path.parent / name).resolve() if name else path
            assert file.exists(), target
            assert not anchor or anchor in anchors(file), target


@pytest.mark.parametrize('path', PAGES, ids=page_name)
def test_every_path_that_is_named_exists(path):
    shown = {file for page in PAGES for file in examples(page)}
    roots = (ROOT, path.parent)
    for name in PATH.findall(path.read_text()):
        if name.startswith(PLACES) and name not in shown and 'distill' not in name:
            assert any((root / name).exists() for root in roots), name


@pytest.mark.parametrize('path', PAGES, ids=page_name)
def test_every_module_that_is_named_exists(path):
    if path.name == 'CHANGELOG.md':
        return  # it names modules that have moved
    for name in re.findall(r'python -m ((?:benchmarks|plugins)\.[\w.]+)', path.read_text()):
        if not name.endswith('NAME'):
            file = name.rstrip('.').replace('.', '/')
            assert (ROOT / f'{file}.py').is_file() or name.endswith('.'), name


@pytest.mark.parametrize('path', PAGES, ids=page_name)
def test_python_examples_compile(path):
    for block in blocks(path, 'python'):
        comment, _, lines = block.partition('\n')
        fragment = re.match(r'# \S+\.py, (before|after): ', comment)  # to insert, indented as its neighbours
        compile(textwrap.dedent(lines) if fragment else block, page_name(path), 'exec')


def test_the_flags_that_the_readme_lists_are_those_of_the_program(monkeypatch):
    from benchmarks import cli

    known = []
    add = argparse.ArgumentParser.add_argument
    monkeypatch.setattr(
        argparse.ArgumentParser,
        'add_argument',
        lambda self, *names, **options: known.extend(names) or add(self, *names, **options),
    )
    cli.parse([], ROOT)
    usage = re.search(r'^```\n(python run_ablation.py .*?)^```$', (ROOT / 'README.md').read_text(), re.M | re.S)[1]
    flags = {name for name in known if name.startswith('--') and name != '--help'}
    assert set(re.findall(r'--[\w-]+', usage)) == flags


def test_the_verdicts_that_the_readme_explains_are_those_of_the_code():
    from benchmarks.analysis.verdicts import VERDICTS

    rows = section(ROOT / 'README.md', '## How to read the report').split('|---|---|\n')[1].splitlines()
    explained = [name for row in rows if row.startswith('|') for name in row.split('|')[1].strip().split(', ')]
    assert sorted(explained) == sorted(VERDICTS)


# ---- configs/README.md


def write_examples(folder, path):
    for name, content in examples(path).items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(content)


@pytest.fixture
def checkout(tmp_path):
    """The parts of configs that examples inherit, and the examples of all pages."""
    for name in ('_base_', 'baselines', 'techniques'):
        (tmp_path / 'configs').mkdir(exist_ok=True)
        os.symlink(CONFIGS / name, tmp_path / 'configs' / name)
    return tmp_path


@pytest.mark.parametrize(
    'path', [ROOT / 'README.md', CONFIGS / 'README.md', ROOT / 'plugins' / 'README.md'], ids=page_name
)
def test_grids_and_techniques_of_the_examples_are_read_by_the_real_readers(tmp_path, path):
    found = examples(path)
    for name, content in found.items():
        file = tmp_path / Path(name).name
        file.write_text(content)
        if '/techniques/' in name:
            assert read_technique(file).name == file.stem
        elif 'grid' in name:
            grid = read_grid(file)
            layout = lay_out(grid.designs)
            rows = [stack for stack in layout.stacks if stack not in layout.again_of]
            names = {technique for stack in rows for technique in stack} - layout.variants.keys() - {THIRD_OF_STEPS}
            new = {Path(other).stem for page in PAGES for other in examples(page) if '/techniques/' in other}
            assert load_techniques(CONFIGS / 'techniques', sorted(names - new)).keys() == names - new
            for variant in layout.variants.values():
                assert varied(read_technique(CONFIGS / 'techniques' / f'{variant.technique}.py'), variant)
            assert grid.title
    assert sum('grid' in name for name in found) >= 1


def test_the_example_of_all_designs_has_one_of_each():
    grid = ast.parse(examples(CONFIGS / 'README.md')['configs/grids/all_designs.py'])
    fields = {node.targets[0].id: node.value for node in grid.body if isinstance(node, ast.Assign)}
    elsewhere = {'technique_folders', 'validation_share', 'tune', 'tune_only', 'baseline_search', 'positive_control'}
    elsewhere |= {'ray', 'store'}
    assert {*NOT_IN_FILES, *elsewhere, *fields} == set(Grid.__dataclass_fields__)
    kinds = [ast.literal_eval(call.keywords[0].value) for call in fields['designs'].elts]
    assert sorted(kinds) == sorted(DESIGNS)


def overlays():
    """The overlays of the section Overlays, each with the operators that it shows."""
    for block in blocks(CONFIGS / 'README.md', 'python'):
        if block.startswith('overlay = '):
            namespace: dict = {}
            exec(block, namespace)
            yield namespace['overlay']


def keys_in(node):
    if isinstance(node, dict):
        return set(node) | {key for value in node.values() for key in keys_in(value)}
    return {key for item in node for key in keys_in(item)} if isinstance(node, (list, tuple)) else set()


@pytest.fixture(scope='module')
def base():
    config = strip_helpers(load_config(CONFIGS / 'baselines' / 'unet_small_icbm152.py'))
    return apply_protocol(config, load_config(CONFIGS / '_base_' / 'protocol.py'), 'cpu')[0]


@pytest.mark.parametrize('number, overlay', enumerate(overlays()))
def test_an_overlay_of_the_examples_fits_a_baseline(base, number, overlay):
    assert compose(base, ('example',), {'example': Technique('example', 'title', 'description', overlay)}) != base


def test_every_operator_has_an_example():
    shown = {key for overlay in overlays() for key in keys_in(overlay)}
    assert (MARKS | LIST_MARKS | REFERENCE_MARKS) - shown == {'_after_'}  # told beside _before_
    text = section(CONFIGS / 'README.md', '## Overlays')
    for name in (
        *MARKS,
        *LIST_MARKS,
        *REFERENCE_MARKS,
        *PROBES,
        *(TOP_LEVEL_KEYS & {'inference', 'ensemble', 'teacher'}),
    ):
        assert f'`{name}' in text, name


def test_the_baselines_that_are_listed_exist():
    """Those that a user adds need not be listed."""
    listed = first_cells(section(CONFIGS / 'README.md', '## Baselines and data sets'))
    assert len(listed) >= 10
    assert set(listed) <= {path.stem for path in (CONFIGS / 'baselines').glob('*.py')}


@pytest.mark.parametrize('folder', ['baselines', 'grids'])
def test_the_configs_in_the_repository_are_listed(folder):
    command = ['git', '-C', str(ROOT), 'ls-files', f'configs/{folder}/*.py']
    try:
        tracked = subprocess.run(command, capture_output=True, text=True, check=True).stdout.split()
    except (OSError, subprocess.CalledProcessError):
        pytest.skip('this is no git checkout')
    text = (CONFIGS / 'README.md').read_text()
    names = [Path(path).stem for path in tracked]
    assert len(names) >= 5
    assert [name for name in names if f'`{name}`' not in text and f'`{name}.py`' not in text] == []


def run(warm_python, root, command, *flags):
    """Run a command of a page in a folder that has the program and the examples."""
    words = command.split('#')[0].split()
    assert words[:2] == ['python', 'run_ablation.py']
    process = warm_python.start([ROOT / words[1], *words[2:], *flags], {**os.environ, 'CUDA_VISIBLE_DEVICES': ''}, root)
    stdout, stderr = process.communicate()
    assert process.returncode == 0, stdout + stderr
    return stdout


@pytest.mark.slow
def test_ones_own_data_as_the_example_has_it(warm_python, tmp_path):
    page = CONFIGS / 'README.md'
    names = [name for name in examples(page) if 'leaves' in name]
    (tmp_path / 'configs' / 'baselines').mkdir(parents=True)
    (tmp_path / 'configs' / 'grids').mkdir()
    os.symlink(CONFIGS / '_base_', tmp_path / 'configs' / '_base_')
    for name in names:
        (tmp_path / name).write_text(examples(page)[name])
    rng = np.random.default_rng(0)
    for split in ('train', 'val', 'test'):
        for folder, shape, top in (('images', (64, 72, 3), 256), ('masks', (64, 72), 3)):
            (tmp_path / 'data' / 'leaves' / folder / split).mkdir(parents=True)
            for number in range(2):
                pixels = rng.integers(top, size=shape, dtype=np.uint8)
                Image.fromarray(pixels).save(tmp_path / 'data' / 'leaves' / folder / split / f'000{number}.png')
    check = next(line for block in blocks(page, 'bash') for line in block.splitlines() if 'leaves' in line)
    printed = run(warm_python, tmp_path, check, '--device', 'cpu')
    assert '12 cells' in printed and '9 trainings' in printed
    (tmp_path / 'data' / 'leaves' / 'masks' / 'test' / '0001.png').unlink()
    with pytest.raises(AssertionError, match='without their mask: .*0001'):
        run(warm_python, tmp_path, check, '--device', 'cpu')


def test_every_field_of_a_grid_is_explained():
    table = section(CONFIGS / 'README.md', '## Grids').split('A stack')[0]
    assert set(first_cells(table)) == set(Grid.__dataclass_fields__).difference(NOT_IN_FILES)


def draw_ponds(root):
    """Ten videos of two frames each, in mixed formats, their lists and their table; masks hold 0, 255 and 128."""
    rng = np.random.default_rng(0)
    names = [f'video{video}_frame{frame}' for video in range(10) for frame in range(2)]
    for folder in ('images', 'masks'):
        (root / folder).mkdir(parents=True)
    for number, name in enumerate(names):
        image, mask = (('.JPG', '.png'), ('.tif', '.bmp'), ('.png', '.tiff'))[number % 3]
        Image.fromarray(rng.integers(256, size=(104, 112, 3), dtype=np.uint8)).save(root / 'images' / f'{name}{image}')
        Image.fromarray(rng.choice(np.uint8([0, 128, 255]), size=(104, 112))).save(root / 'masks' / f'{name}{mask}')
    (root / 'train.txt').write_text('\n'.join(names[:12]))
    (root / 'test.txt').write_text('\n'.join(names[12:]))
    (root / 'groups.csv').write_text('file,video\n' + ''.join(f'{name},{name[:6]}\n' for name in names))


@pytest.fixture
def ponds(tmp_path, monkeypatch):
    """The example of one's own data as they come: its data, its config, and the data set of its training."""
    draw_ponds(tmp_path / 'data' / 'ponds')
    (tmp_path / 'configs' / 'baselines').mkdir(parents=True)
    os.symlink(CONFIGS / '_base_', tmp_path / 'configs' / '_base_')
    name = 'configs/baselines/unet_small_ponds.py'
    (tmp_path / name).write_text(examples(CONFIGS / 'README.md')[name])
    monkeypatch.chdir(tmp_path)
    return load_config(tmp_path / name)


def listed(config):
    return list_split('test', config, imports=['plugins.datasets.images_and_masks'])


def test_ones_own_data_as_they_come_are_listed_as_the_example_says(ponds, tmp_path):
    train, test = (listed(ponds[f'{name}_dataloader']['dataset']) for name in ('train', 'test'))
    assert (len(train.images), len(test.images)) == (12, 8)
    assert sorted(set(train.groups)) == [f'video{number}' for number in range(6)] and train.grouped
    assert test.classes == ('land', 'water') and test.background == 0 and test.label_map == {255: 1, 128: 255}
    assert dataset_name(ponds['test_dataloader']['dataset']) == 'Ponds of 2024'
    with FileStore(tmp_path / 'cache') as files:
        check_split(test, 2, files)


def test_the_other_ways_of_the_example_say_the_same(ponds):
    said: dict = {}
    exec(next(block for block in blocks(CONFIGS / 'README.md', 'python') if block.startswith('train, test =')), said)
    plain = ponds['train_dataloader']['dataset']
    for split in ('train', 'test'):
        by_pattern = ponds[f'{split}_dataloader']['dataset']
        bare = {key: value for key, value in by_pattern.items() if key not in ('include', 'exclude', 'group')}
        other = listed({**bare, **said[split], **said['groups']})
        assert (other.images, other.groups) == (listed(by_pattern).images, listed(by_pattern).groups)
    with pytest.raises(BadInput, match=r'no mask of these images.*video0_frame0 \(mask video0_frame0_mask\)'):
        listed({**plain, **said['masks']})
    assert {Path(path).suffix for path in listed({**plain, **said['suffixes'], 'seg_map_suffix': '.png'}).images} == {
        '.JPG'
    }
    exec(next(block for block in blocks(CONFIGS / 'README.md', 'python') if 'group_of' in block), said)
    try:
        assert set(listed({**plain, 'type': 'Ponds'}).groups) == {'decade 0', 'decade 1'}
    finally:
        DATASETS.module_dict.pop('Ponds')


def test_groups_are_declared_for_a_data_set_of_any_type(tmp_path, monkeypatch):
    said: dict = {}
    exec(next(block for block in blocks(CONFIGS / 'README.md', 'python') if block.startswith('cities =')), said)
    root, names = tmp_path / 'data' / 'cityscapes', ['bonn/bonn_0', 'bonn/bonn_1', 'ulm/ulm_0']
    for name in names:
        for folder, suffix in (('leftImg8bit/val', '_leftImg8bit.png'), ('gtFine/val', '_gtFine_labelTrainIds.png')):
            path = root / folder / f'{name}{suffix}'
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.new('L', (4, 4)).save(path)
    (root / 'groups.csv').write_text('file,city\n' + ''.join(f'{name},{name.split("/")[0]}\n' for name in names))
    monkeypatch.chdir(tmp_path)
    for config in (said['cities'], said['cities'] | said['by_table']):
        split = list_split('test', config)
        assert split.groups == ['bonn', 'bonn', 'ulm'] and split.grouped and split.classes[0] == 'road'


# ---- plugins/README.md


def test_the_fields_of_a_technique_file_are_listed():
    listed = first_cells(section(ROOT / 'plugins' / 'README.md', '## A technique file'))
    assert set(listed) >= set(Technique.__dataclass_fields__) - {'name'}


def test_the_attributes_are_read_where_the_table_says():
    rows = section(ROOT / 'plugins' / 'README.md', '## What a plugin may declare').splitlines()
    found = 0
    for row in rows:
        cells = row.split('|')
        if row.startswith('| `'):
            text = (ROOT / cells[3].strip(' `')).read_text()
            for name in re.findall(r'`(\w+)', cells[1]):
                assert re.search(rf'\b{name}\b', text), f'{name} in {cells[3]}'
                found += 1
    assert found >= 12


# ---- benchmarks/README.md


def rooms():
    """The lines of the table of rooms, each a list of names."""
    table = (ROOT / 'benchmarks' / 'README.md').read_text().split('<!-- rooms -->')[1].split('<!-- end of rooms -->')[0]
    return [re.findall(r'`(\w+)`', line.split('|')[1]) for line in table.splitlines() if line.startswith('| `')]


def test_every_room_stands_in_the_table_once():
    names = [name for line in rooms() for name in line]
    found = {
        path.stem
        for path in (ROOT / 'benchmarks').iterdir()
        if path.suffix == '.py' or (path / '__init__.py').is_file()
    }
    assert Counter(names) == Counter(found - {'__init__'})


def test_imports_run_upwards_in_the_table_of_rooms():
    place = {name: number for number, line in enumerate(rooms()) for name in line}
    for path in (ROOT / 'benchmarks').rglob('*.py'):
        own = path.relative_to(ROOT / 'benchmarks').parts[0].removesuffix('.py')
        for node in ast.walk(ast.parse(path.read_text())):
            module = node.module if isinstance(node, ast.ImportFrom) else None
            parts = (module or '').split('.')
            if parts[0] == 'benchmarks' and len(parts) > 1 and own != '__init__' and parts[1] != own:
                assert place[parts[1]] < place[own], f'{path.relative_to(ROOT)} imports {module}'


def test_every_kind_of_stage_is_explained():
    listed = first_cells(section(ROOT / 'benchmarks' / 'README.md', '## The stages'))
    # In the order in which they run; a kind that somebody adds need not be listed.
    assert [name for name in NAMES if name in listed] == list(listed) and len(listed) >= 6


def test_a_map_is_read_as_the_page_says(tmp_path, monkeypatch):
    (code,) = [block for block in blocks(ROOT / 'benchmarks' / 'README.md', 'python') if 'maps/' in block]
    monkeypatch.chdir(tmp_path)
    folder = tmp_path / 'work_dirs' / 'store' / 'predict' / 'KEY'
    folder.mkdir(parents=True)
    q = np.uint16([[[0, SCALE]], [[SCALE, 0]]])  # two classes on an image of 1×2
    write_map(folder, 0, q)
    said: dict = {}
    exec(code, said)
    assert said['labels'].tolist() == [[1, 0]] and said['probabilities'].tolist() == [[[0, 1]], [[1, 0]]]
    assert said['q'].dtype == np.uint16


# ---- results/README.md


def comparisons(grid):
    with open(ROOT / 'results' / grid / 'report' / 'comparisons.csv', newline='') as stream:
        return [row for row in csv.DictReader(stream) if row['metric'] == 'dice']


def test_what_is_said_of_the_quickstart_is_in_its_records():
    of = {(row['design'], len(row['stack'].split('+'))): row for row in comparisons('quickstart')}
    steps = {number: row for (design, number), row in of.items() if design == 'cumulative'}
    verdicts = {1: 'undecided', 2: 'undecided', 3: 'loss', 4: 'gain', 5: 'loss'}
    assert {number: row['verdict'] for number, row in steps.items()} == verdicts
    assert of['cumulative_tuned', 5]['verdict'] == 'loss'
    text = ' '.join((ROOT / 'results' / 'README.md').read_text().partition('**Quickstart.**')[2].split())
    text = text.partition('**')[0]
    for row in (steps[3], steps[5], of['cumulative_tuned', 5]):
        assert re.search(f'a loss(:| still:) {re.escape(figures(row))}', text)
    tta, on_baseline = steps[4], of['cumulative_vs_baseline', 4]
    assert f'it gains {float(tta["delta"]):.1f} points [{points(tta["low"])}, {points(tta["high"])}]' in text
    assert (on_baseline['verdict'], on_baseline['family']) == ('loss', 'exploratory')
    for row in (on_baseline, steps[1], steps[2]):
        assert measured(row) in text
    assert f'Tuning is worth {float(of["tuning", 5]["delta"]):.1f} points' in text


def figures(row):
    return f'{points(row["delta"])} points [{points(row["low"])}, {points(row["high"])}]'


def measured(row):
    return f'{points(row["delta"])} [{points(row["low"])}, {points(row["high"])}]'


def stacks(grid):
    """The rows of a grid's first table, by stack."""
    with open(ROOT / 'results' / grid / 'report' / 'table.csv', newline='') as stream:
        return {row['stack']: row for row in csv.DictReader(stream)}


def points(text):
    return '0.0' if abs(float(text)) < 0.05 else f'{float(text):+.1f}'.replace('-', '−')


def test_what_is_said_of_nuclei_is_in_the_records():
    of = {(row['design'], len(row['stack'].split('+'))): row for row in comparisons('dsb2018')}
    text = ' '.join((ROOT / 'results' / 'README.md').read_text().partition('**Nuclei.**')[2].split()).partition('**')[0]
    verdicts = {1: 'undecided', 2: 'undecided', 3: 'undecided', 4: 'gain', 5: 'undecided'}
    assert {pair[1]: row['verdict'] for pair, row in of.items() if pair[0] == 'cumulative'} == verdicts
    shown = [of['cumulative', number] for number in (1, 2, 3, 4, 5)] + [of['cumulative_tuned', 5], of['tuning', 5]]
    for row in (*shown, of['cumulative_vs_baseline', 5]):
        assert measured(row) in text
    tuned = of['cumulative_tuned', 5]
    assert (tuned['verdict'], tuned['checkpoints_verdict'], tuned['family']) == ('gain', 'gain', 'exploratory')
    assert of['cumulative', 5]['checkpoints_verdict'] == 'gain'
    published = {1: 2.0, 2: 1.5, 3: 1.5, 4: 1.5, 5: 0.5}
    outside = [n for n, gain in published.items() if not float(of['cumulative', n]['low']) <= gain]
    outside += [n for n, gain in published.items() if not gain <= float(of['cumulative', n]['high'])]
    assert outside == [1, 2, 4] and 'those of attention, of the loss and of TTA lie outside the intervals' in text
    views = 'cbam+focal_dice_boundary+multi_scale_64+flips_rot90'
    row = stratum('dsb2018', f'{views}+crf_cleanup[tuned]', views, 'pixels under 2 px from a boundary')
    assert row['verdict'] == 'gain' and f'{points(row["gain"])} [{points(row["low"])}, {points(row["high"])}]' in text
    readme = ' '.join((ROOT / 'README.md').read_text().split())
    assert f'**TTA** after multi-scale is a gain of {float(of["cumulative", 4]["delta"]):.1f} points' in readme
    assert f'tuned parameters is a gain of {float(tuned["delta"]):.1f} points (exploratory)' in readme
    for row in (of['cumulative', 1], of['cumulative', 2], of['cumulative_vs_baseline', 5]):
        assert f'[{points(row["low"])}, {points(row["high"])}]' in readme.partition('There **TTA**')[2]


def test_what_is_said_of_nuclei_upon_a_pretrained_encoder_is_in_the_records():
    text = (ROOT / 'results' / 'README.md').read_text().partition('upon a pretrained encoder.**')[2]
    text = ' '.join(text.partition('**')[0].split())
    rows = comparisons('dsb2018_lite0')
    steps = [row for row in rows if row['design'] == 'cumulative']
    (tuned,) = [row for row in rows if row['design'] == 'cumulative_tuned']
    assert [row['verdict'] for row in steps] == [*['undecided'] * 4, 'loss']
    assert steps[3]['checkpoints_verdict'] == 'gain'
    assert (tuned['verdict'], tuned['family']) == ('equivalent', 'exploratory')
    for row in (*steps, tuned):
        assert measured(row) in text
    start = float(stacks('dsb2018_lite0')['baseline']['dice'])
    assert f'starts at {start:.1f} Dice' in text
    assert start > max(float(row['dice']) for row in stacks('dsb2018').values())


def test_what_is_said_of_each_technique_alone_on_nuclei_is_in_the_records():
    text = ' '.join((ROOT / 'results' / 'README.md').read_text().partition('alone on nuclei.**')[2].split())
    text = text.partition('**')[0]
    rows = comparisons('dsb2018_each_alone')
    of = {row['stack']: row for row in rows if row['design'] != 'leave_one_out'}
    alone = [row for row in rows if row['design'] == 'each_alone']
    assert f'Of {len(alone)} techniques two are shown to gain, with five seeds' in text
    assert f'{sum(row["family"] == "primary" for row in rows)} primary comparisons' in text
    assert {row['n_seeds'] for row in alone} == {'5'}
    assert {row['stack'] for row in alone if row['verdict'] == 'gain'} == {'pretrained_encoder', 'boundary_weighted'}
    assert Counter(row['verdict'] for row in rows if row['design'] != 'aa')['undecided'] == len(rows) - 7
    told = dict.fromkeys(('pretrained_encoder', 'boundary_weighted', 'flips_rot90'), 'gain')
    told |= dict.fromkeys(('multi_scale_64', 'focal', 'mixed_precision_training'), 'loss')
    for stack, verdict in told.items():
        assert of[stack]['checkpoints_verdict'] == verdict
    pseudo = next(row for row in rows if row['design'] == 'explicit')
    alike = (of['morphology'], of['small_components'])
    for row in (*map(of.get, told), of['half_labels'], of['baseline_again'], pseudo, *alike):
        assert measured(row) in text
    assert max(alone, key=lambda row: float(row['delta'])) == of['pretrained_encoder']
    readme = ' '.join((ROOT / 'README.md').read_text().split())
    for name in ('pretrained_encoder', 'boundary_weighted'):
        row = of[name]
        assert f'({measured(row)}' in readme.partition(' two are gains')[2]
    assert of['flips_rot90']['seeds_to_decide'] == '6' and 'a sixth seed may decide it' in text
    assert (of['third_of_steps']['verdict'], of['third_of_steps']['harm_shows']) == ('not learned', 'True')
    arms = stacks('dsb2018_each_alone')
    assert [arms[stack]['seeds_not_learned'] for stack in ('third_of_steps', 'baseline')] == ['4', '0']
    assert f"p = {fisher_exact([[4, 1], [0, 5]], alternative='greater').pvalue:.3f} by Fisher's exact test" in text
    assert {row['stack'] for row in alone if row['verdict'] == 'equivalent'} == {row['stack'] for row in alike}


def test_what_is_said_of_each_technique_alone_is_in_the_records():
    text = (ROOT / 'results' / 'README.md').read_text().partition('**Each technique alone.**')[2]
    text = text.partition('**Full story.**')[0]
    words = ' '.join(text.split())
    every = comparisons('each_alone')
    rows = [row for row in every if row['design'] == 'each_alone']
    conditions = [row for row in every if re.fullmatch(r'(noise|blur|contrast|jpeg)_\d', row['stack'])]
    assert len(conditions) == 12 and {row['n_seeds'] for row in every} == {'3'}
    count = Counter(row['verdict'] for row in rows)
    assert f'of {len(rows)} techniques none is shown to be a gain in Dice with three seeds' in words
    assert f'{count["loss"]} are losses, {count["equivalent"]} are equivalent to the baseline' in words
    assert f'{count["undecided"]} are undecided' in words and set(count) == {'loss', 'equivalent', 'undecided'}
    assert f'among {sum(row["family"] == "primary" for row in every)} primary comparisons' in words
    below = {row['stack']: points(row['delta']) for row in (*rows, *conditions) if row['verdict'] == 'loss'}
    said = {}
    for line in text.splitlines():
        cells = line.split('|')
        if len(cells) == 4 and '−' in cells[2]:
            said |= zip(re.findall(r'`(\w+)`', cells[1]), cells[2].strip().split(', '), strict=True)
    assert said == below
    same = {row['stack'] for row in rows if row['same_counts'] == 'True'}
    cost = re.search(r'say that they acted:\n(.*?)\.\n', text, re.S)[1]
    assert set(re.findall(r'`(\w+)`', cost)) == same
    of = {row['stack']: row for row in every if row['design'] != 'explicit'}
    pseudo = next(row for row in every if (row['design'], row['stack']) == ('explicit', 'pseudo_labels'))
    highest = sorted(rows, key=lambda row: -float(row['delta']))
    assert [row['stack'] for row in highest[:3]] == ['pretrained_encoder', 'boundary_refinement', 'longer_schedule']
    for row in (*highest[:3], of['baseline_again'], pseudo, of['third_of_steps']):
        assert measured(row) in words
    assert (of['third_of_steps']['verdict'], of['third_of_steps']['harm_shows']) == ('loss', 'True')
    views = {'tta_flips', 'tta_dihedral', 'flips_rot90', 'tta_mean_logits', 'tta_geometric', 'tta_max'}
    others = {'morphology', 'fill_holes', 'small_components', 'mixed_precision_inference'}
    assert {row['stack'] for row in rows if row['verdict'] == 'equivalent'} == views | others | same


def test_what_is_said_of_the_full_story_is_in_its_records():
    text = ' '.join((ROOT / 'results' / 'README.md').read_text().partition('**Full story.**')[2].split())
    text = text.partition('**Embedded people.**')[0]
    of = {(row['design'], row['stack']): row for row in comparisons('full_story')}
    scales = 'cbam+focal_dice_boundary+multi_scale_people'
    steps = {'cbam': 'loss', 'cbam+focal_dice_boundary': 'equivalent'}
    steps |= {scales: 'loss', f'{scales}+flips_rot90': 'gain', f'{scales}+flips_rot90+crf_cleanup': 'loss'}
    for stack, verdict in steps.items():
        row = of['cumulative', stack]
        assert row['verdict'] == verdict and row['family'] == 'primary'
        assert f'{points(row["delta"])} points [{points(row["low"])}, {points(row["high"])}]' in text
        assert f'{row["n_seeds"]} seeds' in text
    highs = [float(of['cumulative', stack]['high']) for stack in ('cbam', 'cbam+focal_dice_boundary')]
    assert highs[0] < 2.0 and highs[1] < 1.5  # the published gains
    encoder = of['each_alone', 'pretrained_encoder']
    assert f'{points(encoder["delta"])} points [{points(encoder["low"])}, {points(encoder["high"])}]' in text
    assert (encoder['verdict'], encoder['family'], encoder['n_seeds']) == ('undecided', 'exploratory', '2')
    assert (
        max((row for row in of.values() if row['reference'] == 'baseline'), key=lambda row: float(row['delta']))
        == encoder
    )
    again = of['aa', 'baseline_again']
    assert f'{points(again["delta"])} points [{points(again["low"])}, {points(again["high"])}]' in text
    assert (again['verdict'], again['family']) == ('undecided', 'exploratory')
    harm = of['positive_control', 'third_of_steps']
    assert (harm['verdict'], harm['harm_shows']) == ('loss', 'True')
    assert f'{points(harm["delta"])} points [{points(harm["low"])}, {points(harm["high"])}]' in text
    alone = {stack for (design, stack), row in of.items() if (design, row['verdict']) == ('each_alone', 'equivalent')}
    assert alone == {'flips_rot90', 'tta_flips', 'morphology', 'small_components'}
    pairs = {frozenset((row['stack'], row['reference'])): row['family'] for row in of.values()}
    assert Counter(pairs.values()) == dict(primary=5, exploratory=41)


def test_each_training_of_the_baseline_learned_as_is_said():
    counts = defaultdict(lambda: [0, 0])
    with gzip.open(ROOT / 'results' / 'full_story' / 'records' / 'counts.csv.gz', 'rt') as stream:
        for row in csv.DictReader(stream):
            if row['cell'].startswith(('baseline__', 'baseline_again__')) and row['class_name'] == 'white matter':
                counts[row['cell']][0] += int(row['tp'])
                counts[row['cell']][1] += int(row['fp']) + int(row['fn'])
    dice = {cell: 2 * hits / (2 * hits + wrong) for cell, (hits, wrong) in counts.items()}
    levels = [100 * level for level in sorted(dice.values())]
    text = ' '.join((ROOT / 'results' / 'README.md').read_text().split())
    assert f'Of the {len(levels)} trainings of the baseline in `full_story/` each learned white matter' in text
    assert f'({levels[0]:.1f} to {levels[-1]:.1f} %)' in text


def test_what_is_said_of_the_embedded_people_is_in_the_records():
    dice = {stack: float(row['dice']) for stack, row in stacks('people_ceiling').items()}
    text = (ROOT / 'results' / 'README.md').read_text()
    assert f'The small U-Net scores {dice["baseline"]:.1f} Dice' in text
    assert f'the ceiling recipe {dice["ceiling_small"]:.1f}:' in text
    (gain,) = [float(row['delta']) for row in comparisons('people_ceiling')]
    assert f'scores [{gain:.0f} points](results/people_ceiling' in (ROOT / 'README.md').read_text()


def test_what_is_said_of_more_compute_on_nuclei_is_in_the_records():
    text = ' '.join((ROOT / 'results' / 'README.md').read_text().partition('**Nuclei, the ceiling.**')[2].split())
    arms, (pair,) = stacks('dsb2018_ceiling'), comparisons('dsb2018_ceiling')
    assert (pair['verdict'], pair['n_seeds'], arms['baseline']['n_seeds']) == ('gain', '2', '3')
    ceiling, encoder = arms['ceiling_nuclei'], stacks('dsb2018_lite0')['baseline']
    assert f'comes to {float(ceiling["dice"]):.1f} Dice: {measured(pair)} over the baseline, with two seeds' in text
    steps_together = [
        float(row['delta']) for row in comparisons('dsb2018') if row['design'] == 'cumulative_vs_baseline'
    ]
    assert float(ceiling['dice']) > float(encoder['dice']) and float(pair['delta']) > max(steps_together)
    times = float(ceiling['gflops']) / float(arms['baseline']['gflops'])
    steps, pixels = 12000 / 1500, (96 / 64) ** 2
    said = (
        f'{times:.0f} times the operations of an inference, and {steps * pixels * times:.0f} times those of a training'
    )
    assert said in text
    readme = ' '.join((ROOT / 'README.md').read_text().split())
    assert f'[{measured(pair).replace(" ", " points ", 1)[1:]}](results/dsb2018_ceiling' in readme


def test_what_is_said_of_stacking_is_in_the_records():
    with open(ROOT / 'results' / 'full_story' / 'report' / 'effects.csv', newline='') as stream:
        effects = list(csv.DictReader(stream))
    text = ' '.join(
        (ROOT / 'results' / 'README.md').read_text().partition('**Which techniques stack well?**')[2].split()
    )
    text = text.partition('**')[0]
    whole = 'cbam+focal_dice_boundary+multi_scale_people+flips_rot90+crf_cleanup'
    assert {row['verdict'] for row in effects if row['kind'] == 'interaction'} == {'undecided'}
    of = {
        row['kind']: row
        for row in effects
        if row['stack'] == whole and (row['technique'] == 'flips_rot90' or row['kind'] == 'beyond the sum')
    }
    for row in (of['Shapley value'], of['beyond the sum']):
        assert f'{points(row["value"])} [{points(row["low"])}, {points(row["high"])}]' in text
    assert (
        f'{points(of["gain alone"]["value"])} alone, and leaving it out of the full stack costs '
        f'{float(of["gain as the last"]["value"]):.1f} points' in text
    )
    assert of['beyond the sum']['verdict'] == of['Shapley value']['verdict'] == 'undecided'
    assert of['gain as the last']['verdict'] == 'gain'


def test_what_is_said_of_robustness_is_in_the_records():
    text = (ROOT / 'results' / 'README.md').read_text().partition('**Does a step make the network more robust?**')[2]
    text = ' '.join(text.partition('**')[0].split())
    *rows, control = sorted(comparisons('robustness'), key=lambda row: row['stack'] == 'third_of_steps')
    of = {(row['stack'], row['reference']): row for row in rows}
    assert len(of) == 78 and {row['family'] for row in rows} == {'primary'}
    assert {row['verdict'] for row in rows} == {'loss', 'equivalent', 'undecided'}
    mild = ('', '+blur_1', '+jpeg_1', '+jpeg_2', '+jpeg_3')
    losses = {row['stack']: float(row['delta']) for row in rows if row['verdict'] == 'loss'}
    assert losses.keys() == {f'heavy_augmentation{condition}' for condition in mild}
    assert max(losses.values()) - min(losses.values()) < 1  # "about as much"
    loss = of[('heavy_augmentation', 'baseline')]
    assert f'a loss, {figures(loss)}, on clean images' in text
    views = [row for row in rows if row['stack'].startswith('flips_rot90')]
    equal = {row['stack'] for row in views if row['verdict'] == 'equivalent'}
    assert len(views) == 13 and len(equal) == 9 and 'flips_rot90' in equal  # eight conditions
    assert f'more than {max(abs(float(row["delta"])) for row in views):.1f} points' in text
    for stack, condition, verdict in (
        ('photometric', 'contrast_1', 'gain'),
        ('photometric', '', 'loss'),
        ('multi_scale_people', 'noise_2', 'gain'),
        ('multi_scale_people', 'blur_3', 'gain'),
        ('multi_scale_people', 'contrast_1', 'gain'),
        ('multi_scale_people', '', 'loss'),
        ('heavy_augmentation', 'noise_2', 'gain'),
        ('heavy_augmentation', 'noise_3', 'gain'),
    ):
        row = of[(f'{stack}+{condition}', condition) if condition else (stack, 'baseline')]
        assert measured(row) in text
        assert (row['verdict'], row['checkpoints_verdict']) == ('undecided', verdict)
    assert measured(control) in text
    assert control['harm_shows'] == 'True'


def stratum(grid, stack, reference, name):
    with open(ROOT / 'results' / grid / 'report' / 'strata.csv', newline='') as stream:
        rows = [row for row in csv.DictReader(stream) if (row['stack'], row['reference']) == (stack, reference)]
    (row,) = [row for row in rows if row['stratum'] == name]
    return row


def test_what_is_said_of_when_to_use_a_technique_is_in_the_records():
    text = (ROOT / 'results' / 'README.md').read_text().partition('## When to use each technique')[2]
    text = ' '.join(text.partition('\n## ')[0].split())
    scales = 'cbam+focal_dice_boundary+multi_scale_people'
    for name, verdict in (('class “white matter”', 'gain'), ('class “grey matter”', 'undecided')):
        row = stratum('full_story', f'{scales}+flips_rot90', scales, name)
        assert f'({points(row["gain"])} [{points(row["low"])}, {points(row["high"])}])' in text
        assert row['verdict'] == verdict
    for grid in ('each_alone', 'dsb2018_each_alone'):
        alone = {row['stack']: row for row in comparisons(grid) if row['design'] == 'each_alone'}
        for row in (alone['pretrained_encoder'], alone['boundary_weighted']):
            assert measured(row) in text
    tables = {grid: stacks(grid) for grid in ('quickstart', 'full_story')}
    said = {'baseline': 'baseline', 'cbam': 'CBAM', 'cbam+focal_dice_boundary': 'loss', scales: 'multi-scale'}
    for stack, row in said.items():
        latency, memory = (
            float(tables['quickstart'][stack][column]) for column in ('latency_ms_p50', 'train_peak_mib')
        )
        assert f'| {row} | {latency:.0f} | {memory:.0f} |' in text
    latency = {stack: float(row['latency_ms_p50']) for stack, row in tables['full_story'].items()}
    assert f'takes {latency["pretrained_encoder"] / latency["baseline"]:.1f} times the latency of the baseline' in text
    alone = {row['stack']: row for row in comparisons('full_story') if row['design'] == 'each_alone'}['flips_rot90']
    assert f'{measured(alone)} alone' in text
    with open(ROOT / 'results' / 'full_story' / 'report' / 'sweeps.csv', newline='') as stream:
        weights = list(csv.DictReader(stream))
    dice = sorted(float(row['dice']) for row in weights)
    (chosen,) = [row for row in weights if row['chosen'] == 'True']
    assert len(weights) == 7 and f'score {float(chosen["dice"]):.1f} on the test images' in text
    assert float(chosen['dice']) == dice[-1] and 'which is the best of the seven points' in text
    swept = [row for row in comparisons('full_story') if row['design'] == 'sweep']
    assert len(swept) == 7 and {row['verdict'] for row in swept} == {'undecided'}
    nearest = max(float(row['delta']) for row in swept)
    assert f'cross entropy scores {-nearest:.1f} points more' in text
    nuclei = {stack: float(row['latency_ms_p50']) for stack, row in stacks('dsb2018_each_alone').items()}
    assert f'and {nuclei["pretrained_encoder"] / nuclei["baseline"]:.1f} times that of the one on nuclei' in text


def test_the_latencies_that_may_be_compared_are_those_of_quiet_cores():
    text = ' '.join((ROOT / 'results' / 'README.md').read_text().partition('## What may be compared')[2].split())
    assert '`imbalanced/`, `fixed_scale/` and the ceiling recipe of `people_ceiling/` are exceptions' in text
    tables = {
        path.parent.parent.name: stacks(path.parent.parent.name) for path in ROOT.glob('results/*/report/table.csv')
    }
    busy = {(grid, stack) for grid, rows in tables.items() for stack, row in rows.items() if row['machine_busy']}
    exceptions = {(grid, stack) for grid in ('imbalanced', 'fixed_scale') for stack in tables[grid]}
    assert busy == exceptions | {('people_ceiling', 'ceiling_small')}


def lesion_dice():
    """The Dice in percent of each training's lesions, mean over images, by row."""
    scores = defaultdict(lambda: defaultdict(list))
    with gzip.open(ROOT / 'results' / 'imbalanced' / 'records' / 'counts.csv.gz', 'rt') as stream:
        for row in csv.DictReader(stream):
            if row['class_name'] == 'lesion':
                tp, wrong = int(row['tp']), int(row['fp']) + int(row['fn'])
                scores[row['cell'].partition('__')[0]][row['cell']].append(200 * tp / (2 * tp + wrong))
    return {row: sorted(map(fmean, cells.values())) for row, cells in scores.items()}


def test_what_is_said_of_losses_on_rare_classes_is_in_the_records():
    text = (ROOT / 'results' / 'README.md').read_text()
    dice = lesion_dice()
    failed, *learned = sorted(dice.pop('baseline') + dice.pop('baseline_again'))
    assert failed == 0 < learned[0] and len(learned) == 5  # "one of six trainings"
    assert sum(map(len, dice.values())) == 18 and min(min(levels) for levels in dice.values()) > 0
    assert f'| cross entropy | {learned[0]:.1f} to {learned[-1]:.1f} |' in text
    for row, label in dict(
        focal='focal',
        ohem='OHEM',
        focal_dice_boundary='focal + Dice + boundary',
        tversky_loss='Tversky',
        dice_loss='Dice',
        focal_tversky='focal Tversky',
    ).items():
        levels = dice.pop(row)
        assert f'| {label} | {levels[0]:.1f} to {levels[-1]:.1f} |' in text
    assert not dice
    assert {row['verdict'] for row in comparisons('imbalanced')} == {'not learned'}


def test_what_is_said_of_multi_scale_on_one_size_is_in_the_records():
    text = ' '.join(
        (ROOT / 'results' / 'README.md').read_text().partition('**When does multi-scale help?**')[2].split()
    )
    text = text.partition('**')[0]
    rows = {row['stack']: row for row in comparisons('fixed_scale') if row['design'] == 'each_alone'}
    for name in ('multi_scale_inference', 'multi_scale_training_small', 'multi_scale_small', 'tta_flips'):
        row = rows.pop(name)
        assert measured(row) in text
        checkpoints = 'gain' if name == 'tta_flips' else 'loss'
        assert (row['verdict'], row['checkpoints_verdict']) == ('undecided', checkpoints)
    assert not rows


def test_the_readme_explains_every_word_of_the_plan():
    table = (ROOT / 'README.md').read_text().partition('| word | meaning |')[2].partition('\n\n')[0]
    words = {word for line in table.splitlines()[2:] for word in line.split('|')[1].strip().split(', ')}
    assert words >= {*NAMES, 'trial', 'by hand', 'machine busy'}
