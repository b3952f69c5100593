"""Skips slow steps that change no number, for many short runs."""

import contextlib
from collections.abc import Iterator
from unittest.mock import patch

import torch._inductor.compile_fx as inductor
from torch._dynamo.backends.debugging import aot_eager
from yapf.yapflib import yapf_api


@contextlib.contextmanager
def skipping_slow_steps() -> Iterator[None]:
    """Run the block with a compiler that generates no code, and with unformatted configs.

    The real compiler needs minutes until the first step; whether it works is checked once, on the baseline. mmengine
    formats each config up to five times a run, which takes longer than a few steps on small pictures.
    """
    with (
        patch.object(inductor, 'compile_fx', lambda graph, inputs, **_: aot_eager(graph, inputs)),
        patch.object(yapf_api, 'FormatCode', lambda text, **_: (text, True)),
    ):
        yield
