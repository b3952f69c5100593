"""Which config key feeds which stage, and the key under which a stage's result is kept.

A stage's key hashes: its part of the config, its parents' keys, a fingerprint of the data it reads, the code of the
plugin modules that its part's ``type``s reach, torch's and mmseg's major.minor, the device type, and the version number
of its kind (:mod:`benchmarks.kinds`). Paths, log levels and titles never enter: they change no number. A config key
that is missing in :data:`STAGE_OF` counts as training, because a training too many is cheaper than a stale result.
"""

import copy
import hashlib
import re
from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path
from typing import Any

from benchmarks.errors import BadInput
from benchmarks.files import digest

NOTHING = 'nothing'
# First match wins; a prefix covers all that is below it.
STAGE_OF: tuple[tuple[tuple[str, ...], str], ...] = (
    (('model', 'test_cfg'), 'predict'),
    (('model', 'data_preprocessor', 'test_cfg'), 'predict'),
    (('test_dataloader',), 'predict'),
    (('test_cfg',), 'predict'),
    (('inference', 'refine'), 'refine'),
    (('inference',), 'predict'),
    # They say how many networks a stack has: benchmarks.stacks.several_networks makes a config of each network.
    (('ensemble', 'last_checkpoints'), 'train'),
    (('ensemble',), NOTHING),
    (('teacher',), NOTHING),
    # The stage that chooses has an ingredient of its own for it.
    (('search',), NOTHING),
    (('test_evaluator',), NOTHING),
    (('val_dataloader',), NOTHING),
    (('val_cfg',), NOTHING),
    (('val_evaluator',), NOTHING),
    (('work_dir',), NOTHING),
    (('log_level',), NOTHING),
    (('log_processor',), NOTHING),
    (('visualizer',), NOTHING),
    (('experiment_name',), NOTHING),
    (('launcher',), NOTHING),
    (('custom_imports',), NOTHING),
    (('default_hooks', 'logger'), NOTHING),
    (('default_hooks', 'visualization'), NOTHING),
    (('default_hooks', 'timer'), NOTHING),
    # Only the last checkpoint is kept, nothing validates, and every training starts anew.
    (('default_hooks', 'checkpoint', 'max_keep_ckpts'), NOTHING),
    (('train_cfg', 'val_interval'), NOTHING),
    (('train_cfg', 'val_begin'), NOTHING),
    (('train_cfg', 'dynamic_intervals'), NOTHING),
    (('resume',), NOTHING),
)
# What a profile does not depend on, of the part that feeds `train`: everything that acts in training alone. What is
# missing here enters the profile's key, because a profile too many is cheaper than a wrong latency.
TRAINING_ONLY: tuple[tuple[str, ...], ...] = (
    ('train_dataloader',),
    ('train_cfg',),
    ('optim_wrapper',),
    ('param_scheduler',),
    ('auto_scale_lr',),
    ('load_from',),
    ('processes_per_training',),
    ('randomness', 'seed'),
    ('randomness', 'diff_rank_seed'),
    *(('default_hooks', slot) for slot in ('runtime_info', 'param_scheduler', 'checkpoint', 'sampler_seed')),
)
# Within a network: losses, the pixels and images that they see, and initial weights. No inference reads them.
NOT_IN_INFERENCE = frozenset(('loss_decode', 'sampler', 'train_cfg', 'init_cfg', 'pretrained', 'batch_augments'))
# The place of data; its content enters by fingerprint.
DATA_PATHS = frozenset(('data_root', 'data_prefix', 'ann_file', 'label_dir'))
# What a data set's `metainfo` declares for scores and reports alone: neither a training nor a prediction reads it. All
# else in it stays: the classes decide a label map, and a loader of colour maps may read the palette.
SCORING_METAINFO = frozenset(('background', 'dataset_name', 'group'))
# The place of initial weights; if it is a file on this machine, its content enters instead.
WEIGHTS = frozenset(('load_from', 'pretrained', 'checkpoint'))
# Most values of a config have these types; testing for them first is far faster than asking for a mapping.
PLAIN = frozenset((str, int, float, bool, type(None)))


@cache
def stage_of(path: tuple[str, ...]) -> str:
    """The stage that the config key at ``path`` feeds."""
    for prefix, stage in STAGE_OF:
        if path[: len(prefix)] == prefix:
            return stage
    return 'train'


@cache
def _is_split(path: tuple[str, ...]) -> bool:
    """Whether keys below ``path`` feed different stages."""
    return any(prefix[: len(path)] == path and len(prefix) > len(path) for prefix, _ in STAGE_OF)


def config_parts(config: Mapping[str, Any], acts_in_test_only: Callable[[str], bool]) -> dict[str, dict]:
    """Split a resolved config into the parts of ``train``, ``predict`` and ``refine``, by dotted path.

    Args:
        config: The resolved config.
        acts_in_test_only: Whether a hook of this type does nothing in training; such custom hooks feed ``predict``.
    """
    parts: dict[str, dict] = dict(train={}, predict={}, refine={})

    def walk(node: Any, path: tuple[str, ...]) -> None:
        if isinstance(node, Mapping) and _is_split(path):
            for key, value in node.items():
                walk(value, (*path, key))
        elif stage_of(path) != NOTHING:
            parts[stage_of(path)]['.'.join(path)] = node

    walk({key: value for key, value in config.items() if key != 'custom_hooks'}, ())
    hooks = config.get('custom_hooks') or []
    at_test = [hook for hook in hooks if acts_in_test_only(hook.get('type', ''))]
    parts['train']['custom_hooks'] = [hook for hook in hooks if hook not in at_test]
    parts['predict']['custom_hooks'] = at_test
    return parts


