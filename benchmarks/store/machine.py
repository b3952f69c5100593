"""The machine as a thing to hold: stages share it, and a stage that measures has it to itself.

Two locks make this fair. Whoever wants the machine first passes ``gate``, one at a time, and leaves it as soon as it
has ``machine``. A stage that wants the machine alone keeps the gate while it waits for the running stages to end. So no
other stage, of whatever driver, starts before it: it waits as long as the longest stage that runs, and no longer.
Nobody who holds ``machine`` waits for the gate or for a key, so that nobody waits in a circle. A killed process leaves
both, because locks fall with their process.

A machine is one kernel: the drivers that other hosts run on the same work dir use other machines, and containers on one
machine share it. Its locks are files of its own, held by ``flock``, which holds on one host on every file system.

Beside the locks each process keeps a note, locked while the process lives, that names its stage and its driver. Others
read from the notes for whom they wait.
"""

import fcntl
import json
import os
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from multiprocessing import parent_process
from pathlib import Path
from typing import TextIO

from benchmarks.store.holder import this_kernel
from benchmarks.store.locks import Locks

GATE, MACHINE = 'gate', 'machine'
POLL_S = 0.1


class Machine:
    """This machine, as the drivers of one work dir share it.

    Args:
        folder: For the locks and notes of all machines; created when missing.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder / this_kernel()
        self.locks = Locks(self.folder)

    @contextmanager
    def held(self, *, alone: bool, stage: str = 'a stage', tell: Callable[[str], None] = lambda text: None) -> Iterator:
        """Hold the machine alone, or beside others that share it; waits for it.

        Args:
            alone: Whether nothing else may run meanwhile.
            stage: The name of the stage, for those who wait for it.
            tell: Called while this process waits, whenever the text changes that says for whom.
        """
        with ExitStack() as held:
            note = held.enter_context(self._note())
            _write(note, stage, alone, runs=False)
            wait = _Wait(lambda: self._others(alone), tell)
            with ExitStack() as gate:
                wait.enter(gate, lambda: self.locks.held(GATE, wait=False))
                wait.enter(held, lambda: self.locks.held(MACHINE, shared=not alone, wait=False))
                _write(note, stage, alone, runs=True)
            yield

    @contextmanager
    def _note(self) -> Iterator[TextIO]:
        path = self.folder / f'{os.getpid()}-{uuid.uuid4().hex}.json'
        with open(path, 'w') as note:
            fcntl.flock(note, fcntl.LOCK_EX)
            try:
                yield note
            finally:
                path.unlink(missing_ok=True)

    def _others(self, alone: bool) -> str:
        """For whom a process waits: one that wants the machine alone for all that run, others for those alone."""
        notes = [note for note in self.notes() if note['process'] != os.getpid() and (note['alone'] or alone)]
        first = [note for note in notes if note['runs']] or notes
        return '; '.join(sorted(_text(note) for note in first)) or 'another stage'

    def notes(self) -> list[dict]:
        """The notes of all living processes; those of dead ones are removed."""
        return _living_notes(self.folder)


def clear_notes(machines: Path) -> None:
    """Remove the notes that killed processes of this machine have left.

    Args:
        machines: The folder of all machines. Nothing is made in it: a full disk may have no room.
    """
    _living_notes(machines / this_kernel())


def _living_notes(folder: Path) -> list[dict]:
    notes = []
    for path in folder.glob('*.json'):
        with suppress(FileNotFoundError, ValueError), open(path) as stream:  # it ends, or begins, at this moment
            try:
                fcntl.flock(stream, fcntl.LOCK_SH | fcntl.LOCK_NB)
                path.unlink(missing_ok=True)
            except BlockingIOError:
                notes.append(json.load(stream))
    return notes


class _Wait:
    """Waits for locks, and says for whom.

    Args:
        others: Names those for whom this process waits.
        tell: Called with each new text.
    """

    def __init__(self, others: Callable[[], str], tell: Callable[[str], None]) -> None:
        self.others, self.tell, self.told = others, tell, ''

    def enter(self, held: ExitStack, lock: Callable) -> None:
        """Enter a lock that raises ``BlockingIOError`` while others hold it."""
        while True:
            try:
                held.enter_context(lock())
                return
            except BlockingIOError:
                text = self.others()
                if text != self.told:
                    self.told = text
                    self.tell(text)
                time.sleep(POLL_S)


def _write(note: TextIO, stage: str, alone: bool, *, runs: bool) -> None:
    note.seek(0)
    note.truncate()
    json.dump(dict(stage=stage, alone=alone, runs=runs, process=os.getpid(), driver=_driver()), note)
    note.flush()


def _driver() -> str:
    """The command of this stage's driver, and its process."""
    parent = parent_process()
    number = os.getpid() if parent is None else parent.pid
    command = ''
    with suppress(OSError):  # only Linux has such files
        words = Path(f'/proc/{number}/cmdline').read_bytes().decode(errors='replace').split('\0')
        command = ' '.join(words[1:]).strip()[:80]
    return f"'{command}', process {number}" if command else f'process {number}'


def _text(note: dict) -> str:
    return f'{note["stage"]} ({note["driver"]})' + ('' if note['runs'] else ', which comes first')
