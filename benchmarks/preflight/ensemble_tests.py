"""Are all networks of an ensemble tested? Without a hook that does so, mmseg tests the first one alone."""

from collections.abc import Mapping
from typing import Any

from benchmarks.errors import BadInput
from benchmarks.preflight.legality import Registries
from benchmarks.stacks.several_networks import ENSEMBLE, ensemble_of


def check_ensemble_is_tested(config: Mapping[str, Any], origin: str, registries: Registries) -> None:
    """Refuse an ensemble without a hook whose class has ``tests_all_members = True``.

    Args:
        config: The resolved config of a stack.
        origin: The name of the config in messages.
        registries: Looks up the hooks' classes.

    Raises:
        BadInput: All networks would be trained, and one tested; names the registered hooks that test all.
    """
    way, _ = ensemble_of(config)
    kinds = [hook.get('type') for hook in config.get('custom_hooks') or []]
    hooks = [registries.find(kind) if isinstance(kind, str) else kind for kind in kinds]
    if way is None or any(_tests_all(hook) for hook in hooks):
        return
    known = [(name, cls) for name in registries.names() if _tests_all(cls := registries.find(name))]
    cures = [
        f"custom_hooks=dict(_insert_=[dict(type='{name}')]) to the overlay, and '{cls.__module__}' to its imports"
        for name, cls in known
    ]
    raise BadInput(
        f"{origin}: '{ENSEMBLE}' trains several networks, and no hook of custom_hooks tests more than the first; add "
        + (' or '.join(cures) or 'a hook whose class has tests_all_members = True')
    )


def _tests_all(cls: Any) -> bool:
    return getattr(cls, 'tests_all_members', False) is True
