"""Is this key legal? Checks every key that an overlay or ``--cfg-options`` sets, before anything is trained.

A key is legal if the base config has it, or if it is a parameter of the nearest enclosing registered ``type`` (along
the MRO, as far as each ``__init__`` passes ``**kwargs`` on) or of mmengine's Runner, or if it is reserved
(``inference`` …). A dict without a ``type`` takes the keys that the baseline has there, unless the whole dict is
replaced (``_delete_=True``). The check imports torch and mmseg, which takes seconds, so the caller remembers its
result.
"""

import difflib
import inspect
from collections.abc import Iterator, Mapping
from typing import Any

from benchmarks.errors import BadInput, did_you_mean
from benchmarks.stacks.imports import MMSEG, import_quietly
from benchmarks.stacks.marks import DELETE, EACH, INSERT, KEEP, MARKS, WRAP, changes_list, wraps
from benchmarks.stacks.references import is_reference

# Keys that builders remove from a typed dict before they call its class.
BUILDER_KEYS = frozenset(('type', '_scope_', 'priority', 'requires_grad', 'convert_to_iter_based', 'override', 'order'))
# The keys that mmengine and mmseg read from dicts without a `type`.
UNTYPED: Mapping[tuple[str, ...], frozenset[str]] = {
    ('inference',): frozenset(('views', 'refine', 'merge', 'views_per_batch')),
    ('randomness',): frozenset(('seed', 'diff_rank_seed', 'deterministic')),
    ('env_cfg',): frozenset(('cudnn_benchmark', 'mp_cfg', 'dist_cfg', 'resource_limit')),
    ('custom_imports',): frozenset(('imports', 'allow_failed_imports')),
    ('ensemble',): frozenset(('seeds', 'members', 'last_checkpoints')),
    ('teacher',): frozenset(('data', 'unlabelled', 'confidence')),
    ('auto_scale_lr',): frozenset(('enable', 'base_batch_size')),
}
# As above, as long as the code that reads them is mmengine's and mmseg's own: (where its type stands, the keys).
READ_BY: Mapping[tuple[str, ...], tuple[tuple[str, ...], frozenset[str]]] = {
    ('optim_wrapper', 'paramwise_cfg'): (
        ('optim_wrapper', 'constructor'),
        frozenset(
            (
                'custom_keys',
                'bias_lr_mult',
                'bias_decay_mult',
                'norm_decay_mult',
                'dwconv_decay_mult',
                'flat_decay_mult',
                'bypass_duplicate',
                'dcn_offset_lr_mult',
                'force_default_settings',
                'num_layers',
                'decay_rate',
                'layer_decay_rate',
                'decay_type',
            )
        ),
    ),
    ('model', 'test_cfg'): (
        ('model', 'type'),
        frozenset(('mode', 'crop_size', 'stride', 'subdivision_steps', 'subdivision_num_points', 'scale_factor')),
    ),
    ('model', 'train_cfg'): (
        ('model', 'type'),
        frozenset(('sampler', 'num_points', 'oversample_ratio', 'importance_sample_ratio')),
    ),
}
OWN_PACKAGES = ('mmengine', 'mmseg')
NAMES_SHOWN = 8
LOOPS: Mapping[tuple[str, ...], tuple[str, ...]] = {
    ('train_cfg',): ('IterBasedTrainLoop', 'EpochBasedTrainLoop'),
    ('val_cfg',): ('ValLoop',),
    ('test_cfg',): ('TestLoop',),
}
LOADER_KEYS = frozenset(('dataset', 'sampler', 'num_batch_per_epoch', 'batch_sampler', 'collate_fn', 'worker_init_fn'))
FREE_NAMES = (('inference', 'views'), ('inference', 'refine'), ('default_hooks',))


