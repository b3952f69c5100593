"""A fingerprint of the plugin code that a part of a config reaches, read from source without importing it.

A type belongs to the module that registers it (``@MODELS.register_module()``), or that it names itself
(``type='package.module.Class'``). The digest of a module is that of its syntax tree without comments and docstrings. A
module reaches all modules that it imports, but for those that an installed distribution holds as it was installed
(:mod:`benchmarks.stacks.installed`).
"""

import ast
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from benchmarks.errors import some_of
from benchmarks.stacks.followed import Follower
from benchmarks.stacks.module_files import code_digest, find, source, tree
from benchmarks.stacks.module_imports import unseen
from benchmarks.stacks.registrations import registered_in, strings_in
from benchmarks.stacks.tree import mappings


class PluginCode:
    """The source of the modules named in ``custom_imports``, and of all own code that they import.

    Args:
        modules: Dotted names.

    Raises:
        BadInput: A module has no source file, or one that does not parse.
    """

    def __init__(self, modules: Iterable[str]) -> None:
        self.modules = sorted(set(modules))
        self.follows = Follower(name.partition('.')[0] for name in map(_with_source, self.modules))
        self._module_of: dict[str, str] = {}
        self._reached: dict[frozenset[str], dict[str, str]] = {}
        self._acting: dict[str, set[str] | None] = {}
        self._all = self.follows.from_modules(self.modules)
        for module in sorted(self._all):
            self._module_of.update(dict.fromkeys(registered_in(module), module))
        self._unclear = {module for module in self.modules if not registered_in(module)}

    @property
    def notes(self) -> list[str]:
        """A note on what the source does not say, such as the name of a module that is computed; or none."""
        places = [place for module in sorted(self._all) if self.follows.enters(module) for place in unseen(module)]
        if not places:
            return []
        return [
            f'code that cannot be followed enters no key: {some_of(places, 5)}. After a change of what is used there, '
            f'change a line of the module that uses it, or the old results are found again'
        ]

    def modules_reached(self, part: Any) -> dict[str, str]:
        """Digest of each module of own code that the types in ``part`` reach, by the module's name.

        A module whose registrations cannot be read from its source counts as reached by every part.

        Args:
            part: A part of a config, as :func:`types_in` takes it.
        """
        types = types_in(part)
        direct = frozenset(
            {self._module_of[name] for name in types if name in self._module_of}
            | {module for name in types for module in _named_by_type(name)}
            | self.follows.in_edited_libraries(types - self._module_of.keys())
            | self._unclear
        )
        if direct not in self._reached:
            reached = filter(self.follows.enters, self._with_built(direct))
            self._reached[direct] = {module: code_digest(_file(module)) for module in sorted(reached)}
        return self._reached[direct]

    def _with_built(self, direct: Iterable[str]) -> set[str]:
        """All that these modules reach, by imports or by a registered name in their code (``dict(type='Other')``)."""
        reached, waiting = set[str](), set(direct)
        while waiting - reached:
            reached |= self.follows.from_modules(waiting)
            waiting = {
                self._module_of[name] for module in reached for name in strings_in(module) if name in self._module_of
            }
        return reached

    def acts_in_test_only(self, hook: str) -> bool:
        """Whether the class registered as ``hook`` defines methods of the test loop only, according to its source.

        For a class with another base class than mmengine's plain ``Hook`` the answer is no: it may inherit methods of
        the training loop.
        """
        acting = self._acting_methods(hook)
        return bool(acting) and all('_test' in name for name in acting or ())

    def acts_in_training_only(self, hook: str) -> bool:
        """As :meth:`acts_in_test_only`, for the training loop and the writing of checkpoints."""
        acting = self._acting_methods(hook)
        return bool(acting) and all('_train' in name or '_save_checkpoint' in name for name in acting or ())

    def _acting_methods(self, hook: str) -> set[str] | None:
        """The methods of the loops that a class defines; None if it may inherit others, or its source is unknown."""
        if hook not in self._acting:
            self._acting[hook] = self._read_acting_methods(hook)
        return self._acting[hook]

    def _read_acting_methods(self, hook: str) -> set[str] | None:
        module = self._module_of.get(hook)
        if module is None:
            return None
        code = tree(source(module))
        for node in ast.walk(code):
            if isinstance(node, ast.ClassDef) and node.name == hook:
                acting = {name for name in _defined(node) if name.lstrip('_').startswith(('before_', 'after_'))}
                return acting if all(_is_plain_hook(base, code) for base in node.bases) else None
        return None


def _defined(node: ast.ClassDef) -> set[str]:
    """Names that the body of a class defines, by ``def`` or by assignment."""
    names = {item.name for item in node.body if isinstance(item, (ast.FunctionDef, ast.AsyncFunctionDef))}
    assigned = [item for item in node.body if isinstance(item, (ast.Assign, ast.AnnAssign))]
    return names | {
        leaf.id
        for item in assigned
        for leaf in ast.walk(item)
        if isinstance(leaf, ast.Name) and isinstance(leaf.ctx, ast.Store)
    }


def _is_plain_hook(base: ast.expr, tree: ast.Module) -> bool:
    if isinstance(base, ast.Attribute):
        return ast.unparse(base) == 'mmengine.hooks.Hook'
    imported = {
        alias.asname or alias.name
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom) and (node.module or '').startswith('mmengine.hooks')
        for alias in node.names
        if alias.name == 'Hook'
    }
    return isinstance(base, ast.Name) and base.id in imported


def types_in(node: Any) -> set[str]:
    """All ``type`` strings in a config, or in parts of one by dotted path (``{'model.type': …}``)."""
    return {
        value
        for part in mappings(node)
        for key, value in part.items()
        if isinstance(value, str) and str(key).rpartition('.')[2] == 'type'
    }


def _with_source(module: str) -> str:
    """The module's name, if it has a source file."""
    source(module)
    return module


def _named_by_type(name: str) -> list[str]:
    """The module of a ``type`` that is no registered name but ``package.module.Class``."""
    module = name.rpartition('.')[0]
    return [module] if module and find(module) else []


def _file(module: str) -> Path:
    path = find(module)
    assert path is not None, f'{module} was followed, so it has a file'
    return path
