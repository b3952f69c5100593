"""Baseline + stack → resolved config. Refuses clashes, dead keys and techniques that change nothing.

Everything here works on plain dicts and imports neither torch nor mmseg, so that a plan takes seconds. Checks that need
their registries (is this key a parameter of that type?) are in :mod:`benchmarks.preflight.legality`.
"""

import copy
import pprint
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import combinations
from pathlib import Path
from typing import Any

import mmengine.config.config
from mmengine.config import Config
from mmengine.config.utils import MODULE2PACKAGE

from benchmarks.errors import BadInput, Mistakes, did_you_mean
from benchmarks.files import write_atomic
from benchmarks.stacks.contained import EndsTheProgram, contained
from benchmarks.stacks.feature_levels import probe_levels
from benchmarks.stacks.imports import imported_modules
from benchmarks.stacks.marks import clash, leaves, refuse_left_over
from benchmarks.stacks.merging import merge
from benchmarks.stacks.overlay import apply, wrap
from benchmarks.stacks.references import Levels, looked_up, resolve
from benchmarks.stacks.several_networks import overlays_of_members, with_members, without_ensemble
from benchmarks.stacks.siblings import SiblingOf, naming_sibling, no_sibling
from benchmarks.stacks.technique import Stack, Technique
from benchmarks.stacks.tree import map_tree
from benchmarks.stacks.wrapped_pipelines import DATALOADERS, inside_wrappers

# The top-level keys of a config that have an effect: the parameters of mmengine's Runner (a test compares them with its
# signature), the keys that it reads from `cfg` later, and the harness's own keys. Any other top-level key is a helper
# variable: changing it changes nothing.
RUNNER_KEYS = frozenset(
    (
        'model',
        'work_dir',
        'train_dataloader',
        'val_dataloader',
        'test_dataloader',
        'train_cfg',
        'val_cfg',
        'test_cfg',
        'auto_scale_lr',
        'optim_wrapper',
        'param_scheduler',
        'val_evaluator',
        'test_evaluator',
        'default_hooks',
        'custom_hooks',
        'data_preprocessor',
        'load_from',
        'resume',
        'launcher',
        'env_cfg',
        'log_processor',
        'log_level',
        'visualizer',
        'default_scope',
        'randomness',
        'experiment_name',
    )
)
READ_FROM_CFG = frozenset(
    (
        'compile',
        'activation_checkpointing',
        'efficient_conv_bn_eval',
        'model_wrapper_cfg',
        'find_unused_parameters',
        'sync_bn',
    )
)
RESERVED_KEYS = frozenset(('inference', 'custom_imports', 'ensemble', 'teacher'))
TOP_LEVEL_KEYS = RUNNER_KEYS | READ_FROM_CFG | RESERVED_KEYS
# mmengine looks for `mmseg::…` in a distribution called mmsegmentation. The maintained distribution has another name;
# under its import name, mmseg, mmengine finds either.
MODULE2PACKAGE['mmseg'] = 'mmseg'
# mmengine logs each environment variable in a config. Its logger imports torch, which takes longer than a plan.
mmengine.config.config.print_log = lambda *_, **__: None
# What a value of another type than its place needs raises in the composition.
MISFITS = (TypeError, AttributeError, LookupError, ValueError, ArithmeticError, RecursionError)
# Helper variables of mmseg's configs, and the keys to set in their place.
USES = {
    'train_pipeline': 'train_dataloader.dataset.pipeline',
    'test_pipeline': 'test_dataloader.dataset.pipeline',
    'data_preprocessor': 'model.data_preprocessor',
    'optimizer': 'optim_wrapper.optimizer',
    'data_root': 'the data_root of each dataset (or give --data-root)',
    'norm_cfg': 'model.….norm_cfg',
}


def load_config(path: str | Path) -> dict:
    """Read an mmengine config file (a path, or ``mmseg::…``) as a plain dict, importing none of its modules.

    Raises:
        BadInput: The file is missing or does not parse.
    """
    try:
        with contained():
            if '::' in str(path):
                return _from_package(str(path))
            return Config.fromfile(path, import_custom_modules=False).to_dict()
    except FileNotFoundError as error:
        raise BadInput(f'there is no config {path}: {error}') from error
    except EndsTheProgram as error:
        raise BadInput(f'{path} cannot be read: {error}') from error
    except Exception as error:
        raise BadInput(f'the config {path} cannot be read: {type(error).__name__}: {error}') from error


def _from_package(path: str) -> dict:
    """A config that ships with a package, read through a child config that inherits it."""
    with tempfile.NamedTemporaryFile('w', suffix='.py') as child:
        child.write(f'_base_ = [{path!r}]\n')
        child.flush()
        return Config.fromfile(child.name, import_custom_modules=False).to_dict()


def strip_helpers(config: dict) -> dict:
    """Drop top-level helper variables, and put a top-level ``data_preprocessor`` where the Runner would put it."""
    kept = {key: value for key, value in config.items() if key in TOP_LEVEL_KEYS}
    preprocessor = kept.pop('data_preprocessor', None)
    if preprocessor is not None and 'model' in kept:
        kept['model'] = {'data_preprocessor': preprocessor, **kept['model']}
    return kept


