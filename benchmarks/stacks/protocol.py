"""The protocol: config values that every cell of a grid gets, so that arms are comparable.

The values are in ``configs/_base_/protocol.py``.
"""

import copy
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from benchmarks.errors import BadInput
from benchmarks.stacks.imports import imported_modules
from benchmarks.stacks.merging import merge
from benchmarks.stacks.module_files import has_source
from benchmarks.stacks.several_networks import members
from benchmarks.stacks.tree import map_tree, mappings

if TYPE_CHECKING:
    from benchmarks.stacks.technique import Stack, Technique  # which imports mmengine's config

WRAPPERS = ('paired_dataset', 'paired_samplers')


def apply_protocol(base: dict, protocol: dict, device: str) -> tuple[dict, list[str]]:
    """Put the baseline under the protocol, before any technique.

    Args:
        base: The baseline's resolved config.
        protocol: The values of ``configs/_base_/protocol.py``.
        device: ``'cpu'`` or ``'cuda…'``. Synchronised batch norm cannot run on the CPU; it becomes batch norm there.

    Returns:
        The baseline's config under the protocol, and a sentence for each change that a reader of the report must know.
    """
    notes = []
    hooks, imports = base.get('custom_hooks') or [], imported_modules(base)
    may_fail = bool((base.get('custom_imports') or {}).get('allow_failed_imports'))
    absent = [module for module in imports if may_fail and not has_source(module)]
    if absent:
        notes.append(
            f"{', '.join(absent)} of the baseline's custom_imports cannot be found and is left out, as its "
            f'allow_failed_imports allows'
        )
    if base.get('resume'):
        notes.append('the baseline resumes a training (resume=True); the grid starts every training anew')
    changes = {key: value for key, value in protocol.items() if key not in WRAPPERS}
    config = merge(base, changes)
    checkpoint = config['default_hooks']['checkpoint']
    checkpoint.setdefault('type', 'CheckpointHook')  # mmengine's default
    if checkpoint.pop('save_best', None):
        notes.append(
            'the baseline selects its best checkpoint by validation; the grid uses the last checkpoint of every arm'
        )
    config['custom_hooks'] = copy.deepcopy([*protocol['custom_hooks'], *hooks])
    config['custom_imports'] = dict(
        imports=sorted({*imports, *protocol['custom_imports']['imports']} - {*absent}), allow_failed_imports=may_fail
    )
    config.pop('work_dir', None)
    if device == 'cpu' and any(map(_is_sync_bn, mappings(config))):
        config = map_tree(config, lambda node: {**node, 'type': 'BN'} if _is_sync_bn(node) else node)
        notes.append('SyncBN of the baseline runs as BN: on the CPU there is nothing to synchronise')
    return config, notes


def refuse_lost_hooks(
    composed: 'Mapping[Stack, dict]', techniques: 'Mapping[str, Technique]', protocol: Mapping[str, Any]
) -> None:
    """Refuse techniques whose own ``custom_hooks`` stand in the place of the protocol's: arms would not be comparable.

    Args:
        composed: The resolved config of each stack.
        techniques: Techniques by name.
        protocol: The values of ``configs/_base_/protocol.py``.

    Raises:
        BadInput: Names the technique, the hooks that are lost, and the way to add a hook.
    """
    mistakes = []
    for stack, config in composed.items():
        of_networks = [part.get('custom_hooks') or [] for part in (config, *(one.config for one in members(config)))]
        kept = [{hook.get('type') for hook in hooks} for hooks in of_networks]
        lost = [hook['type'] for hook in protocol['custom_hooks'] if not all(hook['type'] in types for types in kept)]
        if lost:
            culprits = [name for name in stack if isinstance(techniques[name].overlay.get('custom_hooks'), list)]
            named = ' or '.join(f"technique '{name}'" for name in culprits or stack)
            mistakes.append(
                f'{named} replaces custom_hooks, so that {" and ".join(lost)} of every arm would be lost; add hooks by '
                f'custom_hooks=dict(_insert_=[...])'
            )
    if mistakes:
        raise BadInput(*mistakes)


def pair_training_data(config: dict, protocol: dict) -> dict:
    """Wrap the training data set and replace mmengine's samplers, so that every arm draws the same samples."""
    loader = dict(config['train_dataloader'])
    loader['dataset'] = {**protocol['paired_dataset'], 'dataset': loader['dataset']}
    sampler = loader.get('sampler') or {}
    paired = protocol['paired_samplers'].get(sampler.get('type'))
    if paired:
        loader['sampler'] = {**paired, 'shuffle': sampler.get('shuffle', True)}
    return {**config, 'train_dataloader': loader}


def with_seed(config: dict, seed: int) -> dict:
    """The config of the cell with this seed."""
    return {**config, 'randomness': {**(config.get('randomness') or {}), 'seed': seed}}


def _is_sync_bn(node: Any) -> bool:
    return isinstance(node, Mapping) and node.get('type') == 'SyncBN'
