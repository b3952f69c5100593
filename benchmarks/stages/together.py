"""Runs a batch of stages in one process, in one pass over the work that they share, and stores the result of each."""

import shutil
import sys
import time
import traceback
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path

from benchmarks.stacks.contained import contained
from benchmarks.stages.worker import (
    EXIT_DAMAGED_PARENT,
    LOG,
    MUST_RETURN,
    Task,
    captured,
    checked_facts,
    commit,
    die_with_parent,
    discard_damaged_parents,
    drop_run_folder,
    full_disk_told,
    ignore_interrupts,
    import_plugins,
    is_done,
    its_turn,
    lost_lease_told,
    options_together,
    parent_folders,
    parents_usable,
    stage_module,
)
from benchmarks.store.store import Store

EXIT_FAILED_TOGETHER = 4  # nothing is stored; each stage then runs on its own, to find the one that fails


def run_together(tasks: Sequence[Task]) -> None:
    """Run stages of one kind that share a pass, except those whose results are there.

    A failure of the pass is no result of any stage: the process ends with ``EXIT_FAILED_TOGETHER``.
    """
    ignore_interrupts()
    die_with_parent()
    with full_disk_told(), lost_lease_told() as lost, ExitStack() as held:
        store = Store(Path(tasks[0].store))
        # All drivers lock keys in the same order, so that two of them never wait for each other's keys.
        keys = sorted(task.key for task in tasks)
        folders = {key: held.enter_context(store.writing(key, lost=lost)) for key in keys}
        held.enter_context(its_turn(store, tasks[0], list(folders.values()), more=len(tasks) - 1))
        wanted = [task for task in tasks if not is_done(store, task, folders[task.key])]
        usable = all(parents_usable(store, task) for task in _distinct_parents(wanted))
        if wanted and usable:
            _work(store, wanted, [folders[task.key] for task in wanted])
    if not usable:
        for task in _distinct_parents(tasks):
            discard_damaged_parents(store, task)
        sys.exit(EXIT_DAMAGED_PARENT)


def _distinct_parents(tasks: Sequence[Task]) -> list[Task]:
    """One task for each distinct set of parents."""
    return list({task.parents: task for task in tasks}.values())


def _work(store: Store, tasks: Sequence[Task], folders: Sequence[Path]) -> None:
    # Here, because it imports torch, which a driver does without.
    from benchmarks.stages.process_state import process_state, refuse_changed_state, runner_flags

    log = folders[0] / LOG
    with open(log, 'w', buffering=1) as stream, captured(stream):
        start = time.perf_counter()
        try:
            before, flags = process_state(), runner_flags()
            with contained(MUST_RETURN):
                for task in tasks:
                    import_plugins(task)
                refuse_changed_state(flags, runner_flags)
                facts = stage_module(tasks[0]).run_together(
                    [task.config for task in tasks],
                    folders,
                    [parent_folders(store, task) for task in tasks],
                    tasks[0].device,
                    **options_together(tasks),
                )
            refuse_changed_state(before)
            facts = [checked_facts(tasks[0].kind, of_task) for of_task in facts]
        except Exception:
            traceback.print_exc()
            sys.exit(EXIT_FAILED_TOGETHER)
        for folder in folders:
            drop_run_folder(folder)
        named = ', '.join(task.label for task in tasks)
        print(f'{tasks[0].kind} {named}: ok after {time.perf_counter() - start:.1f} s')
    for folder in folders[1:]:
        shutil.copyfile(log, folder / LOG)
    for task, folder, of_task in zip(tasks, folders, facts, strict=True):
        (folder / 'progress.json').unlink(missing_ok=True)
        commit(store, task, folder, 'ok', None, of_task)
