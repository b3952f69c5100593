"""The pipelines of a config's data sets: the steps that load and change an image and its mask."""

from typing import Any

from benchmarks.stacks.tree import map_tree

# A transform called Load… with one of these words in its name, and without 'Image', loads masks alone.
MASKS = ('Annotation', 'Mask', 'Label', 'SegMap')


def without_masks(node: Any) -> Any:
    """A config, or a part of one, whose pipelines load no masks: images that a model is used on have none.

    Transforms that load masks are told by their names, because a plan is made without importing them.
    """

    def kept(part: Any) -> Any:
        if isinstance(part, dict):
            return part
        return type(part)(step for step in part if not (isinstance(step, dict) and _loads_mask(step.get('type'))))

    return map_tree(node, kept)


def _loads_mask(kind: Any) -> bool:
    name = kind.rpartition('.')[2] if isinstance(kind, str) else getattr(kind, '__name__', '')
    return name.startswith('Load') and 'Image' not in name and any(word in name for word in MASKS)
