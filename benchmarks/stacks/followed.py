"""Which modules a module reaches by its imports, and which of them are code whose digest belongs in a key."""

from collections.abc import Iterable

from benchmarks.stacks.installed import LIBRARIES, edited_modules, is_own, library_modules
from benchmarks.stacks.module_files import find, has_code
from benchmarks.stacks.module_imports import imports_of, packages_above
from benchmarks.stacks.registrations import registered_in


class Follower:
    """Follows imports through own code.

    Through mmengine, mmcv and mmseg it follows them only where one of these was edited in place or is an editable
    install; what reaches the edited modules is known no other way.

    Args:
        packages: Top-level packages that count as own code, wherever they are installed: a config names their modules.
    """

    def __init__(self, packages: Iterable[str]) -> None:
        self.packages = set(packages) - set(LIBRARIES)
        self.edited = {library: edited_modules(library) for library in LIBRARIES}
        self._enters: dict[str, bool] = {}
        self._in_libraries: dict[str, set[str]] = {}

    def enters(self, module: str) -> bool:
        """Whether the module's code may change while no version changes."""
        if module not in self._enters:
            self._enters[module] = module.partition('.')[0] in self.packages or is_own(module)
        return self._enters[module]

    def from_modules(self, modules: Iterable[str]) -> set[str]:
        """``modules`` and all that they import, directly or not, as far as imports are followed.

        Of a package whose ``__init__`` only runs because one of its modules is imported, modules that register types
        are not followed: they act where a config names their types.
        """
        whole, above = set[str](), set[str]()
        waiting = [(module, True) for module in modules]
        while waiting:
            module, wholly = waiting.pop()
            if module in whole or (module in above and not wholly) or not self._follows(module):
                continue
            (whole if wholly else above).add(module)
            imported = (name for name in imports_of(module) if wholly or not registered_in(name))
            waiting += [(name, wholly or not _is_package(name)) for name in imported]
            waiting += [(name, False) for name in packages_above(module) if self.enters(name)]
        return whole | {module for module in above if has_code(module)}

    def _follows(self, module: str) -> bool:
        return self.enters(module) or (any(self.edited.values()) and module.partition('.')[0] in LIBRARIES)

    def in_edited_libraries(self, types: Iterable[str]) -> set[str]:
        """The modules of the libraries that register these types; of an edited mmengine, which runs all, every module.

        Nothing, if no library was edited.
        """
        if not any(self.edited.values()):
            return set()
        found = set(self.edited['mmengine'])
        for name in types:
            if name not in self._in_libraries:
                self._in_libraries[name] = {
                    module
                    for module, text in library_modules().items()
                    if name in text and name in registered_in(module)
                }
            found |= self._in_libraries[name]
        return found


def _is_package(module: str) -> bool:
    path = find(module)
    return path is not None and path.name == '__init__.py'
