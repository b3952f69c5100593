"""Kills, Ctrl-C, damage and rivals: what had finished stays, what had not runs again, and the numbers are the same."""

import json
import os
import shutil
import signal
import subprocess
import time
from contextlib import suppress
from pathlib import Path

import pytest

from benchmarks.session.stopping import ONE_PRESS_S

ACCURACY = ('dice', 'dice_low', 'dice_high', 'mdice', 'miou', 'boundary_iou', 'hd95_px', 'changed_pixels')
CONTAINER = ('unshare', '--user', '--map-root-user', '--pid', '--fork', '--kill-child', '--mount-proc')
STACK = 'cbam+crf_cleanup'
STOPPED = 'stopped; what had finished is kept. Run the same command again to go on.'
STOPPED_AT_ONCE = 'stopped at once; results that were stored are kept.'
AT_ONCE_S = 10  # nothing is saved; the processes only have to end, on a machine that is busy
# From SIGTERM to the end of the driver. Saving takes 10 s at most where nothing else runs, as in a thorough run; here
# another process of the suite takes half of the machine, or all of it.
LONGEST_SAVE_S = 10 if os.environ.get('THOROUGH') else 60


@pytest.fixture
def fresh(uninterrupted, tmp_path):
    """The grid of the uninterrupted run, so that its keys are known, with a work dir of its own."""
    return uninterrupted._replace(work_dir=tmp_path / 'work')


@pytest.fixture
def started(project):
    """Starts drivers, and leaves none behind when a test fails."""
    drivers = []

    def start(grid, *flags, warm=False, by=project, within=()):
        drivers.append(by.start_warm(grid, *flags) if warm else by.start(grid, *flags, within=within))
        return drivers[-1]

    yield start
    for driver in drivers:
        with suppress(ProcessLookupError):
            os.killpg(driver.pid, signal.SIGKILL)
        driver.communicate()


def wait_for_stage(driving, grid, driver, stage, key):
    """Wait until the stage is at work."""

    def at_work():
        assert driver.poll() is None, driver.communicate()
        return list((grid.store / 'running').glob(f'{key}-*/log.txt'))

    driving.wait_until(at_work, poll_s=0.002)
    assert not (grid.store / stage.split()[0] / key / 'manifest.json').exists()


def wait_for_report(driving, grid, driver):
    """Wait until a report of what is finished stands in the output folder."""
    report = grid.out / 'report' / 'README.md'

    def is_there():
        assert driver.poll() is None, driver.communicate()
        return report.exists()

    driving.wait_until(is_there)
    return report.read_text()


def mapped_files(process):
    """The files that a process has mapped into its memory, among them the libraries that it has loaded."""
    try:
        return Path(f'/proc/{process}/maps').read_text()
    except OSError:  # it has ended meanwhile
        return ''


def test_ctrl_c_while_libraries_are_imported_leaves_one_line_and_no_process(driving, started, fresh):
    driver = started(fresh)

    def import_has_begun():
        assert driver.poll() is None, driver.communicate()
        return any('libtorch' in mapped_files(process) for process in driving.processes_of(driver.pid))

    driving.wait_until(import_has_begun)
    os.killpg(driver.pid, signal.SIGINT)
    done = driving.finish(driver)
    assert done.status == 130 and done.stderr.strip().splitlines() == [STOPPED]
    driving.wait_until(lambda: not driving.processes_of(driver.pid))
    assert fresh.manifests() == {}


def test_a_second_ctrl_c_ends_at_once_and_leaves_no_process(driving, started, uninterrupted, tmp_path):
    """The first one ends the stage, and begins a report of what has finished, which takes longer than the pause."""
    grid = uninterrupted.moved(tmp_path / 'work')
    keys = [uninterrupted.keys()[f'profile {name}'] for name in ('cbam', STACK)]
    for key in keys:
        shutil.rmtree(grid.store / 'profile' / key)
    driver = started(grid, '--jobs', '2', warm=True)

    def one_is_stored_and_the_other_at_work():
        assert driver.poll() is None, driver.communicate()
        stored = [key for key in keys if (grid.store / 'profile' / key / 'manifest.json').exists()]
        return stored and [key for key in keys if list((grid.store / 'running').glob(f'{key}-*/log.txt'))]

    driving.wait_until(one_is_stored_and_the_other_at_work)
    kept = grid.manifests()
    os.killpg(driver.pid, signal.SIGINT)
    time.sleep(2 * ONE_PRESS_S)
    os.killpg(driver.pid, signal.SIGINT)
    done = driving.finish(driver, AT_ONCE_S)
    assert done.status == 130 and done.stderr.strip().splitlines() == [STOPPED_AT_ONCE]
    driving.wait_until(lambda: not driving.processes_of(driver.pid), AT_ONCE_S)
    assert grid.manifests() == kept and len(kept) == len(uninterrupted.manifests()) - 1


def same_numbers(grid, reference):
    counts = [each.out / 'records' / 'counts.csv.gz' for each in (grid, reference)]
    assert counts[0].read_bytes() == counts[1].read_bytes()
    tables = [[[row[name] for name in ACCURACY] for row in each.table()] for each in (grid, reference)]
    assert tables[0] == tables[1]


