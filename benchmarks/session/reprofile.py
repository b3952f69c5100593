"""The measurements that a user wants again (``--reprofile``)."""

from collections.abc import Sequence

from benchmarks.errors import BadInput, did_you_mean
from benchmarks.plan.plan import Plan
from benchmarks.record import stack_name


def profiles_again(plan: Plan, names: Sequence[str] | None) -> set[str]:
    """The keys of the profiles to measure again.

    Args:
        plan: The plan.
        names: Names of stacks; none of them for all stacks, None for no stack.

    Raises:
        BadInput: The grid has no stack of a name; names all such names.
    """
    if names is None:
        return set()
    key_of = {stack_name(stack): key for stack, key in plan.profiles.items()}
    unknown = [name for name in names if name not in key_of]
    if unknown:
        listed = '; no stack '.join(f"'{name}'{did_you_mean(name, key_of)}" for name in unknown)
        raise BadInput(f'--reprofile: the grid has no stack {listed}')
    return {key_of[name] for name in names or key_of}
