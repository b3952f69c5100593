"""Is anything chosen by scores on the test images? A training validates only if a technique asks for it.

The protocol takes the baseline's validation away, and the last checkpoint is the result. A technique can bring a
validation back, and a hook or schedule that reads its score: a checkpoint that is best, an early stop, a learning rate
that falls on a plateau.
"""

from collections.abc import Iterator, Mapping
from typing import Any

from benchmarks.data.dataset_configs import lists_same_images
from benchmarks.stacks.tree import walk

READERS = ('default_hooks', 'custom_hooks', 'param_scheduler')
SAVE_BEST = 'save_best'
SCORES = (SAVE_BEST, 'monitor')  # arguments that name a score


def selected_on_test(config: Mapping[str, Any]) -> list[str]:
    """The parts of a training's config that read a score on the test images, each as ``path=value``.

    Args:
        config: A resolved config.
    """
    validated = (config.get('val_dataloader') or {}).get('dataset')
    if not validated or config.get('val_cfg') is None:
        return []
    if not lists_same_images(validated, config['test_dataloader']['dataset']):
        return []
    return list(_readers(config))


def _readers(config: Mapping[str, Any]) -> Iterator[str]:
    for key in READERS:
        for path, value in walk(config.get(key), (key,)):
            if (path[-1] in SCORES and value) or (path[-1] == 'type' and 'ReduceOnPlateau' in str(value)):
                yield f'{".".join(map(str, path))}={value!r}'
