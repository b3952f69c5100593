"""One label of void pixels: what the training data set declares holds for every part of a config.

The data set's ``ignore_index`` is the source (255 where it declares none). Heads, losses, transforms and metrics that
leave void pixels out must name the same label. Transforms and preprocessors that fill pixels must fill them with it, or
with a class. mmseg gives each of them a default of its own, 255, so a data set with another void label must be named in
all of them.
"""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, NamedTuple

from benchmarks.errors import BadInput
from benchmarks.preflight.legality import Registries
from benchmarks.preflight.typed import default_of, typed, value_of
from benchmarks.stacks.tree import mappings

LEAVES_OUT = ('ignore_index', 'ignore_label')  # arguments that name the label to leave out
FILLS = ('seg_pad_val', 'seg_fill', 'seg_fill_in', 'pad_val')  # arguments that name the label of filled pixels
LOADED_AS_VOID = 255  # what mmseg writes for labels that reduce_zero_label or a selection of classes drop
PARTS = ('train_dataloader.dataset', 'test_dataloader.dataset', 'model', 'test_evaluator')


class Named(NamedTuple):
    """A label that a part of a config names.

    Args:
        path: Dotted path of the argument.
        label: Its value.
        default: The type whose default it is; '' if the config sets it.
    """

    path: str
    label: int
    default: str

    def __str__(self) -> str:
        return f'{self.path} is {self.label}' + (f' (the default of {self.default})' if self.default else '')


def check_void_label(config: dict, origin: str, registries: Registries) -> None:
    """Refuse a config whose parts name different labels of void pixels.

    Args:
        config: A resolved config.
        origin: The name of the config in messages.
        registries: Looks types up.

    Raises:
        BadInput: Names the keys that disagree, and the cure.
    """
    void, *others = _data_sets(config, registries)
    classes = _num_classes((config.get('model') or {}).get('decode_head'))
    for part in PARTS:
        for path, node, cls in typed(_at(config, part), part, registries):
            others += [name for name in _left_out(node, cls, path)]
            others += [name for name in _filled(node, cls, path) if not 0 <= name.label < classes]
    wrong = [other for other in dict.fromkeys(others) if other.label != void.label]
    if wrong:
        raise BadInput(
            f'{origin}: {void}, but {"; ".join(map(str, wrong))}. These are one label, that of void pixels in the '
            f'masks: if it is {void.label}, set the latter to {void.label}, otherwise set ignore_index of all data sets'
        )
    _refuse_loaded_void(config, void, origin, registries)


def _data_sets(config: dict, registries: Registries) -> list[Named]:
    """The void label of each data set; the first one is the source."""
    found = []
    for part in PARTS[:2]:
        named = [
            name
            for path, node, cls in typed(_at(config, part), part, registries)
            if hasattr(cls, 'METAINFO')
            for name in _left_out(node, cls, path)
        ]
        found += named or [Named(f'{part}.ignore_index', 255, 'every data set')]
    return found


def _refuse_loaded_void(config: dict, void: Named, origin: str, registries: Registries) -> None:
    if void.label == LOADED_AS_VOID:
        return
    for part in PARTS[:2]:
        steps = list(mappings(_at(config, part)))  # of a wrapper that loads the images of data sets without a pipeline
        for path, node, cls in typed(_at(config, part), part, registries):
            if not hasattr(cls, 'METAINFO'):
                continue
            key = _key_that_drops_labels(node, cls, node.get('pipeline', steps))
            if key:
                raise BadInput(
                    f'{origin}: {path}.{key} drops labels, and mmseg loads dropped labels as {LOADED_AS_VOID}, but '
                    f'{void}. Set ignore_index of data sets, heads, losses and metrics, and seg_pad_val, to '
                    f'{LOADED_AS_VOID}; where masks hold {void.label} too, write it as {LOADED_AS_VOID} in the masks'
                )


def _key_that_drops_labels(node: Mapping, cls: Any, pipeline: Iterable) -> str | None:
    loads = any(isinstance(step, Mapping) and step.get('type') == 'LoadAnnotations' for step in pipeline)
    if loads and value_of(node, cls, 'reduce_zero_label', ''):
        return 'reduce_zero_label'
    classes = (node.get('metainfo') or {}).get('classes')
    known = cls.METAINFO.get('classes')
    return 'metainfo.classes' if classes and known and not set(known) <= set(classes) else None


def _left_out(node: Mapping, cls: Any, path: str) -> Iterator[Named]:
    if value_of(node, cls, 'cat_max_ratio', 0) == 1:
        return  # mmseg's RandomCrop looks at labels only below this ratio
    for key in LEAVES_OUT:
        yield from _named(node, cls, path, key)


def _filled(node: Mapping, cls: Any, path: str) -> Iterator[Named]:
    for key in FILLS:
        default = default_of(cls, key)
        if isinstance(default, Mapping) and 'seg' in default:  # mmcv's Pad: dict(img=…, seg=…)
            given = node.get(key)
            given = given if isinstance(given, Mapping) else {}
            label = given.get('seg', default['seg'])
            yield Named(f'{path}.{key}.seg', label, '' if 'seg' in given else cls.__name__)
        elif key != 'pad_val':
            yield from _named(node, cls, path, key)


def _named(node: Mapping, cls: Any, path: str, key: str) -> Iterator[Named]:
    label = value_of(node, cls, key, None)
    if isinstance(label, int) and not isinstance(label, bool):  # None: there is no void pixel
        yield Named(f'{path}.{key}', label, '' if key in node else cls.__name__)


def _at(config: Any, path: str) -> Any:
    for key in path.split('.'):
        config = (config or {}).get(key)
    return config


def _num_classes(head: Any) -> int:
    """The number of classes of a decode head, a cascade or a wrapped head; 0 if none says it."""
    if isinstance(head, (list, tuple)):
        return max(map(_num_classes, head), default=0)
    if not isinstance(head, Mapping):
        return 0
    return head['num_classes'] if 'num_classes' in head else max(map(_num_classes, head.values()), default=0)
