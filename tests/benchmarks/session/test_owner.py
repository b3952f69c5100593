"""Whose records an output folder holds: another grid is refused, a moved, copied or changed one is not."""

import json
from dataclasses import replace

import pytest

from benchmarks.analysis.control import A_FEW_ROWS
from benchmarks.errors import BadInput
from benchmarks.plan.grid import read_grid
from benchmarks.session.execution import report_again
from benchmarks.session.owner import changes_since, refuse_another_grids_folder, source_of
from benchmarks.store.outputs import Outputs

GRID = """
title = {title!r}
baseline = 'base.py'
designs = [dict(type='each_alone', techniques=['cbam'])]
seeds = {seeds}
"""


def write_grid_file(folder, title='Mine', seeds=2, baseline='model = 1\n'):
    folder.mkdir(parents=True, exist_ok=True)
    (folder / 'base.py').write_text(baseline)
    (folder / 'mini.py').write_text(GRID.format(title=title, seeds=seeds))
    return read_grid(folder / 'mini.py')


def owned(out, grid):
    out.mkdir(parents=True, exist_ok=True)
    (out / 'grid.json').write_text(json.dumps(dict(source=source_of(grid, out))))


def refusal(grid, out, outputs=None):
    """Why a grid may not write to a folder; empty if it may."""
    try:
        refuse_another_grids_folder(grid, out, outputs)
    except BadInput as error:
        return str(error)
    return ''


@pytest.fixture
def out(tmp_path):
    return tmp_path / 'work' / 'mini'


def test_two_grids_of_one_name_do_not_share_a_folder(tmp_path, out):
    first, second = write_grid_file(tmp_path / 'a'), write_grid_file(tmp_path / 'b', title='Other')
    owned(out, first)
    assert refusal(first, out) == ''
    text = refusal(second, out)
    assert str(tmp_path / 'a' / 'mini.py') in text and str(tmp_path / 'b' / 'mini.py') in text and '--out' in text


def test_where_a_grid_runs_makes_it_no_other(tmp_path):
    grid = write_grid_file(tmp_path / 'a')
    elsewhere = replace(grid, slurm=dict(partition='gpu'), ray=dict(gpus=1), store='s3://b/x')
    assert source_of(elsewhere, tmp_path) == source_of(grid, tmp_path)


def test_the_same_text_on_another_baseline_is_another_grid(tmp_path, out):
    owned(out, write_grid_file(tmp_path / 'a'))
    assert 'another grid' in refusal(write_grid_file(tmp_path / 'b', baseline='model = 2\n'), out)


def test_a_folder_is_taken_as_soon_as_a_run_begins(tmp_path, out):
    first, second = write_grid_file(tmp_path / 'a'), write_grid_file(tmp_path / 'b', title='Other')
    outputs = Outputs(tmp_path / 'work' / 'store' / 'outputs', beside=tmp_path / 'work')
    outputs.add(out, [], source_of(first, out))
    assert refusal(first, out, outputs) == ''
    assert 'another grid' in refusal(second, out, outputs)


def test_a_changed_grid_keeps_its_folder(tmp_path, out):
    owned(out, write_grid_file(tmp_path / 'a'))
    assert refusal(write_grid_file(tmp_path / 'a', title='Changed', seeds=5), out) == ''
    assert 'another grid' in refusal(write_grid_file(tmp_path / 'b', title='Changed', seeds=5), out)


def test_a_copy_with_its_own_techniques_keeps_the_folder(tmp_path, out):
    for place in ('here', 'elsewhere'):
        (tmp_path / place / 'techniques').mkdir(parents=True)
    owned(out, write_grid_file(tmp_path / 'here'))
    assert refusal(write_grid_file(tmp_path / 'elsewhere'), out) == ''
    assert refusal(write_grid_file(tmp_path / 'without'), out) != ''


