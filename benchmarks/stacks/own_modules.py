"""Modules that lie beside a grid: they are imported by name, as installed ones are.

Their folders stand last on the path. So a file beside a grid never takes the place of a module that Python, a library
or this checkout has; a module that it would have to replace is refused by name.
"""

import importlib.util
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path

from benchmarks.errors import BadInput
from benchmarks.files import ROOT


def make_importable(folders: Iterable[Path]) -> None:
    """Put folders at the end of the path of this process, and thereby of all processes that it starts.

    This checkout stands before them: an editable install finds it by other means, which come after the path.

    A process that is forked inherits the path; to one that a fork server forks, ``multiprocessing`` hands it.
    """
    known = {str(Path(entry).resolve()) for entry in sys.path}
    sys.path += [str(folder) for folder in dict.fromkeys([ROOT, *folders]) if str(folder) not in known]
    importlib.invalidate_caches()


def refuse_shadowed(modules: Iterable[str], folders: Sequence[Path]) -> None:
    """Refuse a module that lies in one of the folders while another place on the path has one of its name.

    Args:
        modules: Dotted names.
        folders: The folders that :func:`make_importable` got.

    Raises:
        BadInput: Names the file, and what is imported in its place.
    """
    for top in sorted({module.partition('.')[0] for module in modules}):
        own = [place for folder in folders for place in (folder / f'{top}.py', folder / top) if _is_module(place)]
        spec = importlib.util.find_spec(top) if own else None
        found = [Path(place).resolve() for place in _places(spec)] if spec else []
        if own and not any(place.resolve() in found for place in own):
            raise BadInput(
                f"'{top}' is imported by name, and {own[0]} is not what is found: "
                f'{found[0] if found else "Python itself"} comes first; rename the one beside the grid'
            )


def _is_module(place: Path) -> bool:
    return place.is_file() if place.suffix == '.py' else any(place.glob('*.py'))


def _places(spec: importlib.machinery.ModuleSpec) -> list[str]:
    """The file of a module, or the folders of a package."""
    if spec.submodule_search_locations:
        return list(spec.submodule_search_locations)
    return [spec.origin] if spec.has_location and spec.origin else []
