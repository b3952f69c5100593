"""The protocol: config values that every cell of a grid gets, so that arms are comparable.

The values are in ``configs/_base_/protocol.py``.
"""

import copy
from collections.abc import Mapping
from typing import Any

from benchmarks.stacks.imports import imported_modules
from benchmarks.stacks.merging import merge
from benchmarks.stacks.module_files import has_source
from benchmarks.stacks.tree import map_tree, mappings

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
