import pytest

from benchmarks.errors import BadInput, did_you_mean
from benchmarks.plan.grid import Grid, read_grid
from benchmarks.record import stack_name
from benchmarks.stacks.technique import Technique, chosen, load_techniques, read_technique, technique_files

ROW = "title = 'T'\ndescription = 'D'\noverlay = dict(model=dict(type='M'))\n"
GRID = "title = 'T'\nbaseline = '../base.py'\ndesigns = [dict(type='cumulative', techniques=[])]\n"


def write(path, text):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


def test_the_file_is_the_technique(tmp_path):
    path = write(
        tmp_path / 'bright.py', ROW + "imports = ['plugins.bright']\npaper = 'P'\ndevice = 'cuda'\nuse_when = 'U'\n"
    )
    assert read_technique(path) == Technique(
        'bright', 'T', 'D', dict(model=dict(type='M')), ['plugins.bright'], 'P', 'cuda', 'U'
    )


@pytest.mark.parametrize(
    'text, message',
    [
        (ROW + "titel = 'x'\n", "has a field 'titel' that no technique has; did you mean 'title'"),
        (ROW + "name = 'x'\n", "has a field 'name' that no technique has"),
        ("title = 'T'\ndescription = 'D'\n", "lacks the field 'overlay'"),
        (ROW + "use_when = ['always']\n", r"use_when is \['always'\]; it is a line of text"),
        (ROW + "device = 'gpu'\n", "device is 'gpu'; it is 'any' or 'cuda'"),
        ('overlay = dict(', 'cannot be read'),
    ],
)
def test_a_file_that_is_no_technique_is_refused_and_named(tmp_path, text, message):
    with pytest.raises(BadInput, match=message) as caught:
        read_technique(write(tmp_path / 'bright.py', text))
    assert 'bright.py' in str(caught.value)


def test_an_unknown_technique_is_refused_with_close_matches_and_unasked_ones_are_not_read(tmp_path):
    write(tmp_path / 'bright.py', ROW)
    write(tmp_path / 'broken.py', 'overlay = dict(')
    assert list(load_techniques(tmp_path, ['bright'])) == ['bright']
    with pytest.raises(BadInput, match="unknown technique 'brigth'.* did you mean 'bright'"):
        load_techniques(tmp_path, ['brigth'])


def test_techniques_are_chosen_by_name_in_the_order_of_the_names(tmp_path):
    files = {name: write(tmp_path / f'{name}.py', ROW) for name in ('dark', 'bright')}
    (tmp_path / 'README.md').touch()
    known = technique_files(tmp_path)
    assert known == files and list(known) == ['bright', 'dark']
    assert list(chosen(known, ['dark', 'bright'], '--check', 'techniques').items()) == list(files.items())
    assert chosen(known, None, '--check', 'techniques') == chosen(known, [], '--check', 'techniques') == known
    assert load_techniques(tmp_path, []) == {}
    with pytest.raises(BadInput, match="--check 'drak': there is no techniques/drak.py; did you mean 'dark'"):
        chosen(known, ['bright', 'drak'], '--check', 'techniques')


def test_names_of_stacks():
    assert stack_name(()) == 'baseline' and stack_name(('a', 'b')) == 'a+b'


def test_a_grid_finds_its_baseline_beside_itself(tmp_path):
    grid = read_grid(write(tmp_path / 'grids' / 'mine.py', GRID + 'seeds = 2\n'))
    assert grid == Grid('mine', 'T', str(tmp_path / 'base.py'), [dict(type='cumulative', techniques=[])], 2)
    shipped = read_grid(write(tmp_path / 'grids' / 'other.py', GRID.replace('../base.py', 'mmseg::unet/x.py')))
    assert shipped.baseline == 'mmseg::unet/x.py' and shipped.seeds == 3


@pytest.mark.parametrize(
    'text, message',
    [
        (GRID + 'seed = 3\n', "has a field 'seed' that no grid has; did you mean 'seeds'"),
        ("title = 'T'\nbaseline = 'b.py'\n", "lacks the field 'designs'"),
        ('title = (', 'cannot be read'),
    ],
)
def test_a_file_that_is_no_grid_is_refused(tmp_path, text, message):
    with pytest.raises(BadInput, match=message):
        read_grid(write(tmp_path / 'mine.py', text))


def test_a_missing_grid_is_refused_with_those_beside_it(tmp_path):
    write(tmp_path / 'quick.py', GRID)
    with pytest.raises(BadInput, match="there is no grid .*quik.py; did you mean 'quick'"):
        read_grid(tmp_path / 'quik.py')
    with pytest.raises(BadInput, match='known: none'):
        read_grid(tmp_path / 'nowhere' / 'quik.py')


def test_suggestions():
    assert did_you_mean('gama', ['alpha', 'gamma']) == "; did you mean 'gamma'? (known: alpha, gamma)"
    assert did_you_mean('zzz', ['alpha']) == ' (known: alpha)'
    assert did_you_mean('zzz', []) == ' (known: none)'
    assert did_you_mean('zzz', [f'n{i:02d}' for i in range(31)]).endswith('n29, n30)')


@pytest.mark.parametrize(
    'line, culprit',
    [
        ("designs = ['cumulative']", "'cumulative'"),
        ("designs = 'cumulative'", "'designs' is 'cumulative'"),
        ("designs = []\nseeds = 'three'", "'seeds' is 'three'"),
    ],
)
def test_a_grid_with_a_value_of_the_wrong_type_is_refused(tmp_path, line, culprit):
    path = tmp_path / 'grid.py'
    path.write_text(f"title = 'a'\nbaseline = 'b.py'\n{line}\n")
    with pytest.raises(BadInput, match=culprit):
        read_grid(path)