class Registries:
    """The classes that mmseg's registries know, by name."""

    def __init__(self) -> None:
        for module in MMSEG:
            import_quietly(module)
        from mmengine.registry import init_default_scope

        init_default_scope('mmseg')
        registry = import_quietly('mmseg.registry')
        self._registries = [getattr(registry, name) for name in registry.__all__]

    def find(self, name: str) -> Any:
        """The class or function registered under ``name`` in any registry, or None."""
        for registry in self._registries:
            for level in self._levels(registry):
                if name in level.module_dict:
                    return level.module_dict[name]
        return None

    def names(self) -> list[str]:
        """All registered names."""
        return sorted(
            {name for registry in self._registries for level in self._levels(registry) for name in level.module_dict}
        )

    @staticmethod
    def _levels(registry: Any) -> Iterator[Any]:
        while registry is not None:
            yield registry
            registry = registry.parent


def parameters(cls: Any) -> frozenset[str]:
    """Names of the arguments of ``cls``: its ``__init__``'s, and its bases' as far as ``**kwargs`` are passed on."""
    names: set[str] = set()
    for owner in inspect.getmro(cls) if inspect.isclass(cls) else [cls]:
        init = vars(owner).get('__init__') if inspect.isclass(owner) else owner
        if init is None:
            continue
        signature = inspect.signature(init).parameters.values()
        names |= {p.name for p in signature if p.kind in (p.POSITIONAL_OR_KEYWORD, p.KEYWORD_ONLY)}
        if not any(p.kind is p.VAR_KEYWORD for p in signature):
            break
    return frozenset(names - {'self'})


