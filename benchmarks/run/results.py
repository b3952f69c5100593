"""The result of a stage whose process has ended; a failure is stored where the process left none."""

from benchmarks.plan.plan import Stage
from benchmarks.run.contract import OUT_OF_MEMORY, PREEMPTED, STANDS_STILL, TIMEOUT
from benchmarks.stages.worker import LOG
from benchmarks.store.leases import LostLease
from benchmarks.store.store import Damaged, Result, Store

NO_RESULT = 'the process ended without a result'


def stored(store: Store, stage: Stage) -> Result | None:
    """The stored result of a stage; None if there is none, or a damaged one."""
    try:
        result = store.get(stage.kind, stage.key)
    except Damaged:
        return None
    return result and result.sharing(stage.ingredients)


def result_of(
    store: Store, stage: Stage, complaint: str | None, timeout_s: float | None, *, maps_needed: bool
) -> Result:
    """The result of a stage that has ended.

    Args:
        store: Where results are kept.
        stage: The stage.
        complaint: Why the process left no result, as the launcher says; None if it ended well.
        timeout_s: The launcher's time limit.
        maps_needed: Whether other stages still need the stage's maps.
    """
    if complaint is None:
        try:
            result = store.get(stage.kind, stage.key)
            if result is not None:
                return result.sharing(stage.ingredients)
            complaint = NO_RESULT
        except Damaged as error:
            complaint = str(error)
    if complaint == TIMEOUT:
        return store_failure(store, stage, 'timeout', f'longer than {timeout_s:g} s', maps_needed=maps_needed)
    if complaint.startswith(STANDS_STILL):
        return store_failure(store, stage, 'timeout', complaint, maps_needed=maps_needed)
    if complaint == PREEMPTED:
        reason = 'its node was lost or taken away at each try'
        return store_failure(store, stage, PREEMPTED, reason, maps_needed=maps_needed)
    status = 'out_of_memory' if complaint.startswith(OUT_OF_MEMORY) else 'failed'
    return store_failure(store, stage, status, complaint, maps_needed=maps_needed)


def store_failure(store: Store, stage: Stage, status: str, reason: str, *, maps_needed: bool = False) -> Result:
    """Store a failure, unless another driver has stored a good result of the stage meanwhile.

    Args:
        store: Where results are kept.
        stage: The stage.
        status: See :class:`Result`.
        reason: See :class:`Result`.
        maps_needed: Whether a good result counts only with its maps.
    """
    try:
        with store.writing(stage.key) as folder:
            meanwhile = stored(store, stage)
            if meanwhile is not None and meanwhile.ok and (meanwhile.whole or not maps_needed):
                return meanwhile
            store.rescue(LOG, folder)  # the stage's output until it was ended
            return store.commit(
                stage.kind,
                stage.key,
                folder,
                status=status,
                reason=reason,
                facts={},
                ingredients=stage.ingredients,
                label=stage.label,
            )
    except LostLease:  # this process was stopped just now: another host decides
        return store_failure(store, stage, status, reason, maps_needed=maps_needed)
    except OSError as error:  # a full disk must not cost the results that are there
        folder = store.folder(stage.kind, stage.key)
        return Result(folder, status, f'{reason} ({error})', {}, stage.ingredients, stage.label)
