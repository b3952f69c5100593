"""Base + stack → resolved config. Refuses clashes, dead keys and techniques that change nothing.

Everything here works on plain dicts and imports neither torch nor mmseg, so that a plan is made in a moment; what needs
their registries (is this a legal key?) is in :mod:`benchmarks.preflight.legality`.
"""

import copy
import pprint
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping
from itertools import combinations
from pathlib import Path
from typing import Any

import mmengine.config.config
from mmengine.config import Config
from mmengine.config.utils import MODULE2PACKAGE

from benchmarks.errors import BadInput, did_you_mean
from benchmarks.files import write_atomic
from benchmarks.stacks.feature_levels import probe_levels
from benchmarks.stacks.imports import imported_modules
from benchmarks.stacks.overlay import apply, clash, leaves, merge, wrap
from benchmarks.stacks.references import Levels, looked_up, resolve
from benchmarks.stacks.several_networks import with_whole_members
from benchmarks.stacks.technique import Stack, Technique

# What mmengine's Runner takes from a config (a test compares this with its signature), what it reads from `cfg` later,
# and our own reserved key. Anything else at the top level is a helper variable: changing it changes nothing.
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
# mmengine looks for `mmseg::…` in a distribution called mmsegmentation; the maintained line is called differently, and
# asked for by its import name it is found under either.
MODULE2PACKAGE['mmseg'] = 'mmseg'
# mmengine tells of each environment variable in a config by a logger that imports torch: longer than a plan takes.
mmengine.config.config.print_log = lambda *_, **__: None
# Helper variables that mmseg's configs commonly have, and the places that use them.
USES = {
    'train_pipeline': 'train_dataloader.dataset.pipeline',
    'test_pipeline': 'test_dataloader.dataset.pipeline',
    'data_preprocessor': 'model.data_preprocessor',
    'optimizer': 'optim_wrapper.optimizer',
    'data_root': 'the data_root of each dataset (or give --data-root)',
    'norm_cfg': 'model.….norm_cfg',
}
DATALOADERS = ('train_dataloader', 'val_dataloader', 'test_dataloader')


def load_config(path: str | Path) -> dict:
    """Read an mmengine config file (a path, or ``mmseg::…``) as a plain dict, importing none of its modules.

    Raises:
        BadInput: The file is missing or does not parse.
    """
    try:
        if '::' in str(path):
            return _from_package(str(path))
        return Config.fromfile(path, import_custom_modules=False).to_dict()
    except FileNotFoundError as error:
        raise BadInput(f'there is no config {path}: {error}') from error
    except Exception as error:
        raise BadInput(f'the config {path} cannot be read: {type(error).__name__}: {error}') from error


def _from_package(path: str) -> dict:
    """A config that ships with a package is inherited, as a child config in its own right would do."""
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
        BadInput: With the cure when the key is a helper variable of the baseline's file.
    """
    for key in overlay:
        if key in TOP_LEVEL_KEYS - {'data_preprocessor'}:
            continue
        if key in base or key in USES:
            place = USES.get(key, 'inside model, train_dataloader, optim_wrapper, …')
            raise BadInput(
                f"{origin}: '{key}' is only a helper variable of the config file, setting it changes "
                f'nothing; set the place that uses it, {place}'
            )
        raise BadInput(f"{origin}: nothing reads the top-level key '{key}'{did_you_mean(key, TOP_LEVEL_KEYS)}")


def nested(options: Mapping[str, Any], base: dict) -> dict:
    """``--cfg-options`` (flat dotted keys) as a nested overlay; a number picks an element of a list.

    Raises:
        BadInput: A number is not an index of the baseline's list.
    """
    overlay: dict = {}
    for dotted, value in options.items():
        overlay = merge(overlay, _nest(dotted.split('.'), value, merge(base, overlay), dotted))
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
    """Every data set dict in ``node``, wrapped ones included."""
    if isinstance(node, dict):
        if 'data_root' in node or 'data_prefix' in node:
            yield node
        for key in ('dataset', 'datasets'):
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
    """``base`` with the overlays of ``stack``, imports merged as a set. No order of the stack changes the result.

    Args:
        base: The baseline's config.
        stack: Names of techniques.
        techniques: By name.
        probe: Tells the feature maps that reach the heads of a config; asked only when an overlay refers to them.

    Raises:
        BadInput: Two techniques clash, a key is dead, or a technique changes nothing.
    """
    return compose_all(base, [stack], techniques, probe)[stack]


def compose_all(
    base: dict,
    stacks: Iterable[Stack],
    techniques: Mapping[str, Technique],
    probe: Callable[[dict], Levels] = probe_levels,
) -> dict[Stack, dict]:
    """:func:`compose` for many stacks; what concerns one technique, or two, is looked at once."""
    alone: dict[str, dict] = {}
    together: set[tuple[str, str]] = set()
    composed = {}
    for stack in stacks:
        for pair in combinations(stack, 2):
            if pair not in together:
                refuse_clashes([techniques[name] for name in pair])
                together.add(pair)
        for name in sorted(stack):
            if name not in alone:
                row = techniques[name]
                refuse_dead_keys(row.overlay, base, f"technique '{name}'")
                alone[name] = _composed(base, [row], probe)
                _refuse_no_op(base, row, alone[name])
        composed[stack] = _composed(base, [techniques[name] for name in sorted(stack)], probe)
    return composed


def _composed(base: dict, rows: list[Technique], probe: Callable[[dict], Levels]) -> dict:
    overlays = [row.overlay for row in rows]
    with_imports = _with_imports(base, [module for row in rows for module in row.imports])

    def finished(bare: dict, more: list[dict]) -> dict:
        bare = apply(bare, more)
        bare = config = looked_up(bare, bare)
        for overlay in [*overlays, *more]:
            config = wrap(config, looked_up(overlay, bare))
        return resolve(config, bare, probe)

    try:
        applied = apply(with_imports, overlays)
        return with_whole_members(looked_up(applied, applied), finished)
    except BadInput as error:
        names = ', '.join(f"'{row.name}'" for row in rows)
        raise BadInput(f'technique {names}: {error}') from error


def _refuse_no_op(base: dict, row: Technique, config: dict) -> None:
    """Whatever is None says nothing that leaving it out does not say."""

    def said(config: dict) -> dict:
        return _without_nones({key: value for key, value in config.items() if key != 'custom_imports'})

    if said(config) == said(base):
        paths = ', '.join('.'.join(path) for path in sorted(leaves(row.overlay, row.name))) or 'no key at all'
        raise BadInput(
            f"technique '{row.name}' changes nothing: the baseline already has the values that it sets ({paths})"
        )


def _without_nones(node: Any) -> Any:
    if isinstance(node, dict):
        return {key: _without_nones(value) for key, value in node.items() if value is not None}
    return [_without_nones(value) for value in node] if isinstance(node, (list, tuple)) else node


def _with_imports(config: dict, modules: list[str]) -> dict:
    known = config.get('custom_imports') or {}
    imports = sorted({*imported_modules(config), *modules})
    allowed = bool(known.get('allow_failed_imports'))
    return {**config, 'custom_imports': dict(imports=imports, allow_failed_imports=allowed)}


def dump_config(config: Mapping, path: Path) -> None:
    """Write a resolved config as a flat Python config that mmseg's own tools read."""
    lines = [f'{key} = {pprint.pformat(value, width=120, sort_dicts=False)}\n' for key, value in config.items()]
    write_atomic(path, ''.join(lines).encode())
