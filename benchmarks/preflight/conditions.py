"""Conditions (noise, blur): techniques that change only the test images. A stack keeps its weights and costs.

Which keys a condition changes follows from the configs with and without it, not from its name.
"""

from collections.abc import Callable, Mapping

from benchmarks.errors import Mistakes
from benchmarks.plan.keys import config_parts
from benchmarks.stacks.several_networks import ENSEMBLE, TEACHER, ensemble_of, members
from benchmarks.stacks.technique import Stack

TEST_IMAGES = ('predict', 'test_dataloader')


def conditions_among(configs: Mapping[Stack, dict], acts_in_test_only: Callable[[str], bool]) -> list[str]:
    """The techniques that change the test images alone, in every stack that is there without them, too.

    Args: as :func:`refuse_other_conditions`.
    """
    parts: dict[Stack, dict] = {}
    is_condition: dict[str, bool] = {}
    for stack in configs:
        for place, name in enumerate(stack):
            clean = stack[:place] + stack[place + 1 :]
            if clean not in configs or not is_condition.get(name, True):
                continue
            for side in {stack, clean} - parts.keys():
                parts[side] = _parts(configs[side], acts_in_test_only)
            changed = _changed(parts[stack], parts[clean])
            is_condition[name] = bool(changed) and all((stage, path) == TEST_IMAGES for _, stage, path in changed)
    return sorted(name for name, is_one in is_condition.items() if is_one)


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
        changed = _changed(parts[stack], parts[clean])
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


def _changed(one: Mapping, other: Mapping) -> list[tuple[int, str, str]]:
    return sorted(key for key in one.keys() | other.keys() if one.get(key) != other.get(key))


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