def test_a_copy_elsewhere_and_a_moved_grid_keep_the_folder(tmp_path, out):
    owned(out, write_grid_file(tmp_path / 'a'))
    assert refusal(write_grid_file(tmp_path / 'copy'), out) == ''
    moved = write_grid_file(tmp_path / 'moved', title='And changed')
    assert 'another grid' in refusal(moved, out)  # while the first one is in its place
    (tmp_path / 'a' / 'mini.py').rename(tmp_path / 'a' / 'gone.txt')
    assert refusal(moved, out) == ''


def test_a_project_that_is_moved_as_a_whole_still_guards_its_folder(tmp_path):
    project = tmp_path / 'old'
    owned(project / 'work' / 'mini', write_grid_file(project / 'a'))
    project = project.rename(tmp_path / 'new')
    assert refusal(read_grid(project / 'a' / 'mini.py'), project / 'work' / 'mini') == ''
    assert 'another grid' in refusal(write_grid_file(project / 'b', title='Other'), project / 'work' / 'mini')


def test_folders_of_earlier_versions_and_new_folders_are_open(tmp_path, out):
    grid, other = write_grid_file(tmp_path / 'a'), write_grid_file(tmp_path / 'b', title='Other')
    assert refusal(grid, out) == ''
    out.mkdir(parents=True)
    for content in ('{}', '[]', 'torn'):
        (out / 'grid.json').write_text(content)
        assert refusal(grid, out) == refusal(other, out) == ''
    owned(out, other)
    assert 'another grid' in refusal(grid, out)


RECORDED = dict(
    title='Mine',
    seeds=[0, 1],
    equivalence_margin=0.5,
    rows=[dict(stack='baseline', published_dice=None), dict(stack='cbam', published_dice=None)],
    comparisons=[dict(design='each_alone', stack='cbam', reference='baseline')],
)


@pytest.mark.parametrize(
    'change, seeds, said',
    [
        ({}, None, []),
        ({}, 1, ['2 seeds instead of 1']),
        (dict(baseline_seeds=4), None, ['baseline_seeds=None instead of 4']),
        (dict(validation_share=0.2), None, ['validation_share=None instead of 0.2']),
        (dict(metric='miou'), None, ['the metric dice instead of miou']),
        (dict(title='New'), None, ["the title 'Mine' instead of 'New'"]),
        (dict(equivalence_margin=1), None, ['an equivalence margin of 0.5 instead of 1']),
        (dict(latency_budget_ms=50), None, ['latency_budget_ms=None instead of 50']),
        (dict(published_dice=dict(cbam=80.0)), None, ['other published values']),
        (
            dict(designs=[dict(type='each_alone', techniques=['focal'])]),
            None,
            ['rows that the grid no longer has (cbam)', 'no rows for focal'],
        ),
        (dict(designs=[dict(type='cumulative', techniques=['cbam'])]), None, ['other comparisons']),
    ],
)
def test_every_difference_between_a_grid_and_its_records_is_told(tmp_path, change, seeds, said):
    grid = replace(write_grid_file(tmp_path), **change)
    assert changes_since(grid, seeds, RECORDED) == said


def test_more_seeds_of_the_baseline_are_no_other_number_of_seeds(tmp_path):
    recorded = dict(RECORDED, seeds=[0, 1, 2, 3], seeds_asked=2, baseline_seeds='auto')
    assert changes_since(replace(write_grid_file(tmp_path), baseline_seeds='auto'), None, recorded) == []


def test_records_of_a_grid_that_ran_until_decided_have_no_fixed_number_of_seeds(tmp_path):
    recorded = dict(RECORDED, seeds=[0, 1, 2, 3], seeds_asked=2, looks=[dict(baseline=4)])
    assert changes_since(write_grid_file(tmp_path), 3, recorded) == []