def refuse_dead_keys(overlay: dict, base: dict, origin: str) -> None:
    """Refuse top-level keys that nothing reads.

    Raises:
        BadInput: The overlay sets such keys; for a helper variable the message names the key to set in its place.
    """
    mistakes = []
    for key in overlay:
        if key in TOP_LEVEL_KEYS - {'data_preprocessor'}:
            continue
        if key in base or key in USES:
            place = USES.get(key, 'inside model, train_dataloader, optim_wrapper, …')
            mistakes.append(
                f"{origin}: '{key}' is only a helper variable of the config file, setting it changes "
                f'nothing; set the place that uses it, {place}'
            )
        else:
            hint = did_you_mean(key, TOP_LEVEL_KEYS)
            mistakes.append(f"{origin}: nothing reads the top-level key '{key}'{hint}")
    if mistakes:
        raise BadInput(*mistakes)


def nested(options: Mapping[str, Any], base: dict) -> dict:
    """``--cfg-options`` (flat dotted keys) as a nested overlay; a number picks an element of a list.

    Raises:
        BadInput: Numbers are no indices of the baseline's lists; names all of them.
    """
    overlay: dict = {}
    mistakes = Mistakes()
    for dotted, value in options.items():
        with mistakes.noted():
            overlay = merge(overlay, _nest(dotted.split('.'), value, merge(base, overlay), dotted))
    mistakes.refuse()
    return overlay


def _nest(steps: list[str], value: Any, base: Any, dotted: str) -> Any:
    if not steps:
        return value
    if isinstance(base, (list, tuple)):
        if not steps[0].isdigit() or int(steps[0]) >= len(base):
            raise BadInput(f"--cfg-options {dotted}: '{steps[0]}' is no index of a list of {len(base)}")
        changed = copy.deepcopy(list(base))
        index = int(steps[0])
        changed[index] = merge(changed[index], _nest(steps[1:], value, changed[index], dotted))
        return changed
    below = base.get(steps[0]) if isinstance(base, dict) else None
    return {steps[0]: _nest(steps[1:], value, below, dotted)}


def datasets(node: Any) -> Iterator[dict]:
    """The dict of every data set in ``node``, with those inside wrappers."""
    if isinstance(node, dict):
        if 'data_root' in node or 'data_prefix' in node:
            yield node
        for key in ('dataset', 'datasets', 'sources'):
            yield from datasets(node.get(key))
    elif isinstance(node, (list, tuple)):
        for item in node:
            yield from datasets(item)


def set_data_root(config: dict, data_root: str) -> dict:
    """``config`` with the ``data_root`` of every split set."""
    config = copy.deepcopy(config)
    for loader in DATALOADERS:
        for dataset in datasets(config.get(loader)):
            dataset['data_root'] = data_root
    return config


def refuse_clashes(techniques: list[Technique]) -> None:
    """Refuse two techniques of one stack that set the same or nested keys: the outcome would depend on their order.

    Raises:
        BadInput: Names both techniques and the key.
    """
    for first, second in combinations(techniques, 2):
        key = clash(first.overlay, second.overlay, (first.name, second.name))
        if key:
            raise BadInput(
                f"techniques '{first.name}' and '{second.name}' both set '{key}'; "
                f'stack only one of them, or give one a key of its own'
            )


def compose(
    base: dict, stack: Stack, techniques: Mapping[str, Technique], probe: Callable[[dict], Levels] = probe_levels
) -> dict:
    """``base`` with the overlays of ``stack``, imports merged as a set. The order of the stack does not matter.

    Args:
        base: The baseline's config.
        stack: Names of techniques.
        techniques: Techniques by name.
        probe: From a config to the feature maps that reach its heads; called only if an overlay refers to them.

    Raises:
        BadInput: Two techniques clash, a key is dead, or a technique changes nothing.
    """
    return compose_all(base, [stack], techniques, probe)[stack]


def compose_all(
    base: dict,
    stacks: Iterable[Stack],
    techniques: Mapping[str, Technique],
    probe: Callable[[dict], Levels] = probe_levels,
    sibling_of: SiblingOf = no_sibling,
) -> dict[Stack, dict]:
    """:func:`compose` for many stacks; each technique, and each pair of techniques, is checked once.

    Args:
        base: The baseline's config.
        stacks: The stacks.
        techniques: Techniques by name.
        probe: See :func:`compose`.
        sibling_of: From a technique to its sibling. The refusal of a technique names the sibling if that fits.

    Raises:
        BadInput: Two techniques clash, a key is dead, or a technique does not fit or changes nothing.
    """
    stacks, mistakes = list(stacks), Mistakes()
    # Before clashes are looked for: two techniques may name the pipeline of a wrapped data set in two ways.
    techniques = {
        name: replace(techniques[name], overlay=inside_wrappers(techniques[name].overlay, base))
        for name in {name for stack in stacks for name in stack}
    }
    for pair in dict.fromkeys(pair for stack in stacks for pair in combinations(stack, 2)):
        with mistakes.noted():
            refuse_clashes([techniques[name] for name in pair])
    for name in dict.fromkeys(name for stack in stacks for name in sorted(stack)):
        with mistakes.noted():
            _refuse_misfit(base, techniques[name], probe, sibling_of)
    mistakes.refuse()
    composed = {}
    for stack in stacks:
        with mistakes.noted():
            composed[stack] = _composed(base, [techniques[name] for name in sorted(stack)], probe)
    mistakes.refuse()
    return composed


