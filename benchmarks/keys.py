"""Which config key feeds which stage, and the key under which a stage's result is kept.

A stage's key hashes: its part of the config, its parents' keys, a fingerprint of the data it reads, the code of the
plugin modules that its part's ``type``s reach, torch's and mmseg's major.minor, the device type, and a version number of
the stage. Paths, log levels and titles never enter: they change no number. What :data:`STAGE_OF` does not know counts as
training, because a training too many is cheaper than a stale result.
"""
import copy
import hashlib
import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

# Raised when the code of a stage changes what it stores.
STAGE_VERSIONS = dict(train=1, predict=1, refine=1, profile=1)

NOTHING = 'nothing'
# First match wins; a prefix covers all that is below it.
STAGE_OF: tuple[tuple[tuple[str, ...], str], ...] = (
    (('model', 'test_cfg'), 'predict'),
    (('model', 'data_preprocessor', 'test_cfg'), 'predict'),
    (('test_dataloader',), 'predict'),
    (('test_cfg',), 'predict'),
    (('inference', 'refine'), 'refine'),
    (('inference',), 'predict'),
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
)
# Where data lies; its content enters by fingerprint.
DATA_PATHS = frozenset(('data_root', 'data_prefix', 'ann_file'))
# Where initial weights lie, if it is a file here; its content enters, too.
WEIGHTS = frozenset(('load_from', 'pretrained', 'checkpoint'))


def stage_of(path: tuple[str, ...]) -> str:
    """The stage that the config key at ``path`` feeds."""
    for prefix, stage in STAGE_OF:
        if path[:len(prefix)] == prefix:
            return stage
    return 'train'


def config_parts(config: Mapping[str, Any], acts_in_test_only: Callable[[str], bool]) -> dict[str, dict]:
    """Split a resolved config into the parts of ``train``, ``predict`` and ``refine``, by dotted path.

    Args:
        config: The resolved config.
        acts_in_test_only: Whether a hook of this type does nothing while training; such custom hooks feed ``predict``.
    """
    parts: dict[str, dict] = dict(train={}, predict={}, refine={})

    def walk(node: Any, path: tuple[str, ...]) -> None:
        is_split = any(prefix[:len(path)] == path and len(prefix) > len(path) for prefix, _ in STAGE_OF)
        if isinstance(node, Mapping) and is_split:
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


def without_data_paths(node: Any) -> Any:
    """``node`` without the keys that only say where data lies; of a file of weights the name stays."""
    if isinstance(node, Mapping):
        return {key: Path(value).name if key in WEIGHTS and isinstance(value, str) and Path(value).is_file()
                else without_data_paths(value) for key, value in node.items() if key not in DATA_PATHS}
    if isinstance(node, (list, tuple)):
        return [without_data_paths(value) for value in node]
    return copy.copy(node)


def weight_files(node: Any) -> dict[str, Path]:
    """The files of initial weights that a config names (``load_from``, ``pretrained``, ``init_cfg``), by their name."""
    found: dict[str, Path] = {}
    if isinstance(node, Mapping):
        for key, value in node.items():
            if key in WEIGHTS and isinstance(value, str) and Path(value).is_file():
                found[Path(value).name] = Path(value)
            else:
                found.update(weight_files(value))
    elif isinstance(node, (list, tuple)):
        for value in node:
            found.update(weight_files(value))
    return found


def digest(value: Any) -> str:
    """sha256 of a value's canonical JSON; tuples count as lists, the order of dict keys does not count."""
    text = json.dumps(value, sort_keys=True, separators=(',', ':'), default=repr)
    return hashlib.sha256(text.encode()).hexdigest()


def stage_key(ingredients: Mapping[str, str]) -> str:
    """The key of a stage from its named ingredients (each a digest or a short fact)."""
    return digest(dict(ingredients))[:40]
