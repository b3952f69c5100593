"""Technique: a named overlay on an mmengine config. Stack: an ordered tuple of techniques; ``()`` is the baseline.

One file in ``configs/techniques/`` is one technique. The file's name is the technique's name:

    title = 'loss (focal)'                                # its name in tables
    description = 'Focal loss instead of cross entropy.'  # one line
    use_when = 'When easy background dominates the loss.'  # one line of guidance; optional
    paper = 'Lin et al., Focal Loss for Dense Object Detection, 2017'
    imports = ['plugins.losses.focal']                    # modules that register the overlay's types
    device = 'any'                                        # or 'cuda', when it needs a GPU
    sibling = 'focal_sigmoid'                             # a technique for baselines that this one does not fit
    search = dict(space=dict(...), trials=30)             # values to choose on validation images; optional
    overlay = dict(model=dict(decode_head=dict(loss_decode=dict(_delete_=True, type='SoftmaxFocalLoss'))))
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path

from mmengine.config import Config

from benchmarks.errors import BadInput, Mistakes, did_you_mean, unknown_names
from benchmarks.stacks.contained import contained
from benchmarks.stacks.search import search_mistakes

Stack = tuple[str, ...]
# A field that only another kind of file has, and the word for that kind.
OTHER_FILES = {'designs': 'a grid', 'model': 'a config', 'train_dataloader': 'a config'}


@dataclass(frozen=True)
class Technique:
    """One row of the techniques table.

    Args:
        name: The file's name without its suffix.
        title: Its name in tables.
        description: One line about its effect.
        overlay: Its changes of a config (see :mod:`benchmarks.stacks.overlay`).
        imports: Modules that register the types in the overlay.
        paper: The paper that proposed it.
        device: ``'any'``, or ``'cuda'`` when it needs a GPU.
        use_when: One line of guidance: when the technique is worth a try, and when it is not.
        sibling: The name of a technique for baselines that this one does not fit; '' without one.
        search: Which of its values may be chosen on validation images (:mod:`benchmarks.stacks.search`); None for none.
    """

    name: str
    title: str
    description: str
    overlay: dict
    imports: list[str] = field(default_factory=list)
    paper: str = ''
    device: str = 'any'
    use_when: str = ''
    sibling: str = ''
    search: dict | None = None


def read_technique(path: Path) -> Technique:
    """Read one technique's file.

    Raises:
        BadInput: The file does not parse, is a grid or a config, or has wrong, missing or unknown fields: all of them
            are named.
    """
    try:
        with contained():
            row = Config.fromfile(path, import_custom_modules=False).to_dict()
    except Exception as error:
        raise BadInput(f'{path} cannot be read: {error}') from error
    known = {f.name for f in fields(Technique)} - {'name'}
    mistakes = [
        f"{path} has a field '{key}' that no technique has{did_you_mean(key, known)}"
        for key in sorted(row.keys() - known)
    ]
    mistakes += [f"{path} lacks the field '{key}'" for key in ('title', 'description', 'overlay') if key not in row]
    if row.get('device', 'any') not in ('any', 'cuda'):
        mistakes.append(f"{path}: device is '{row['device']}'; it is 'any' or 'cuda'")
    if not isinstance(row.get('use_when', ''), str):
        mistakes.append(f'{path}: use_when is {row["use_when"]!r}; it is a line of text')
    if not isinstance(row.get('sibling', ''), str):
        mistakes.append(f"{path}: sibling is {row['sibling']!r}; it is the name of a technique, such as 'cbam_neck'")
    if row.get('search') is not None and isinstance(row.get('overlay'), dict):
        mistakes += search_mistakes(row['search'], row['overlay'], str(path))
    if 'overlay' not in row and row.keys() & OTHER_FILES.keys():
        what = OTHER_FILES[next(key for key in OTHER_FILES if key in row)]
        mistakes = [f'{path} is {what}, not a technique; a technique has the fields title, description and overlay']
    if mistakes:
        raise BadInput(*mistakes)
    return Technique(name=path.stem, **row)


def technique_files(folder: Path, *own: Path) -> dict[str, Path]:
    """The technique files of folders, by the technique's name.

    Args:
        folder: The folder of the techniques that ship.
        own: Folders that a grid names. One that is ``folder`` itself, or is given twice, counts once.

    Raises:
        BadInput: Two folders have techniques of one name; names both files of each.
    """
    files: dict[str, Path] = {}
    mistakes = []
    for place in {path.resolve(): path for path in (folder, *own)}.values():
        for path in sorted(place.glob('*.py')):
            if path.stem in files:
                mistakes.append(
                    f"two techniques are called '{path.stem}': {files[path.stem]} and {path}; rename the file of one"
                )
            files[path.stem] = path
    if mistakes:
        raise BadInput(*mistakes)
    return files


def chosen(known: Mapping[str, Path], names: Iterable[str] | None, asked_by: str, folder: str) -> dict[str, Path]:
    """The files of these names, in the order of the names.

    Args:
        known: Files by name, such as :func:`technique_files` lists them.
        names: The names; None, or no name at all, stands for all files.
        asked_by: The beginning of the error message, before the unknown name; for example a command-line flag.
        folder: The name of the files' folder, for the message.

    Raises:
        BadInput: Names are unknown; all of them are told, with close matches.
    """
    names = list(names or known)
    unknown = [name for name in names if name not in known]
    if len(unknown) == 1:
        name = unknown[0]
        raise BadInput(f"{asked_by} '{name}': there is no {folder}/{name}.py{did_you_mean(name, known)}")
    if unknown:
        raise BadInput(f'{asked_by}: there are no such files in {folder}/: {unknown_names(unknown, known)}')
    return {name: known[name] for name in names}


def load_techniques(folder: Path, names: Iterable[str], own: Iterable[Path] = ()) -> dict[str, Technique]:
    """Read the techniques of these names.

    Args:
        folder: The folder of the techniques that ship.
        names: Names of techniques.
        own: Further folders of techniques.

    Raises:
        BadInput: A technique or its sibling is unknown (close matches are named), or two folders have a technique of
            one name.
    """
    names = list(names)
    if not names:  # a grid of the baseline alone
        return {}
    known = technique_files(folder, *own)
    techniques, mistakes = {}, Mistakes()
    with mistakes.noted():
        chosen(known, names, 'unknown technique', folder.name)
    for name, path in ((name, known[name]) for name in names if name in known):
        with mistakes.noted():
            techniques[name] = read_technique(path)
            refuse_unknown_sibling(techniques[name], known)
    mistakes.refuse()
    return techniques


def refuse_unknown_sibling(technique: Technique, known: Mapping[str, Path]) -> None:
    """Refuse a technique whose sibling is no other technique.

    Args:
        technique: The technique.
        known: The files of all techniques by name.

    Raises:
        BadInput: Names the file, the sibling and close matches.
    """
    name, others = technique.sibling, known.keys() - {technique.name}
    if name and name not in others:
        raise BadInput(
            f"{known[technique.name]}: its sibling '{name}' is no other technique{did_you_mean(name, others)}"
        )
