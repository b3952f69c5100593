"""Conditions (noise, blur): techniques that change only the test images. A stack keeps its weights and costs.

Which keys a condition changes follows from the configs with and without it, not from its name.
"""

from collections.abc import Callable, Mapping

from benchmarks.errors import Mistakes
from benchmarks.plan.keys import config_parts
from benchmarks.stacks.several_networks import ENSEMBLE, TEACHER, ensemble_of, members
from benchmarks.stacks.technique import Stack

TEST_IMAGES = ('predict', 'test_dataloader')


def refuse_other_conditions(
    configs: Mapping[Stack, dict], clean_stack_of: Mapping[Stack, Stack], acts_in_test_only: Callable[[str], bool]
) -> None:
    """Refuse a condition that changes more than the test images, or that changes nothing.

    Args:
        configs: Each stack's resolved config.
        clean_stack_of: From :class:`benchmarks.plan.designs.Layout`.
        acts_in_test_only: Whether a hook of this type does nothing during training.

    Raises:
        BadInput: A condition changes how a stack is trained, predicts or refines, or it changes no test image; names
            all such conditions, and the keys.
    """
    mistakes = Mistakes()
    parts = {stack: _parts(configs[stack], acts_in_test_only) for stack in {*clean_stack_of, *clean_stack_of.values()}}
    for stack, clean in clean_stack_of.items():
        with_condition, without = parts[stack], parts[clean]
        keys = with_condition.keys() | without.keys()
        changed = sorted(key for key in keys if with_condition.get(key) != without.get(key))
        if not changed:
            mistakes.all.append(
                f"the condition '{stack[-1]}' changes no test image; give it an overlay of "
                f'test_dataloader.dataset.pipeline, or take it out of the design'
            )
        others = dict.fromkeys(path for _, stage, path in changed if (stage, path) != TEST_IMAGES)
        if others:
            mistakes.all.append(
                f"the condition '{stack[-1]}' changes {', '.join(others)}, but a condition changes the test images "
                f'alone (test_dataloader); list it among the techniques of the design instead'
            )
    mistakes.refuse()


def _parts(config: dict, acts_in_test_only: Callable[[str], bool]) -> dict[tuple[int, str, str], object]:
    """The config parts that a stack's stages read, by network number, stage and dotted path; 0 is the whole stack."""
    parts: dict[tuple[int, str, str], object] = {}
    for number, network in enumerate([config, *(member.config for member in members(config))]):
        for stage, part in config_parts(network, acts_in_test_only).items():
            for path, value in part.items():
                parts[number, stage, path] = value
        parts[number, 'train', TEACHER] = network.get(TEACHER)
    way, value = ensemble_of(config)
    # The members of an ensemble over configs are networks of their own; their configs hold the test images, too.
    parts[0, 'train', ENSEMBLE] = (way, len(value) if way == 'members' else value)
    return parts
