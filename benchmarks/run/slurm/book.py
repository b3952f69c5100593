"""What has been submitted to Slurm: a small file for each job, beside the store.

    <folder>/<name>.json         the job's number, its stages, and when it was submitted
    <folder>/<name>/note.json    written by the job: what it is at work on, and why it ended

The files are hints. A result in the store counts whatever they say; a stage that they call submitted although its job
is gone is submitted again; and two jobs that compute one key wait for each other at the key's lock.
"""

import json
import shutil
import time
import uuid
from collections.abc import Collection, Iterator
from contextlib import suppress
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path

from benchmarks.files import read_json, write_atomic, write_json

NOTE = 'note.json'
Step = tuple[str, str]


@dataclass(frozen=True)
class Entry:
    """A job.

    Args:
        name: The name of its files.
        job: The number by which the queue knows it.
        steps: (kind, key) of the stages that it computes.
        submitted: When it was submitted, in seconds since the epoch.
    """

    name: str
    job: str
    steps: tuple[Step, ...]
    submitted: float = field(default_factory=time.time)

    @property
    def keys(self) -> set[str]:
        """The keys of its stages."""
        return {key for _, key in self.steps}


@dataclass(frozen=True)
class Note:
    """What a job says of itself.

    Args:
        at_work: When each running stage began, in seconds after the job's start, by key.
        ended: Why the job has ended: ``done``, ``preempted``, ``limit`` or ``error``; None while it runs, or if it was
            killed.
        reason: The error.
    """

    at_work: dict[str, float] = field(default_factory=dict)
    ended: str | None = None
    reason: str = ''


class Book:
    """The jobs of a work dir.

    Args:
        folder: Where their files are; created when missing.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)

    def new_name(self) -> str:
        """A name for the files of a further job, whose folder is made."""
        name = f'{time.strftime("%Y%m%d-%H%M%S")}-{uuid.uuid4().hex[:12]}'
        (self.folder / name).mkdir()
        return name

    def sweep(self) -> None:
        """Remove folders of jobs that never came to be: the submission failed, or its process was killed."""
        for path in self.folder.glob('*-*'):
            if path.is_dir() and not path.with_name(f'{path.name}.json').exists():
                shutil.rmtree(path, ignore_errors=True)

    def enter(self, entry: Entry) -> None:
        """Remember a job."""
        write_atomic(self.folder / f'{entry.name}.json', json.dumps(asdict(entry)).encode())

    def entries(self) -> list[Entry]:
        """All jobs, the earliest first; a damaged file is none."""
        return sorted(self._read(), key=lambda entry: (entry.submitted, entry.name))

    def _read(self) -> Iterator[Entry]:
        for path in self.folder.glob('*.json'):
            content = read_json(path)
            try:
                yield Entry(
                    path.stem,
                    str(content['job']),
                    tuple((kind, key) for kind, key in content['steps']),
                    float(content['submitted']),
                )
            except (KeyError, TypeError, ValueError):
                continue

    def note(self, name: str) -> Note:
        """What a job says of itself; an empty note if it has said nothing."""
        content = read_json(self.folder / name / NOTE)
        try:
            return Note(**content)
        except TypeError:
            return Note()

    def forget(self, entry: Entry, keys: Collection[str]) -> None:
        """Forget that a job was to compute these keys; one that has no others is forgotten with its files."""
        steps = tuple(step for step in entry.steps if step[1] not in keys)
        if steps:
            self.enter(replace(entry, steps=steps))
            return
        (self.folder / f'{entry.name}.json').unlink(missing_ok=True)
        shutil.rmtree(self.folder / entry.name, ignore_errors=True)


def write_note(folder: Path, note: Note) -> None:
    """Write what a job says of itself, unless the book has forgotten it; a full disk costs the note, not the job."""
    with suppress(OSError):
        if folder.is_dir():
            write_json(folder / NOTE, asdict(note))
