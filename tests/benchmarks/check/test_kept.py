"""The check baselines' own runs are kept: which runs hold, and which are made again."""

import os
import time
from dataclasses import replace
from pathlib import Path

import pytest

from benchmarks.check import command, kept
from benchmarks.check.baselines import make_check_baseline
from benchmarks.check.checker import CheckSettings, TechniqueChecker
from benchmarks.check.isolated import Crash
from benchmarks.check.result import MISFIT, OK, Cost, Finding, TechniqueResult
from benchmarks.errors import BadInput

CONFIGS = Path(__file__).resolve().parents[3] / 'configs'
NAME = 'unet_small_icbm152'


@pytest.fixture
def baseline(tmp_path):
    pictures = kept.kept_pictures(tmp_path)
    return make_check_baseline(CONFIGS / 'baselines' / f'{NAME}.py', CONFIGS, pictures, 'cpu')


def test_a_run_holds_until_its_config_or_the_libraries_change(baseline, tmp_path, monkeypatch):
    place = kept.place_of(baseline, tmp_path)
    assert kept.place_of(baseline, tmp_path) == place and place.name.startswith(f'{NAME}_')
    config = {**baseline.config, 'train_cfg': {**baseline.config['train_cfg'], 'max_iters': 3}}
    assert kept.place_of(replace(baseline, config=config), tmp_path) != place
    monkeypatch.setattr(kept, 'library_versions', lambda: {'torch': '0'})
    assert kept.place_of(baseline, tmp_path) != place


def test_two_checks_that_draw_the_pictures_at_once_get_one_folder(tmp_path, monkeypatch):
    draw = kept.toy_data.draw_pictures

    def draw_beside_another_check(folder):
        monkeypatch.setattr(kept.toy_data, 'draw_pictures', draw)
        found.append(kept.kept_pictures(tmp_path))
        draw(folder)

    found = []
    monkeypatch.setattr(kept.toy_data, 'draw_pictures', draw_beside_another_check)
    found.append(kept.kept_pictures(tmp_path))
    assert found[0] == found[1] and list(tmp_path.iterdir()) == found[:1]
    assert list(found[0].rglob('*.png'))


def test_only_complete_runs_count_and_outdated_ones_go(tmp_path):
    place, old = tmp_path / 'a_b_new', tmp_path / 'a_b_old'
    place.mkdir(), old.mkdir(), (tmp_path / 'other_old').mkdir()
    assert kept.kept_cost(place) is None
    kept.keep_cost(place, Cost(parameters=3))
    assert kept.kept_cost(place) == Cost(parameters=3)
    for folder in (old, tmp_path / 'other_old'):
        os.utime(folder, (time.time() - 1e6,) * 2)
    kept.drop_outdated(place)
    assert [path.name for path in tmp_path.iterdir()] == ['other_old']


@pytest.fixture
def ran(monkeypatch):
    """The names of the jobs that would have run, and what each kind of job gives in their place."""
    names, gives = (
        [],
        dict(try_to_build=lambda row, baselines, *_: fits(row, baselines), examine=lambda row, on, *_: fits(row, on)),
    )

    def prepare(baseline, place, with_breaks):
        kept.keep_cost(place, Cost(parameters=7))
        return Cost(parameters=7)

    def run(self, jobs):
        for job in jobs:
            kind = job.function.__name__
            names.append(f'{kind} {job.name}')
            yield job.name, (prepare if kind == 'prepare' else gives[kind])(*job.arguments)

    monkeypatch.setattr(TechniqueChecker, '_run', run)
    return names, gives


def fits(row, baselines, but=()):
    findings = [Finding('builds', each.name, MISFIT if each.name in but else OK) for each in baselines]
    return TechniqueResult(row.stem, findings)


def checker_in(folder, settings, *names):
    folder.mkdir()
    return TechniqueChecker(folder, settings, names)


def test_a_second_check_prepares_nothing(tmp_path, ran):
    settings, said = CheckSettings(CONFIGS, cache=tmp_path / 'cache'), []
    for number in range(2):
        checker = checker_in(tmp_path / str(number), settings, NAME)
        checker.prepare(told=lambda *numbers: said.append(numbers))
        assert checker.kept == number and checker.costs == {NAME: Cost(parameters=7)}
    assert ran[0] == [f'prepare {NAME}'] and said == [(1, 1)]


