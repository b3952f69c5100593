"""The pipelines of a config's data sets: the steps that load and change an image and its mask."""

from typing import Any

from benchmarks.stacks.tree import map_tree


def without_masks(node: Any) -> Any:
    """A config, or a part of one, whose pipelines load no masks: images that a model is used on have none."""

    def kept(part: Any) -> Any:
        if isinstance(part, dict):
            return part
        return type(part)(
            step for step in part if not (isinstance(step, dict) and step.get('type') == 'LoadAnnotations')
        )

    return map_tree(node, kept)
