"""The commands on finished grids, ``--verify``, ``--export``, ``--compare``: their flags, and the folder of records."""

import argparse
from contextlib import suppress
from pathlib import Path

from benchmarks.errors import BadInput
from benchmarks.files import read_json
from benchmarks.session.flags import given_flags

# The other arguments that each command reads.
GOES_WITH = dict(
    verify=('work_dir', 'data_root', 'device', 'jobs', 'timeout'), export=('grid', 'work_dir', 'out'), compare=('out',)
)


def refuse_flags_of_runs(args: argparse.Namespace, root: Path) -> None:
    """Refuse what a command on a finished grid does not read; nothing happens without such a command.

    Raises:
        BadInput: Names each flag that does not go with the command, and what is missing.
    """
    given = given_flags(args, root)
    command = next((name for name in GOES_WITH if name in given), None)
    if command is None:
        return
    known = GOES_WITH[command]
    others = [flag for name, flag in given.items() if name not in (command, *known)]
    flags = ', '.join('GRID' if name == 'grid' else f'--{name.replace("_", "-")}' for name in known)
    mistakes = [f'{flag} does not go with --{command}, which takes {flags}; leave it out' for flag in others]
    if command == 'export' and args.out is None:
        mistakes.append(
            f'--export {args.export} needs the folder to write: python run_ablation.py [GRID] --export STACK --out DIR'
        )
    if mistakes:
        raise BadInput(*mistakes)


def finished_folder(given: Path, work_dir: Path) -> Path:
    """The folder of a finished grid's records.

    Args:
        given: That folder itself, or the file of the grid, whose records are in ``work_dir``.
        work_dir: The work dir.

    Raises:
        BadInput: There are no records, or they are another grid's.
    """
    from benchmarks.plan.grid import read_grid
    from benchmarks.session.owner import refuse_another_grids_folder

    if given.is_dir():
        out = given
    else:
        grid = read_grid(given)
        out = work_dir / grid.name
        refuse_another_grids_folder(grid, out)
    if not (out / 'grid.json').is_file():
        raise BadInput(f'{out} holds no records of a grid; run the grid first, or name the folder that its --out named')
    return out


def own_module_folders(out: Path) -> list[Path]:
    """The folders of modules of one's own that a finished grid imports; none where its file is gone, or unreadable."""
    from benchmarks.plan.grid import read_grid
    from benchmarks.session.owner import SOURCE

    written = (read_json(out / 'grid.json') or {}).get(SOURCE) or {}
    file = (out / written.get('file', '')).resolve()
    if not file.is_file():
        return []
    with suppress(BadInput):
        return read_grid(file).module_folders
    return []
