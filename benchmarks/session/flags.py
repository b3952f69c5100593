"""The flags of the command line. Nothing heavy is imported here: ``--help`` and a mistyped flag answer at once."""

import argparse
from pathlib import Path

SCRIPT, CONSOLE_COMMAND = 'run_ablation.py', 'segmentation-ablation'
DEFAULT_GRID = Path('configs') / 'grids' / 'quickstart.py'
STORE, NO_STORE = '--store', 'none'
LARGEST_ASKED = -1  # `--tune` without a number


def parse(argv: list[str], root: Path, program: str = SCRIPT) -> argparse.Namespace:
    """Parse the flags; argparse itself exits with status 2 on an unknown flag.

    Args:
        argv: The arguments of the command line.
        root: The folder that holds ``configs/``.
        program: The name by which the program was called.
    """
    parser = argparse.ArgumentParser(
        prog=program,
        description='Train, evaluate and compare stacks of segmentation techniques on a baseline; see README.md.',
        allow_abbrev=False,
    )
    _add_grid(parser, root, 'this script' if program == SCRIPT else 'the installed packages')
    _add_folders(parser)
    _add_changes_of_grid(parser)
    _add_ways_of_running(parser)
    _add_other_commands(parser)
    _add_commands_on_finished_grids(parser)
    return parser.parse_args(argv)


def given_flags(args: argparse.Namespace, root: Path) -> dict[str, str]:
    """The arguments that were given: the name of each in the parsed flags, and how it is written.

    An argument with the value that it has by default counts as not given.
    """
    default = vars(parse([], root))
    given = [name for name, value in vars(args).items() if value != default[name]]
    return {name: 'GRID' if name == 'grid' else f'--{name.replace("_", "-")}' for name in given}


def _add_grid(parser: argparse.ArgumentParser, root: Path, beside: str) -> None:
    parser.add_argument(
        'grid',
        nargs='?',
        type=Path,
        default=root / DEFAULT_GRID,
        help=f'grid file (default: {DEFAULT_GRID} beside {beside})',
    )


def _add_folders(parser: argparse.ArgumentParser) -> None:
    """Where things are read and written."""
    parser.add_argument(
        '--work-dir',
        type=Path,
        default=Path('work_dirs'),
        metavar='DIR',
        help='stage store, caches and data, shared by all grids (default: work_dirs)',
    )
    parser.add_argument(
        STORE,
        metavar='URL',
        help='share the stage store with hosts that have work dirs of their own, through a folder that fsspec reaches, '
        "for example s3://bucket/prefix or sftp://host/folder; 'none' leaves that of the grid out",
    )
    parser.add_argument('--out', type=Path, metavar='DIR', help='records and report (default: WORK_DIR/<grid>)')


def _add_changes_of_grid(parser: argparse.ArgumentParser) -> None:
    """What changes the grid or its baseline."""
    parser.add_argument('--data-root', metavar='DIR', help="data_root of every split of the baseline's data set")
    parser.add_argument(
        '--cfg-options',
        nargs='+',
        metavar='KEY=VALUE',
        default=[],
        help="change the baseline's config, as in mmseg: model.decode_head.dropout_ratio=0.2",
    )
    parser.add_argument('--seeds', type=int, metavar='N', help='seeds per stack, 0 … N-1')
    parser.add_argument(
        '--until-decided',
        action='store_true',
        help='begin with two seeds, and give further ones to the rows whose primary comparisons are open, one at a '
        'time, up to --seeds (default: the seeds of the grid, where above two, or else 10)',
    )
    parser.add_argument(
        '--budget',
        metavar='BUDGET',
        help='with --until-decided: begin no further look that would exceed a wall time, for example 30min or 2h, '
        'GPU-hours, for example 2gpuh, or a number of cells of the grid, for example 500cells',
    )
    parser.add_argument(
        '--tune',
        nargs='?',
        type=int,
        const=LARGEST_ASKED,
        metavar='N',
        help='add tuned rows: choose the values of each technique that has a search among N trials, on the validation '
        'images (without N: the largest number that one of the techniques asks for); all get the same number',
    )