def _refuse_misfit(
    base: dict, row: Technique, probe: Callable[[dict], Levels], sibling_of: SiblingOf = no_sibling
) -> None:
    """Refuse a technique that cannot be put on the baseline, or that changes nothing there.

    Raises:
        BadInput: Names the technique, and its sibling if that fits.
    """
    with naming_sibling(row, sibling_of, lambda sibling: _refuse_misfit(base, sibling, probe)):
        refuse_dead_keys(row.overlay, base, f"technique '{row.name}'")
        try:
            config = _composed(base, [row], probe)
            _refuse_no_op(base, row, config)
        except MISFITS as error:
            raise _misfit([row], error) from error
        try:
            refuse_left_over(config, base)
        except BadInput as error:
            raise BadInput(f'{_named([row])}: {error}') from error


def _named(rows: Sequence[Technique]) -> str:
    return f'technique {", ".join(repr(row.name) for row in rows)}'


def _misfit(rows: Sequence[Technique], error: Exception) -> BadInput:
    """The refusal of an overlay whose values are not of the kind that their place needs."""
    return BadInput(
        f'{_named(rows)}: a value of the overlay has the wrong type for its place ({type(error).__name__}: {error}); '
        'configs/README.md explains the overlay language'
    )


def _composed(base: dict, rows: list[Technique], probe: Callable[[dict], Levels]) -> dict:
    """The config of one stack, in four phases.

    1. Merged: the plain keys and list changes of all overlays are in the config.
    2. Looked up: each ``_from_`` is replaced by its value.
    3. Wrapped: each ``_wrap_`` is around the value in its place.
    4. Probed: each ``_probe_`` is replaced by a fact about the model's feature maps.

    A stack that trains an ensemble of several configs (``ensemble.members``) gives one config for each member, too:
    a member's overlay is merged on top of the stack's, and the result goes through the phases 2 to 4.
    """
    overlays = [row.overlay for row in rows]
    try:
        merged = apply(_with_imports(base, [module for row in rows for module in row.imports]), overlays)
        merged = looked_up(merged, merged)
        member_overlays = overlays_of_members(merged)
        if not member_overlays:
            return _finished(merged, overlays, probe)
        merged = without_ensemble(merged)
        shared = _finished(merged, overlays, probe)
        members = [_finished(apply(merged, [overlay]), [*overlays, overlay], probe) for overlay in member_overlays]
        return with_members(shared, members)
    except BadInput as error:
        raise BadInput(f'{_named(rows)}: {error}') from error
    except MISFITS as error:
        raise _misfit(rows, error) from error


def _finished(merged: dict, overlays: list[dict], probe: Callable[[dict], Levels]) -> dict:
    """The phases 2 to 4 for a merged config.

    Args:
        merged: A config with the plain keys and list changes of ``overlays``.
        overlays: All overlays of the stack, for their wraps.
        probe: See :func:`compose`.
    """
    bare = looked_up(merged, merged)  # once more: the value of a reference may have been a reference itself
    wrapped = bare
    for overlay in overlays:
        wrapped = wrap(wrapped, looked_up(overlay, bare))
    return resolve(wrapped, bare, probe)


def _refuse_no_op(base: dict, row: Technique, config: dict) -> None:
    """Refuse a technique that changes nothing; a key that is set to None counts as a missing key.

    Raises:
        BadInput: Names the technique and the keys that it sets.
    """
    if _comparable(config) == _comparable(base):
        paths = ', '.join('.'.join(path) for path in sorted(leaves(row.overlay, row.name))) or 'no key at all'
        raise BadInput(
            f"technique '{row.name}' changes nothing: the baseline already has the values that it sets ({paths})"
        )


def _comparable(config: dict) -> Any:
    """A config without its imports and without keys that are None; tuples as lists, as configs use either."""

    def plain(node: Any) -> Any:
        if isinstance(node, dict):
            return {key: value for key, value in node.items() if value is not None}
        return list(node)

    return map_tree({key: value for key, value in config.items() if key != 'custom_imports'}, plain)


def _with_imports(config: dict, modules: list[str]) -> dict:
    known = config.get('custom_imports') or {}
    imports = sorted({*imported_modules(config), *modules})
    allowed = bool(known.get('allow_failed_imports'))
    return {**config, 'custom_imports': dict(imports=imports, allow_failed_imports=allowed)}


def dump_config(config: Mapping, path: Path) -> None:
    """Write a resolved config as a flat Python config that mmseg's own tools read."""
    lines = [f'{key} = {pprint.pformat(value, width=120, sort_dicts=False)}\n' for key, value in config.items()]
    write_atomic(path, ''.join(lines).encode())
