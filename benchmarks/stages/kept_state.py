"""Refuses a stage in which a part of the config changes the state of its process, and leaves it so.

A stage has a process of its own, so no other stage sees the change. But what the stage computes from then on is not
what its config says: a loss that sets torch's default dtype changes the precision of all that comes after it.

What is not looked at has honest users: the number of threads is also set by compiled loops that share torch's OpenMP;
random numbers are drawn from Python's and numpy's generators, and mmseg seeds that of numpy.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from unittest import mock

import torch
from mmengine.runner import Runner

from benchmarks.errors import some_of
from benchmarks.stages.process_state import FLAGS, PLACE_AND_DEFAULTS, PRECISION, ChangedState, Readers, changes, values

NAMED = 4  # of what has changed, so that a reason keeps its end, the cure
# After these calls of hooks, and before the first step, all is as the config sets it up. A validation that a hook runs
# later sets nothing up.
FIRST_STEP_NEXT = ('before_train', 'before_test')
SET_UP = ('before_run', *FIRST_STEP_NEXT)
# No honest part of a config changes these for a whole run; they must be as before its imports.
ALWAYS = PLACE_AND_DEFAULTS
# These may be set for a whole run: by env_cfg, randomness or a hook. They must be as they were before the first step.
FROM_THE_FIRST_STEP: Readers = {"the seed of torch's generator": torch.initial_seed, **PRECISION, **FLAGS}


@contextmanager
def state_kept() -> Iterator[None]:
    """Run a block that imports a config's plugins and runs a stage, and refuse what it leaves changed.

    A block without a runner of mmengine sets nothing up; there :data:`ALWAYS` alone counts.

    Raises:
        ChangedState: The block has ended well, but the state of this process differs. It names what, and the cure.
    """
    before, set_up = values(ALWAYS), dict[str, Any]()
    call_hook, begun = Runner.call_hook, False

    def call_and_note(runner: Runner, fn_name: str, **arguments: Any) -> None:
        nonlocal begun
        call_hook(runner, fn_name, **arguments)
        if fn_name in SET_UP and not begun:
            set_up.update(values(FROM_THE_FIRST_STEP))
            begun = fn_name in FIRST_STEP_NEXT

    with mock.patch.object(Runner, 'call_hook', call_and_note):
        yield
    changed, later = changes(before, values(ALWAYS)), changes(set_up, values(FROM_THE_FIRST_STEP))
    if changed or later:
        or_earlier = ', or before the first step (env_cfg, randomness, before_run of a hook)' if later else ''
        raise ChangedState(
            f'a part of the config has changed {some_of([*changed, *later], NAMED)}, and left it so: '
            f'change it inside a with block that puts it back{or_earlier}'
        )