@pytest.mark.parametrize('with_breaks', [True, False])
def test_graph_breaks_are_counted_on_the_first_baseline_alone_and_only_where_asked(tmp_path, monkeypatch, with_breaks):
    asked = {}

    def run(self, jobs):
        for job in jobs:
            _, _, asked[job.name] = job.arguments
            yield job.name, Cost(parameters=7)

    monkeypatch.setattr(TechniqueChecker, '_run', run)
    checker_in(tmp_path / 'a', CheckSettings(CONFIGS)).prepare(with_breaks=with_breaks)
    assert len(asked) >= 4 and [name for name, counts in asked.items() if counts] == [NAME] * with_breaks


def test_one_technique_is_checked_on_the_first_baseline_that_it_fits_and_only_that_is_trained(tmp_path, ran):
    names, gives = ran
    settings, row = CheckSettings(CONFIGS, cache=tmp_path / 'cache'), CONFIGS / 'techniques' / 'focal.py'
    checker = checker_in(tmp_path / 'a', settings)
    built = checker.build_and_prepare([row])
    (result,) = checker.results_where_built([row], built)
    assert names == [f'prepare {NAME}', 'try_to_build focal', 'examine focal']
    assert result.fits == [each.name for each in checker.baselines] and list(checker.costs) == [NAME]
    names.clear()
    second = checker.baselines[1].name
    gives['try_to_build'] = lambda row, baselines, *_: fits(row, baselines, but=[NAME])
    checker = checker_in(tmp_path / 'b', settings)
    (result,) = checker.results_where_built([row], checker.build_and_prepare([row]))
    assert names == ['try_to_build focal', f'prepare {second}', 'examine focal']
    assert list(checker.costs) == [NAME, second] and checker.kept == 1 and result.fits[0] == second
    gives['try_to_build'] = lambda row, baselines, *_: fits(row, baselines, but=[each.name for each in baselines])
    names.clear()
    checker = checker_in(tmp_path / 'c', settings)
    (result,) = checker.results_where_built([row], checker.build_and_prepare([row]))
    assert names == ['try_to_build focal'] and result.status == 'broken'


def test_the_longest_check_runs_beside_the_others_where_cores_are_idle(tmp_path, ran):
    names, gives = ran
    rows = [CONFIGS / 'techniques' / f'{name}.py' for name in ('focal', 'cbam')]

    def examine(row, on, references, folder, only, known, left_out):
        checks = only or [check for check in ('builds', 'acts', 'captures') if check not in left_out]
        return TechniqueResult(row.stem, [Finding(check, on[0].name, OK) for check in checks])

    gives['examine'] = examine
    for jobs, apart in ((2, 0), (3, 2)):
        names.clear()
        checker = checker_in(tmp_path / str(jobs), CheckSettings(CONFIGS, jobs=jobs, cache=tmp_path / 'cache'))
        results = list(checker.results_where_built(rows, checker.build_and_prepare(rows)))
        assert [name for name in names if name.endswith(', captures')] == [
            f'examine {row.stem}, captures' for row in rows[:apart]
        ]
        for result in results:
            on_first = [finding.check for finding in result.findings if finding.baseline == NAME]
            assert sorted(set(on_first) - {'trains'}) == ['acts', 'builds', 'captures'], result
            assert len(on_first) == len(set(on_first))


def test_the_command_says_where_it_has_trained_and_how_to_train_on_all(tmp_path, ran, monkeypatch, capsys):
    monkeypatch.setattr(command, 'warm_up', lambda: None)
    settings = CheckSettings(CONFIGS, cache=tmp_path / 'cache')
    assert command.check(['focal'], settings) == 0
    said = capsys.readouterr().out
    assert 'only built on the others; --on-all-baselines trains and tests on all 4' in ' '.join(said.split())
    assert 's to import torch and mmseg' in said and 's for the checks' in said
    ran[0].clear()
    assert command.check(['focal'], replace(settings, everywhere=True)) == 0
    assert len([name for name in ran[0] if name.startswith('prepare')]) == 3 and ran[0][-1] == 'examine focal'
    assert '--on-all-baselines' not in capsys.readouterr().out


def test_a_baseline_that_fails_itself_is_no_fault_of_the_technique(tmp_path, ran, monkeypatch):
    monkeypatch.setattr(TechniqueChecker, '_run', lambda self, jobs: iter([(jobs[0].name, Crash('planted'))]))
    checker = checker_in(tmp_path / 'a', CheckSettings(CONFIGS))
    with pytest.raises(BadInput, match=f"check baseline '{NAME}' itself fails.*planted"):
        checker.build_and_prepare([CONFIGS / 'techniques' / 'focal.py'])
