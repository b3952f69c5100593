"""One training in several processes of this machine, each with its share of every batch: mmengine's own way.

The processes are forked from the stage's process, so that they import nothing, and have the variables that
``torchrun`` sets. mmengine's runner (``launcher='pytorch'``) then averages the gradients of all processes in each step.
They meet by a file, because a port that is free now may be taken a moment later.
"""

import multiprocessing
import os
import signal
import tempfile
import time
import traceback
from collections.abc import Callable, Sequence
from contextlib import suppress
from datetime import timedelta
from multiprocessing.connection import Connection, wait
from typing import Any

import torch
from mmengine.dist import all_reduce, get_world_size
from torch import Tensor

from benchmarks.probes.host_memory import kills_for_memory
from benchmarks.stacks.contained import contained
from benchmarks.stages.descendants import descendants, kill_all
from benchmarks.stages.kept_state import state_kept
from benchmarks.stages.outcome import Classified, classify
from benchmarks.stages.worker import MUST_RETURN, die_with_parent, ignore_interrupts

BACKENDS = dict(cpu='gloo', cuda='nccl')
# A process that waits for another one's gradients gives up then; it is far longer than any step and any pause between.
STANDS_STILL_S = 600.0
GRACE_S = 0.5  # in which the failure that came first arrives, where the others fail because of it
LOOK_S = 1.0


def in_processes(work: Callable[[], Any], count: int, device: str) -> Any:
    """Call a function in ``count`` processes that can average tensors with each other.

    Args:
        work: The function; what the first process returns can be pickled.
        count: The number of processes.
        device: ``cpu`` or ``cuda``; on GPUs the process with the number n has the n-th of those that are visible.

    Returns:
        The result of the first process. No process is left.

    Raises:
        Classified: A process failed, was ended or stood still; of several the first one.
    """
    context = multiprocessing.get_context('fork')
    processes, pipes = [], list[Connection]()
    with tempfile.TemporaryDirectory() as folder:
        kills = kills_for_memory()
        try:
            for number in range(count):
                receiver, sender = context.Pipe(duplex=False)
                arguments = (work, number, count, device, f'file://{folder}/meeting', sender)
                process = context.Process(target=_work, args=arguments)
                process.start()
                sender.close()  # so that the pipe ends with the process
                processes.append(process)
                pipes.append(receiver)
            return _results(processes, pipes, kills)[0]
        finally:
            for process in processes:
                others = descendants(process.pid) if process.pid else []
                process.kill()  # before its loaders, whose end it would report
                kill_all(others)
                process.join()


def mean_over_processes(values: Sequence[Tensor]) -> Sequence[Tensor]:
    """The mean of each value over the processes that train together; in a single process the values themselves."""
    if get_world_size() == 1:
        return values
    together = torch.stack(list(values))
    all_reduce(together, 'mean')
    return list(together)


def _work(work: Callable[[], Any], number: int, count: int, device: str, meeting: str, sender: Connection) -> None:
    ignore_interrupts()
    die_with_parent()
    answer: tuple[str, str | None, Any]
    try:
        with contained(MUST_RETURN), state_kept():
            _meet(number, count, device, meeting)
            answer = 'ok', None, work()
    except Exception as error:
        with suppress(OSError):
            traceback.print_exc()
        answer = *classify(error), None
    sender.send((time.monotonic(), answer if number == 0 or answer[0] != 'ok' else ('ok', None, None)))


def _meet(number: int, count: int, device: str, meeting: str) -> None:
    """Join the other processes, as ``torchrun`` and mmengine would have it."""
    places = dict(RANK=number, LOCAL_RANK=number, WORLD_SIZE=count, LOCAL_WORLD_SIZE=count)
    os.environ.update({name: str(value) for name, value in places.items()})
    kind = device.partition(':')[0]
    if kind == 'cuda':
        torch.cuda.set_device(number)
    # mmengine would choose a GPU even where there is none, so the processes meet before it asks.
    torch.distributed.init_process_group(
        BACKENDS[kind], init_method=meeting, rank=number, world_size=count, timeout=timedelta(seconds=STANDS_STILL_S)
    )


def _results(processes: Sequence[Any], pipes: Sequence[Connection], kills_before: int | None) -> list[Any]:
    """The results of all processes, as soon as all have one.

    Raises:
        Classified: See :func:`in_processes`.
    """
    results: dict[int, Any] = {}
    while len(results) < len(pipes):
        open_pipes = [pipe for number, pipe in enumerate(pipes) if number not in results]
        ready = wait(open_pipes, timeout=LOOK_S)
        ended = [number for number, process in enumerate(processes) if process.exitcode is not None]
        for number, pipe in enumerate(pipes):
            if number in results or pipe not in ready and number not in ended:
                continue
            results[number] = _answer(number, pipe, processes, kills_before)
            if results[number][1][0] != 'ok':
                raise _first_failure(processes, pipes, results, kills_before)
    return [results[number][1][2] for number in range(len(pipes))]


def _answer(number: int, pipe: Connection, processes: Sequence[Any], kills_before: int | None) -> tuple:
    """The time and the answer of a process that has answered or ended."""
    with suppress(EOFError):
        if pipe.poll():
            return pipe.recv()
    processes[number].join()
    code = processes[number].exitcode
    how = f'signal {-code}' if code < 0 else f'exit status {code}'
    killed_for_memory = code == -signal.SIGKILL and kills_before is not None and kills_for_memory() != kills_before
    status = 'out_of_memory' if killed_for_memory else 'failed'
    # Nobody knows when it ended; those that it left alone can only have failed later.
    return 0.0, (status, f'it was ended by {how}' + (' (out of memory)' if killed_for_memory else ''), None)


def _first_failure(
    processes: Sequence[Any], pipes: Sequence[Connection], results: dict[int, Any], kills_before: int | None
) -> Classified:
    """The failure that came first: the others lost the connection to that process, or waited for it."""
    time.sleep(GRACE_S)
    for number, pipe in enumerate(pipes):
        if number not in results and (pipe.poll() or processes[number].exitcode is not None):
            results[number] = _answer(number, pipe, processes, kills_before)
    _, number = min((when, number) for number, (when, answer) in results.items() if answer[0] != 'ok')
    status, reason, _ = results[number][1]
    where = '' if status == 'diverged' else f'process {number + 1} of {len(pipes)} that train together: '
    return Classified(status, where + reason)