def test_a_killed_driver_takes_its_stages_along_and_a_rerun_repeats_nothing(
    project, driving, started, fresh, uninterrupted
):
    """kill -9 while stages of all kinds run, a Ctrl-C and a SIGTERM in between, and damage in the end.

    What is finished stands in a report after each of them, and --report-only reads its records.
    """
    keys, kept = uninterrupted.keys(), {}
    for stage in ('train cbam__seed0', f'refine {STACK}__seed0', 'profile cbam', f'profile {STACK}'):
        driver = started(fresh, '--jobs', '2', warm=bool(kept))
        wait_for_stage(driving, fresh, driver, stage, keys[stage])
        if stage == 'profile cbam':
            os.killpg(driver.pid, signal.SIGINT)  # as a terminal does
            done = driving.finish(driver)
            assert done.status == 130
            assert done.stderr.strip().splitlines() == [STOPPED]
            assert done.stdout.splitlines()[-1] == f'report of what is finished: {fresh.out / "report" / "README.md"}'
            said = (fresh.out / 'report' / 'README.md').read_text()
            assert 'Interim report: 3 of 3 cells are finished, and the cost of' in said
        elif stage == f'profile {STACK}':
            began = time.monotonic()
            os.killpg(driver.pid, signal.SIGTERM)  # as a scheduler does, to all processes of a job
            done = driving.finish(driver)
            assert done.status == 143 and done.stderr.strip().splitlines() == [
                STOPPED.replace('d;', 'd by SIGTERM;', 1)
            ]
            assert time.monotonic() - began < LONGEST_SAVE_S
        else:
            driver.kill()
        driving.wait_until(lambda: not driving.processes_of(driver.pid))
        # A stage that had been left to end by itself would have stored its result.
        now = fresh.manifests()
        assert kept.items() <= now.items(), f'a finished stage was run again before the kill in {stage}'
        assert f'{stage.split()[0]}/{keys[stage]}' not in now
        kept = now
        if stage.startswith('refine'):
            killed_with_a_report(project, driving, started, fresh)
            kept = fresh.manifests()
    assert len(kept) >= 6
    damaged = [f'train/{keys["train baseline__seed0"]}', f'predict/{keys["predict baseline__seed0"]}']
    checkpoint, facts = fresh.store / damaged[0] / 'checkpoint.pth', fresh.store / damaged[1] / 'facts.csv'
    os.truncate(checkpoint, checkpoint.stat().st_size // 2)
    flipped = bytearray(facts.read_bytes())
    flipped[-3] ^= 1
    facts.write_bytes(flipped)
    told = project.run(fresh, '--dry-run').stdout
    assert 'its stored result is damaged' in told and 'checkpoint.pth is truncated' in told
    assert 'facts.csv is altered' in told
    done = project.run(fresh)
    assert done.status == 0, done.said
    now = fresh.manifests()
    assert {name for name in kept if now[name] != kept[name]} == {*damaged}
    said = (fresh.out / 'report' / 'README.md').read_text()
    for stage, why in (('train', 'checkpoint.pth is truncated'), ('predict', 'facts.csv is altered')):
        assert f'the stored result of {stage} baseline__seed0 was found damaged ({why})' in said
    assert list((fresh.store / 'running').iterdir()) == []
    same_numbers(fresh, uninterrupted)
    assert not any(
        'Interim' in path.read_text() for path in (fresh.out / 'report' / 'README.md', fresh.out / 'grid.json')
    )
    assert 'open' not in json.loads((fresh.out / 'grid.json').read_text())


def killed_with_a_report(project, driving, started, grid):
    """kill -9 as soon as the first report of what is finished is there."""
    at_once = driving.Checkout(project.root)
    at_once.environment['INTERIM_AT_ONCE'] = 'yes'
    assert not (grid.out / 'report').exists()
    driver = started(grid, '--jobs', '1', by=at_once)
    said = wait_for_report(driving, grid, driver)
    driver.kill()
    driving.wait_until(lambda: not driving.processes_of(driver.pid))
    assert 'Interim report: ' in said and ' of 3 cells are finished' in said and '| open (1 of 1) |' in said
    again = project.run(grid, '--report-only')
    assert again.status == 0 and 'Interim report: ' in again.stdout, again.said


def test_two_drivers_share_a_work_dir(driving, started, fresh, uninterrupted):
    """As two hosts, where this user may make namespaces: neither sees the processes of the other."""
    apart = CONTAINER if not subprocess.run([*CONTAINER, 'true'], capture_output=True).returncode else ()
    drivers = [started(fresh, '--jobs', '1', within=apart), started(fresh, '--jobs', '1', warm=True)]
    seen = {}

    def both_ended():
        for name, identity in fresh.manifests().items():
            assert seen.setdefault(name, identity) == identity, f'{name} was computed twice'
        return all(driver.poll() is not None for driver in drivers)

    driving.wait_until(both_ended, poll_s=0.02)
    for driver in drivers:
        done = driving.finish(driver)
        assert done.status == 0, done.said
    assert seen.keys() == uninterrupted.manifests().keys()
    same_numbers(fresh, uninterrupted)