class KeyChecker:
    """Checks overlays against a base config.

    Args:
        registries: Looks types up; the overlay's modules must have been imported.
    """

    def __init__(self, registries: Registries) -> None:
        self.registries = registries
        self._whole: dict = {}
        self._mistakes: list[str] = []

    def check(self, overlay: dict, base: dict, merged: dict, origin: str) -> None:
        """Check every key of ``overlay``.

        Args:
            overlay: The keys that a technique or ``--cfg-options`` sets.
            base: The config before the overlay.
            merged: The config with the overlay.
            origin: The technique or flag that sets the keys, for the message.

        Raises:
            BadInput: Keys are not legal; names all of them, with close matches.
        """
        self._whole, self._mistakes = merged, []
        for key, node in overlay.items():
            self._check(node, base.get(key), merged.get(key), (key,), origin)
        if self._mistakes:
            raise BadInput(*self._mistakes)

    def _check(self, node: Any, base: Any, merged: Any, path: tuple[str, ...], origin: str) -> None:
        if is_reference(node):
            return  # the reference takes its value from the baseline or the model
        if changes_list(node):
            self.check_value([*node.get(INSERT, []), *(merged if EACH in node else [])], path, origin)
        elif wraps(node):
            self._check_wrapper(node, path, origin)
        elif isinstance(node, dict) and isinstance(base, list) and base and isinstance(merged, list):
            self._check(node, base[-1], merged[-1], path, origin)
        elif isinstance(node, dict):
            self._check_dict(node, base if isinstance(base, dict) else {}, merged, path, origin)
        else:
            self.check_value(node, path, origin)

    def _check_wrapper(self, node: dict, path: tuple[str, ...], origin: str) -> None:
        if not isinstance(node.get('type'), str):
            self._mistakes.append(
                f"{origin}: '{'.'.join(path)}' wraps the value there, but has no type; give the type that "
                f"takes that value as its '{node[WRAP]}'"
            )
            return
        self.check_value({node[WRAP]: None, **{key: value for key, value in node.items() if key != WRAP}}, path, origin)

    def _check_dict(self, node: dict, base: dict, merged: dict, path: tuple[str, ...], origin: str) -> None:
        if isinstance(merged.get('type'), str):
            self._check_typed(merged, path, origin)
        else:
            self._check_untyped(node, base, path, origin)
        for key, value in node.items():
            if key not in MARKS:
                self._check(value, base.get(key), merged.get(key), (*path, key), origin)

    def _check_untyped(self, node: dict, base: dict, path: tuple[str, ...], origin: str) -> None:
        if path in FREE_NAMES:
            return
        legal = self._keys_of_untyped(path)
        if legal is None and (node.get(DELETE) or KEEP in node or not base):
            return  # the dict replaces the baseline's
        legal = (legal or frozenset()) | base.keys()
        for key in sorted(node.keys() - legal - MARKS):
            place = '.'.join(path)
            self._mistakes.append(
                f"{origin}: '{place}.{key}' is not a legal key: the baseline's '{place}' has no '{key}'"
                f'{did_you_mean(key, legal)}; to give another set of keys, replace the dict with {DELETE}=True'
            )

    def _keys_of_untyped(self, path: tuple[str, ...]) -> frozenset[str] | None:
        """The keys that mmengine reads from an untyped dict at this place; None where that is not known."""
        if path in UNTYPED:
            return UNTYPED[path]
        if path in READ_BY:
            reader, keys = READ_BY[path]
            return keys if self._is_own(self._whole.get(reader[0], {}).get(reader[1])) else None
        if len(path) == 1 and path[0].endswith('_dataloader'):
            import torch.utils.data

            return parameters(torch.utils.data.DataLoader) | LOADER_KEYS
        if path in LOOPS:
            return frozenset().union(*(parameters(self.registries.find(name)) for name in LOOPS[path])) | {'by_epoch'}
        return None

    def _is_own(self, kind: Any) -> bool:
        """Whether a type belongs to mmengine or mmseg; no type means mmengine's default."""
        cls = self.registries.find(kind) if isinstance(kind, str) else None
        return kind is None or getattr(cls, '__module__', '').partition('.')[0] in OWN_PACKAGES

    def _parameters_passed_on(self, cls: Any, node: dict) -> frozenset[str]:
        """Arguments of the object that ``cls`` builds from ``**kwargs``; an argument ``…_type`` names its class."""
        signature = inspect.signature(cls).parameters.values()
        if not any(p.kind is p.VAR_KEYWORD for p in signature):
            return frozenset()
        inner = [
            self.registries.find(node.get(p.name, p.default))
            for p in signature
            if p.name.endswith('_type') and isinstance(node.get(p.name, p.default), str)
        ]
        return frozenset().union(*(parameters(found) for found in inner if found is not None))

    @staticmethod
    def _constructor_keys(owner: str | None) -> frozenset[str]:
        """The keys that mmengine's optimizer constructor reads from an optimizer wrapper's config."""
        wraps = owner and owner.endswith('OptimWrapper')
        return frozenset(('optimizer', 'constructor', 'paramwise_cfg')) if wraps else frozenset()

    def _check_typed(self, node: dict, path: tuple[str, ...], origin: str) -> None:
        """Check a dict with a ``type``: all its keys, the baseline's included, must be arguments of the type."""
        kind = node['type']
        cls = self.registries.find(kind)
        place = '.'.join(path)
        if cls is None:
            self._mistakes.append(
                f"{origin}: '{place}' has the type '{kind}', which nothing registers"
                f'{_near(kind, self.registries.names())}; a module of your own goes into `imports`'
            )
            return
        legal = parameters(cls) | self._parameters_passed_on(cls, node) | self._constructor_keys(kind) | BUILDER_KEYS
        for key in sorted(node.keys() - legal - MARKS):
            self._mistakes.append(
                f"{origin}: '{place}.{key}' is not a legal key: '{kind}' takes no '{key}'"
                f'{did_you_mean(key, legal - BUILDER_KEYS)}; if it is left over from the baseline, '
                f'replace the whole dict with {DELETE}=True'
            )

    def check_value(self, value: Any, path: tuple[str, ...], origin: str) -> None:
        """Check the typed dicts inside a value that replaces another one (a list of transforms, an inserted hook)."""
        if isinstance(value, dict):
            if isinstance(value.get('type'), str):
                self._check_typed(value, path, origin)
            for key, inner in value.items():
                self.check_value(inner, (*path, key), origin)
        elif isinstance(value, (list, tuple)):
            for inner in value:
                self.check_value(inner, path, origin)


def _near(name: str, registered: list[str]) -> str:
    """Like ``did_you_mean``, for hundreds of names: shows only the nearest names."""
    near = difflib.get_close_matches(name, registered, n=NAMES_SHOWN, cutoff=0.6)
    if near:
        return did_you_mean(name, near)
    shown = difflib.get_close_matches(name, registered, n=NAMES_SHOWN, cutoff=0.0)
    return f' (of {len(registered)} registered names the nearest are: {", ".join(sorted(shown))})'