def measured_part(config: Mapping[str, Any], acts_in_training_only: Callable[[str], bool]) -> dict[str, Any]:
    """The part of ``train`` on which the cost of an inference depends, by dotted path: above all the network's shape.

    Args:
        config: The resolved config of one network.
        acts_in_training_only: Whether a hook of this type does nothing in a test; such custom hooks are left out.
    """
    part: dict[str, Any] = {}

    def walk(node: Any, path: tuple[str, ...]) -> None:
        if path in TRAINING_ONLY or path and stage_of(path) != 'train' and not _is_split(path):
            return
        split = _is_split(path) or any(rule[: len(path)] == path for rule in TRAINING_ONLY)
        if isinstance(node, Mapping) and split:
            for key, value in node.items():
                walk(value, (*path, key))
        else:
            part['.'.join(path)] = _without(node, NOT_IN_INFERENCE) if path[0] == 'model' else node

    walk({key: value for key, value in config.items() if key != 'custom_hooks'}, ())
    part['custom_hooks'] = [
        hook for hook in config.get('custom_hooks') or [] if not acts_in_training_only(hook.get('type', ''))
    ]
    return {path: value for path, value in part.items() if path.rpartition('.')[2] not in NOT_IN_INFERENCE}


def _without(node: Any, names: frozenset[str]) -> Any:
    if isinstance(node, Mapping):
        return {key: _without(value, names) for key, value in node.items() if key not in names}
    if isinstance(node, (list, tuple)):
        return [_without(value, names) for value in node]
    return node


def as_computed(node: Any) -> Any:
    """``node`` without the keys that hold only the place of data, and without what only scores are derived by."""
    if type(node) in PLAIN:
        return node
    if isinstance(node, Mapping):
        kept = node.items()
        if isinstance(node.get('metainfo'), Mapping):
            kept = _without_scoring(node).items()
        return {key: as_computed(value) for key, value in kept if key not in DATA_PATHS}
    if isinstance(node, (list, tuple)):
        return [as_computed(value) for value in node]
    return copy.copy(node)


def _without_scoring(dataset: Mapping[str, Any]) -> dict:
    """A data set's config without what its ``metainfo`` declares for scores; without ``metainfo`` if that is all."""
    kept = {key: value for key, value in dataset['metainfo'].items() if key not in SCORING_METAINFO}
    others = {key: value for key, value in dataset.items() if key != 'metainfo'}
    return {**others, 'metainfo': kept} if kept else others


def with_weights_by_content(node: Any) -> Any:
    """``node`` with the sha256 of each file of initial weights (``load_from``, ``pretrained`` …) in place of its path.

    Call it with a whole config, before the split into parts: in the parts a dotted key hides the name of the value.
    """
    if type(node) in PLAIN:
        return node
    if isinstance(node, Mapping):
        return {
            key: _content(Path(value))
            if key in WEIGHTS and isinstance(value, str) and Path(value).is_file()
            else with_weights_by_content(value)
            for key, value in node.items()
        }
    if isinstance(node, (list, tuple)):
        return [with_weights_by_content(value) for value in node]
    return node


def _content(path: Path) -> str:
    status = path.stat()
    return _sha256(path.absolute(), status.st_size, status.st_mtime_ns)


@cache
def _sha256(path: Path, size: int, mtime_ns: int) -> str:
    """Cached while size and time stamp stay the same, because each stack of a plan asks for the same weights."""
    with open(path, 'rb') as stream:
        return f'sha256 {hashlib.file_digest(stream, "sha256").hexdigest()}'


def refuse_addresses(node: Any, path: str = '') -> None:
    """Refuse values that are identified by their address in memory only: it differs in each run, and so would the key.

    Raises:
        BadInput: The config has such a value; the message names the place of the first one.
    """
    if type(node) in PLAIN:
        return
    if isinstance(node, Mapping):
        for key, value in node.items():
            if type(value) not in PLAIN:  # most values are plain, and a plan makes a million calls
                refuse_addresses(value, f'{path}.{key}' if path else str(key))
    elif isinstance(node, (list, tuple, set, frozenset)):
        for n, value in enumerate(node):
            if type(value) not in PLAIN:
                refuse_addresses(value, f'{path}.{n}')
    elif re.search(r' at 0x[0-9a-fA-F]+', repr(node)) and not isinstance(node, (str, int, float)):
        raise BadInput(
            f"the config's '{path}' is {node!r}, which is another one in every process, so that no result "
            f'could be found again; register it in a module of your own, and give its type by name'
        )


def stage_key(ingredients: Mapping[str, str]) -> str:
    """The key of a stage from its named ingredients (each a digest or a short fact)."""
    return digest(dict(ingredients))[:40]
