"""Runs a user's file (a module, a grid, a config), which may try to end the program, and says so instead."""

import contextlib
import os
import signal
import sys
import threading
from collections.abc import Iterator
from types import FrameType
from typing import Any, NoReturn
from unittest import mock

from benchmarks.errors import Stopped

CURE = "put what a program does under `if __name__ == '__main__':`, because the file is only imported here"


class EndsTheProgram(Exception):
    """A user's code would end the program; the message says how, and the cure."""


@contextlib.contextmanager
def contained(cure: str = CURE) -> Iterator[None]:
    """Run a block in which a user's code is executed.

    Args:
        cure: The end of the message.

    Raises:
        EndsTheProgram: The code calls ``sys.exit`` (as argparse does for unknown arguments) or ``os._exit``, or raises
            KeyboardInterrupt. A real Ctrl-C passes, and so does a signal that stops the program.
    """
    try:
        with mock.patch.object(os, '_exit', _refuse_exit(os._exit, cure)), _presses() as pressed:
            yield
    except SystemExit as error:
        why = f'it calls sys.exit({"" if error.code is None else repr(error.code)})'
        if _by_argparse(error):
            why = f'it parses the command line of this program ({" ".join(sys.argv[1:])}) by argparse'
        raise EndsTheProgram(f'{why}; {cure}') from error
    except KeyboardInterrupt as error:
        if pressed or isinstance(error, Stopped):
            raise
        raise EndsTheProgram(f'it raises KeyboardInterrupt; {cure}') from error


def _refuse_exit(exit_now: Any, cure: str) -> Any:
    process = os.getpid()

    def refuse(status: int) -> NoReturn:
        if os.getpid() != process:
            exit_now(status)  # a process that the file has forked
        raise EndsTheProgram(f'it calls os._exit({status}); {cure}')

    return refuse


@contextlib.contextmanager
def _presses() -> Iterator[list[int]]:
    """The signals of Ctrl-C that have come meanwhile."""
    pressed: list[int] = []
    handler = signal.getsignal(signal.SIGINT)
    if not callable(handler) or threading.current_thread() is not threading.main_thread():
        yield pressed
        return

    def note(number: int, frame: FrameType | None) -> Any:
        pressed.append(number)
        return handler(number, frame)

    signal.signal(signal.SIGINT, note)
    try:
        yield pressed
    finally:
        signal.signal(signal.SIGINT, handler)


def _by_argparse(error: BaseException) -> bool:
    frame = error.__traceback__
    while frame is not None:
        if frame.tb_frame.f_globals.get('__name__') == 'argparse':
            return True
        frame = frame.tb_next
    return False