def _add_ways_of_running(parser: argparse.ArgumentParser) -> None:
    """How the stages run."""
    parser.add_argument(
        '--jobs',
        type=int,
        metavar='N',
        help='how many stages run at once (default: one per core; one on each GPU, because the seconds of trainings '
        'that share a GPU cannot be compared); on a GPU never more than fit into its free memory',
    )
    parser.add_argument(
        '--processes-per-training',
        type=int,
        default=1,
        metavar='N',
        help='train each network in N processes of this machine, each on a GPU of its own where there are GPUs, and '
        'each with its share of every batch (default: 1)',
    )
    _add_launchers(parser)
    parser.add_argument('--device', help='cpu, cuda or cuda:N (default: a GPU if there is one)')
    parser.add_argument(
        '--timeout',
        type=float,
        metavar='SECONDS',
        help='end a stage that runs longer (default: one that shows no step, no image and no line in its log for 24 h)',
    )
    parser.add_argument('--retry-failed', action='store_true', help='run stages again that failed before')
    parser.add_argument(
        '--reprofile',
        nargs='*',
        metavar='STACK',
        help='measure latency and memory of these stacks again, for example baseline or cbam+focal (without a STACK: '
        'of all); stacks that share a measurement get the new one together; the earlier one stays until then',
    )
    parser.add_argument(
        '--max-maps',
        metavar='SIZE',
        help='keep at most this size of predicted maps in WORK_DIR, for example 20GB or 0B; the oldest go '
        'first; maps that a refinement still needs stay (default: keep all maps, so that a refinement that is added '
        'later needs no new prediction)',
    )
    parser.add_argument(
        '--no-panels', action='store_true', help='keep no copies of test images in --out, and show none in the report'
    )
    parser.add_argument('--dry-run', action='store_true', help='print what would run and why, then stop')


def _add_launchers(parser: argparse.ArgumentParser) -> None:
    """Where the stages run."""
    parser.add_argument(
        '--launcher',
        choices=('local', 'slurm', 'ray'),
        default='local',
        help='where stages run: in processes of this machine (default); in jobs of a Slurm cluster, which are '
        'submitted, and collected when the same command is run again; or as tasks of a Ray cluster',
    )
    parser.add_argument(
        '--slurm',
        nargs='+',
        metavar='KEY=VALUE',
        default=[],
        help='with --launcher slurm: what jobs ask for, for example partition=gpu gpus=1 time=2h mem=16GB, beside '
        'what the grid says; configs/README.md has the keys',
    )
    parser.add_argument('--address', help='with --launcher ray: the cluster; without it one is started on this machine')
    parser.add_argument(
        '--ray',
        nargs='+',
        metavar='KEY=VALUE',
        default=[],
        help='with --launcher ray: what a stage takes, for example gpus=0.5 cpus=2 memory=8GB, beside what the grid '
        'says',
    )


def _add_other_commands(parser: argparse.ArgumentParser) -> None:
    """What is done instead of a run."""
    parser.add_argument('--report-only', action='store_true', help='make the report anew from the records in --out')
    parser.add_argument(
        '--compare',
        nargs=2,
        type=Path,
        metavar=('BEFORE', 'AFTER'),
        help='compare the records in two output folders, and write to --out which rows moved beyond noise, and what '
        'changed in configs, environment and data',
    )
    parser.add_argument(
        '--check',
        nargs='*',
        metavar='NAME',
        help='check techniques on small pictures, in seconds, and print which are good or broken (without a NAME: all '
        'of configs/techniques, on four small baselines)',
    )
    parser.add_argument(
        '--on-all-baselines',
        action='store_true',
        help='with --check NAME: train and test on all four baselines, not only on the first that the technique fits',
    )
    parser.add_argument(
        '--collect-garbage',
        action='store_true',
        help='remove stored results of WORK_DIR to which no record refers and which no running grid uses (with '
        '--dry-run: only count them)',
    )
    parser.add_argument(
        '--older-than',
        metavar='AGE',
        help='with --collect-garbage: remove only older results, for example older than 12h, 30d or 8w',
    )
    parser.add_argument(
        '--max-size',
        metavar='SIZE',
        help='with --collect-garbage: remove only until the store has this size, for example 500MB or 20GB; the oldest '
        'results go first',
    )


def _add_commands_on_finished_grids(parser: argparse.ArgumentParser) -> None:
    """What is done with the results of a grid that has run."""
    parser.add_argument(
        '--verify',
        nargs=2,
        metavar=('RESULTS', 'CELL'),
        help='run one cell of a finished grid again, from its config in the folder RESULTS, and say whether its counts '
        'are equal; for example results/quickstart baseline__seed0. Exit status 1 says that they are not',
    )
    parser.add_argument(
        '--export',
        metavar='STACK',
        help='write the chosen stack of a finished grid to the folder --out: config, weights, and how to segment new '
        'images. GRID is the grid, whose records are in WORK_DIR/<grid>, or the folder of its records. STACK is a row, '
        'such as cbam+focal, of which the first seed with a result is taken, or a cell, such as cbam+focal__seed1',
    )