def test_tuned_rows_are_no_change_of_the_grid(tmp_path):
    rows = [*RECORDED['rows'], dict(stack='cbam[tuned]', published_dice=None)]
    pairs = [('each_alone', 'cbam', 'baseline'), ('tuning', 'cbam[tuned]', 'cbam')]
    pairs += [('each_alone_tuned', 'cbam[tuned]', 'baseline')]
    comparisons = [dict(design=design, stack=stack, reference=reference) for design, stack, reference in pairs]
    recorded = dict(RECORDED, rows=rows, comparisons=comparisons, tuning=dict(techniques=['cbam']))
    assert changes_since(write_grid_file(tmp_path), None, recorded) == []


def recorded_of(names):
    """The records of a grid with these techniques alone."""
    return dict(
        RECORDED,
        rows=[dict(stack=stack, published_dice=None) for stack in ('baseline', *names)],
        comparisons=[dict(design='each_alone', stack=name, reference='baseline') for name in names],
    )


def with_recorded_control(recorded):
    control = dict(design='positive_control', stack='third_of_steps', reference='baseline')
    rows = [*recorded['rows'], dict(stack='third_of_steps', published_dice=None)]
    return dict(recorded, rows=rows, comparisons=[*recorded['comparisons'], control])


def test_a_control_that_the_grid_got_by_itself_is_no_change_of_it(tmp_path):
    names = [f'technique_{number}' for number in range(A_FEW_ROWS)]
    grid = replace(write_grid_file(tmp_path), designs=[dict(type='each_alone', techniques=names)])
    without, recorded = recorded_of(names), with_recorded_control(recorded_of(names))
    assert changes_since(grid, None, recorded) == changes_since(grid, None, without) == []
    declined = replace(grid, positive_control=False)
    assert changes_since(declined, None, recorded) == ['rows that the grid no longer has (third_of_steps)']
    assert source_of(grid, tmp_path)['state'] != source_of(declined, tmp_path)['state']


def test_a_control_that_was_taken_out_of_a_few_rows_is_told(tmp_path):
    names = [f'technique_{number}' for number in range(A_FEW_ROWS - 1)]
    grid = replace(write_grid_file(tmp_path), designs=[dict(type='each_alone', techniques=names)])
    told = ['rows that the grid no longer has (third_of_steps)']
    assert changes_since(grid, None, with_recorded_control(recorded_of(names))) == told
    assert changes_since(grid, None, recorded_of(names)) == []


def test_a_sweep_over_the_techniques_own_value_has_the_techniques_row(tmp_path):
    sweep = dict(type='sweep', technique='cbam', over=dict(reduction=[4]), conditions=[])
    grid = replace(write_grid_file(tmp_path), designs=[dict(type='each_alone', techniques=['cbam']), sweep])
    comparisons = [dict(design=name, stack='cbam', reference='baseline') for name in ('each_alone', 'sweep')]
    own = dict(RECORDED, variants=[dict(name='cbam[reduction=4]', called='cbam')], comparisons=comparisons)
    assert changes_since(grid, None, own) == []
    assert changes_since(grid, None, RECORDED) == ['no rows for cbam[reduction=4]']


def test_a_report_made_anew_says_that_its_records_are_of_another_state(tmp_path, synthetic_writer, capsys):
    out, grid = tmp_path / 'out', write_grid_file(tmp_path / 'a', seeds=1)
    synthetic_writer(out)
    report_again(grid, None, out)
    text = capsys.readouterr().out
    assert f'note: the records in {out} were written by another state of {grid.file}' in text
    assert '3 seeds instead of 1' in text and 'no rows for cbam' in text


def test_no_report_is_made_from_another_grids_records(tmp_path, out):
    owned(out, write_grid_file(tmp_path / 'a'))
    with pytest.raises(BadInput, match='another grid'):
        report_again(write_grid_file(tmp_path / 'b', title='Other'), None, out)


def test_another_latency_budget_is_another_state_of_the_grid(tmp_path):
    grid = write_grid_file(tmp_path)
    slower = replace(grid, latency_budget_ms=50)
    assert source_of(grid, tmp_path)['state'] != source_of(slower, tmp_path)['state']
