"""Technique: a named overlay on an mmengine config. Stack: an ordered tuple of techniques, ``()`` is the baseline.

One file in ``configs/techniques/`` is one technique, and the file's name is the technique's:

    title = 'loss (focal)'                                # how tables call it
    description = 'Focal loss instead of cross entropy.'  # one line
    use_when = 'When easy background dominates the loss.'  # one line of guidance; optional
    paper = 'Lin et al., Focal Loss for Dense Object Detection, 2017'
    imports = ['plugins.losses.focal']                    # modules that register what the overlay names
    device = 'any'                                        # or 'cuda', when it needs a GPU
    overlay = dict(model=dict(decode_head=dict(loss_decode=dict(_delete_=True, type='SoftmaxFocalLoss'))))
"""

from dataclasses import dataclass, field, fields
from pathlib import Path

from mmengine.config import Config

from benchmarks.errors import BadInput, did_you_mean

Stack = tuple[str, ...]


@dataclass(frozen=True)
class Technique:
    """One row of the techniques table.

    Args:
        name: The file's name without its suffix.
        title: How tables call it.
        description: One line: what it does.
        overlay: What it changes in a config (see :mod:`benchmarks.stacks.compose`).
        imports: Modules that register what the overlay names.
        paper: Where it comes from.
        device: ``'any'``, or ``'cuda'`` when it needs a GPU.
        use_when: One line of guidance: when the technique is worth a try, and when it is not.
    """

    name: str
    title: str
    description: str
    overlay: dict
    imports: list[str] = field(default_factory=list)
    paper: str = ''
    device: str = 'any'
    use_when: str = ''


def read_technique(path: Path) -> Technique:
    """Read one technique's file.

    Raises:
        BadInput: The file does not parse, or has a field that no technique has, or lacks one.
    """
    try:
        row = Config.fromfile(path, import_custom_modules=False).to_dict()
    except Exception as error:
        raise BadInput(f'{path} cannot be read: {error}') from error
    known = {f.name for f in fields(Technique)} - {'name'}
    for key in row.keys() - known:
        raise BadInput(f"{path} has a field '{key}' that no technique has{did_you_mean(key, known)}")
    for key in ('title', 'description', 'overlay'):
        if key not in row:
            raise BadInput(f"{path} lacks the field '{key}'")
    if row.get('device', 'any') not in ('any', 'cuda'):
        raise BadInput(f"{path}: device is '{row['device']}'; it is 'any' or 'cuda'")
    if not isinstance(row.get('use_when', ''), str):
        raise BadInput(f'{path}: use_when is {row["use_when"]!r}; it is a line of text')
    return Technique(name=path.stem, **row)


def load_techniques(folder: Path, names: list[str]) -> dict[str, Technique]:
    """Read the techniques of these names from ``folder``.

    Raises:
        BadInput: A technique is unknown; close matches are named.
    """
    known = {path.stem: path for path in sorted(folder.glob('*.py'))}
    for name in names:
        if name not in known:
            raise BadInput(
                f"unknown technique '{name}': there is no {folder.name}/{name}.py{did_you_mean(name, known)}"
            )
    return {name: read_technique(known[name]) for name in names}
