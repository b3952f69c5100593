"""Ends of stages that are no results: such a stage runs again, under other circumstances."""

from collections.abc import Collection
from enum import Enum, auto

from benchmarks.run.contract import DAMAGED_PARENT, ELSEWHERE, FAILED_ON_SHARED_GPU, LOST_LEASE, OUT_OF_MEMORY
from benchmarks.run.schedule import Process


class Retry(Enum):
    """How a stage runs again."""

    AFTER_ITS_PARENTS = auto()
    UNBATCHED = auto()
    ALONE = auto()
    AFTER_ANOTHER_HOST = auto()
    LATER = auto()


class Retries:
    """Remembers which stages run again, so that each reason counts once per stage.

    Attributes:
        reopened: Keys of stages whose damaged parents were computed again.
        unbatched: Keys of a batch that failed; each then runs on its own, so that only the culprit fails.
        failed_beside_others: Keys that failed beside others, for want of memory or on a GPU; each then has the machine
            to itself.
        had_others: Keys of running stages beside which another process has run.
    """

    def __init__(self) -> None:
        self.reopened: set[str] = set()
        self.unbatched: set[str] = set()
        self.failed_beside_others: set[str] = set()
        self.had_others: set[str] = set()

    def know(self, running: Collection[Process]) -> None:
        """Learn which processes run at once; called whenever one has started."""
        if len(running) > 1:
            self.had_others |= {key for process in running for key in process}

    def retry(self, key: str, process: Process, complaint: str | None) -> Retry | None:
        """How a stage that has ended runs again; None if its end is its result.

        Args:
            key: The stage.
            process: The keys of all stages of its process.
            complaint: Why the process left no result, as the launcher says; None if it ended well.
        """
        had_others = key in self.had_others
        self.had_others.discard(key)
        if complaint is None:
            return None
        if complaint == ELSEWHERE:
            return Retry.LATER
        if complaint == LOST_LEASE:  # the process waits for the other host, and finds its result
            return Retry.AFTER_ANOTHER_HOST
        # Once: on a disk that damages all that it stores, a stage would otherwise run for ever.
        if complaint == DAMAGED_PARENT and key not in self.reopened:
            self.reopened.add(key)
            return Retry.AFTER_ITS_PARENTS
        if len(process) > 1:
            self.unbatched.add(key)
            return Retry.UNBATCHED
        others_matter = complaint == FAILED_ON_SHARED_GPU or had_others and complaint.startswith(OUT_OF_MEMORY)
        if others_matter and key not in self.failed_beside_others:
            self.failed_beside_others.add(key)
            return Retry.ALONE
        return None
