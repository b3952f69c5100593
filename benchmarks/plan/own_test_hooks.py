"""Refuses members of an ensemble that are to be tested otherwise than the others: all are tested together."""

from collections.abc import Callable

from benchmarks.errors import BadInput
from benchmarks.files import digest
from benchmarks.plan.keys import config_parts
from benchmarks.stacks.several_networks import members


def refuse_own_test_hooks(config: dict, acts_in_test_only: Callable[[str], bool]) -> None:
    """Refuse a member with hooks of its own that act in tests alone.

    Args:
        config: The config of a stack.
        acts_in_test_only: Whether a hook of this type does nothing in training.

    Raises:
        BadInput: Names the member, its hooks and those of the stack.
    """

    def test_hooks(config: dict) -> list:
        return config_parts(config, acts_in_test_only)['predict']['custom_hooks']

    def named(config: dict) -> str:
        return ', '.join(str(hook.get('type')) for hook in test_hooks(config)) or 'none'

    for member in members(config):
        if member.number is not None and digest(test_hooks(member.config)) != digest(test_hooks(config)):
            raise BadInput(
                f"member {member.number + 1} of the ensemble changes 'custom_hooks' that act in tests alone "
                f'({named(member.config)} instead of {named(config)}), but all members are tested together; change '
                f'them beside the members'
            )
