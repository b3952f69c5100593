"""Keeps what mmengine writes in the working folder of a stage, whatever places the config names."""

from collections.abc import Mapping
from typing import Any

from benchmarks.stacks.tree import map_tree

PARTS = ('default_hooks', 'custom_hooks', 'visualizer', 'vis_backends')
PLACES = ('out_dir', 'save_dir')  # as mmengine's hooks, visualizers and their backends call them


def written_inside(config: Mapping[str, Any]) -> dict[str, Any]:
    """A config without places to write to; mmengine then writes below ``work_dir``.

    A stage keeps what it stores, and nothing else: a checkpoint that went elsewhere would be missing in its result, and
    stages of many cells would write over each other's files there.
    """

    def without_places(node: Any) -> Any:
        return {key: value for key, value in node.items() if key not in PLACES} if isinstance(node, dict) else node

    return {
        name: map_tree(value, without_places) if name in PARTS and value is not None else value
        for name, value in config.items()
    }
