"""Is this technique, or this stack, legal? One sequence of steps for everybody who asks.

1. :func:`import_and_register`: the modules of the techniques and of the config are imported.
2. :func:`check_technique`: every key of a technique's overlay, and of each ensemble member's overlay, is legal.
3. :func:`check_stack`: all networks of an ensemble are tested; each network of the stack builds; its training samples
   can be paired; its parts name one label of void pixels; its loaders take their arguments; its initial weights can be
   reached.
"""

from collections.abc import Mapping

from benchmarks.errors import BadInput, Mistakes
from benchmarks.files import digest
from benchmarks.preflight.builds import BuiltOnce, check_builds, check_loaders, check_sampling
from benchmarks.preflight.ensemble_tests import check_ensemble_is_tested
from benchmarks.preflight.initial_weights import check_initial_weights
from benchmarks.preflight.legality import KeyChecker, Registries
from benchmarks.preflight.processes import check_processes
from benchmarks.preflight.void_label import check_void_label
from benchmarks.stacks.imports import import_modules
from benchmarks.stacks.several_networks import ENSEMBLE, members
from benchmarks.stacks.technique import Technique


def import_and_register(techniques: Mapping[str, Technique], config: dict) -> Registries:
    """Import the modules that register the types of the techniques and of the config.

    Args:
        techniques: Techniques by name.
        config: The config that they are put on.

    Returns:
        mmseg's registries, which know these types.

    Raises:
        BadInput: A module cannot be imported.
    """
    import_modules(techniques, config)
    return Registries()


def check_technique(technique: Technique, base: dict, alone: dict, registries: Registries) -> None:
    """Check every key that a technique sets, in its overlay and in the overlay of each ensemble member.

    Args:
        technique: The technique.
        base: The config that it is put on.
        alone: ``base`` with this technique.
        registries: From :func:`import_and_register`.

    Raises:
        BadInput: Keys are not legal; names for each the technique, the member, and close matches.
    """
    keys, origin, mistakes = KeyChecker(registries), f"technique '{technique.name}'", Mistakes()
    with mistakes.noted():
        keys.check(technique.overlay, base, alone, origin)
    overlays = (technique.overlay.get(ENSEMBLE) or {}).get('members') or []
    for number, (overlay, member) in enumerate(zip(overlays, alone[ENSEMBLE]['members'] if overlays else []), 1):
        with mistakes.noted():
            keys.check(overlay, alone, member, f'{origin}, member {number}')
    mistakes.refuse()


def check_stack(
    unpaired: dict,
    paired: dict,
    origin: str,
    registries: Registries,
    *,
    built: BuiltOnce | None = None,
    runs_next: bool = False,
) -> dict[str, int]:
    """Check that each network of a stack can be built and trained.

    Args:
        unpaired: The stack's config before its training data are paired.
        paired: The same config with paired training data.
        origin: The stack's name in messages.
        registries: From :func:`import_and_register`.
        built: The parts that earlier stacks have built, which are not built again.
        runs_next: The caller trains and tests the stack right after this check. Building, loaders and weights then show
            in that run; only the pairing of samples and the label of void pixels, which it cannot show, are checked
            here.

    Returns:
        The number of parameters of each network, by the digest of its model's config; empty with ``runs_next``.

    Raises:
        BadInput: Names the stack, and for each mistake the ensemble member, the culprit and the cure.
    """
    sizes, built = {}, built or BuiltOnce()
    mistakes: dict[str, str] = {}  # from the mistake to the member's name: equal mistakes of members are told once
    of_all = Mistakes()
    with of_all.noted():
        check_ensemble_is_tested(unpaired, origin, registries)
    for member, with_pairing in zip(members(unpaired), members(paired), strict=True):
        called, found = origin + member.called, Mistakes()
        if not runs_next:
            with found.noted():
                sizes[digest(member.config['model'])] = check_builds(member.config, called, built)
        with found.noted():
            check_sampling(with_pairing.config, registries, called)
        with found.noted():
            check_void_label(member.config, called, registries)
        if not runs_next:
            with found.noted():
                check_processes(member.config, called, built)
            with found.noted():
                check_loaders(with_pairing.config, called)
            with found.noted():
                check_initial_weights(with_pairing.config, called)
        for mistake in found.all:
            mistakes.setdefault(mistake.removeprefix(called), called)
    of_all.all += [called + mistake for mistake, called in mistakes.items()]
    of_all.refuse()
    return sizes


def check_weights(config: dict, origin: str, built: BuiltOnce) -> list[str]:
    """Check that the initial weights of each network of a stack fit it.

    Args:
        config: The stack's config.
        origin: The stack's name in messages.
        built: Remembers what earlier stacks have loaded.

    Returns:
        A note for each file of weights that leaves parameters of a network random.

    Raises:
        BadInput: Names the stack, the key and the file of which nothing fits.
    """
    from benchmarks.preflight.weights_fit import check_weights_fit  # it imports torch and mmseg

    notes, mistakes = dict[str, None](), dict[str, str]()
    for member in members(config):
        try:
            notes |= dict.fromkeys(check_weights_fit(member.config, built))
        except BadInput as error:
            for mistake in error.args:
                mistakes.setdefault(mistake, f'{origin}{member.called}: {mistake}')
    if mistakes:
        raise BadInput(*mistakes.values())
    return list(notes)


def check_options(options: dict, base: dict, merged: dict, registries: Registries) -> None:
    """Check every key that ``--cfg-options`` sets.

    Args:
        options: The options as a nested overlay.
        base: The baseline's config before them.
        merged: The baseline's config with them.
        registries: From :func:`import_and_register`.

    Raises:
        BadInput: A key is not legal.
    """
    KeyChecker(registries).check(options, base, merged, '--cfg-options')
