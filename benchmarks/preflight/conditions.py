"""Conditions: techniques that change the test images alone, so that weights and costs are those of the plain stack.

What a condition touches cannot be told from its name, only from the configs with and without it.
"""

from collections.abc import Callable, Mapping

from benchmarks.errors import BadInput
from benchmarks.plan.keys import config_parts
from benchmarks.stacks.several_networks import ENSEMBLE, TEACHER, ensemble_of, members
from benchmarks.stacks.technique import Stack

TEST_IMAGES = ('predict', 'test_dataloader')


def refuse_other_conditions(
    configs: Mapping[Stack, dict], condition_of: Mapping[Stack, Stack], acts_in_test_only: Callable[[str], bool]
) -> None:
    """Refuse conditions that change more than the test images, or nothing.

    Args:
        configs: Each stack's resolved config.
        condition_of: From :class:`benchmarks.plan.designs.Layout`.
        acts_in_test_only: Whether a hook of this type does nothing while training.

    Raises:
        BadInput: A stack under a condition would be trained, would infer or would refine differently than the stack
            itself, or predicts from the same images; names the condition and what it changes.
    """
    parts = {stack: _parts(configs[stack], acts_in_test_only) for stack in {*condition_of, *condition_of.values()}}
    for stack, plain in condition_of.items():
        own, others = parts[stack], parts[plain]
        changed = sorted(key for key in own.keys() | others.keys() if own.get(key) != others.get(key))
        if not changed:
            raise BadInput(
                f"the condition '{stack[-1]}' changes no test image; give it an overlay of "
                f'test_dataloader.dataset.pipeline, or take it out of the design'
            )
        for _, stage, path in changed:
            if (stage, path) != TEST_IMAGES:
                raise BadInput(
                    f"the condition '{stack[-1]}' changes {path}, but a condition changes the test images "
                    f'alone (test_dataloader); list it among the techniques of the design instead'
                )


def _parts(config: dict, acts_in_test_only: Callable[[str], bool]) -> dict[tuple[int, str, str], object]:
    """What the stages of the config, and of each network that it trains, read: by network, stage and dotted path."""
    networks = list(enumerate([config, *(member.config for member in members(config))]))
    parts = {
        (number, stage, path): value
        for number, one in networks
        for stage, part in config_parts(one, acts_in_test_only).items()
        for path, value in part.items()
    }
    way, value = ensemble_of(config)
    # Members that are given whole are among the networks; they hold the test images, too.
    ensemble = (way, len(value) if way == 'members' else value)
    return (
        parts
        | {(number, 'train', TEACHER): one.get(TEACHER) for number, one in networks}
        | {(0, 'train', ENSEMBLE): ensemble}
    )
