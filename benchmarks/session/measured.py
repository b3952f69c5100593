"""Measurements in processes of their own, each remembered in a file, so that a grid that is known measures nothing."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from benchmarks.files import read_json, write_json
from benchmarks.run.launcher import LocalLauncher
from benchmarks.run.watched import Died, Late, Prepare
from benchmarks.session.environment import usable_cores

LIMIT_S = 20.0


def measured(wanted: Mapping[str, tuple[Any, Path]], prepare: Prepare, launcher: LocalLauncher) -> dict[str, Any]:
    """The answer to each item; None where a process took too long or ended.

    Args:
        wanted: Each item, and the file that remembers its answer, by a name.
        prepare: Gives the function to call with an item, in the process that calls it; its answers are plain JSON.
        launcher: Starts the processes.
    """
    known = {name: read_json(file) for name, (_, file) in wanted.items()}
    answers = {
        name: content['answer'] for name, content in known.items() if isinstance(content, dict) and 'answer' in content
    }
    missing = [name for name in wanted if name not in answers]
    items = [wanted[name][0] for name in missing]
    for number, answer in launcher.watched(prepare, items, LIMIT_S, usable_cores()):
        name = missing[number]
        answers[name] = None if isinstance(answer, (Died, Late)) else answer
        write_json(wanted[name][1], dict(answer=answers[name]))
    return answers
