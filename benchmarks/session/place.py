"""Where the stages of a grid run (``--launcher``): on this machine, in jobs of Slurm, or on a Ray cluster."""

import argparse
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

from benchmarks.errors import BadInput
from benchmarks.run.contract import Launcher
from benchmarks.run.launcher import LocalLauncher
from benchmarks.run.slurm.queue import Queue
from benchmarks.session.devices import choose_device, expose, gpu_slots, slots_of_several
from benchmarks.session.environment import usable_cores

OfGrid = Mapping[str, Mapping[str, Any]]  # what a grid's file gives for each launcher
FILES_OF_SLURM, FILES_OF_RAY = 'slurm', 'ray'  # below the work dir
JOBS_AT_ONCE = 100  # of Slurm; the queue decides how many of them run


@dataclass(frozen=True)
class Place:
    """Where stages run.

    Args:
        device: ``cpu`` or ``cuda``.
        jobs: How many stages run at once.
        local: Starts processes of this machine: the checks and trials before a run, whatever runs the stages.
        launcher: Starts the stages.
        nodes: The kind of machine that stages run on, as text; None for this machine.
        queue: The queue of jobs; None unless the stages run in jobs that nobody waits for.
        shares_gpu: Whether stages share a GPU whose memory this machine does not know.
        gpus: How many GPUs run stages at once; 0 on CPUs, and where a queue decides.
    """

    device: str
    jobs: int
    local: LocalLauncher
    launcher: Launcher
    nodes: str | None = None
    queue: Queue | None = None
    shares_gpu: bool = False
    gpus: float = 0

    @property
    def packs_one_gpu(self) -> bool:
        """Whether several stages at once share the one GPU of this machine."""
        return self.device == 'cuda' and self.jobs > 1 and self.launcher is self.local and not self.local.gpus


def choose_place(args: argparse.Namespace, preload: Sequence[str], of_grid: OfGrid = MappingProxyType({})) -> Place:
    """The place that the flags, and below them the grid, ask for.

    Args:
        args: The flags.
        preload: See :class:`benchmarks.run.launcher.LocalLauncher`.
        of_grid: See :func:`benchmarks.session.grid_place.settings_of_launchers`.

    Raises:
        BadInput: There is no such place, or a flag cannot be read.
    """
    if args.processes_per_training > 1 and args.launcher != 'local':
        raise BadInput(
            f'--processes-per-training {args.processes_per_training}: with --launcher {args.launcher} one process '
            f'trains a network; leave one of both out'
        )
    if args.launcher == 'slurm':
        return _slurm(args, preload, of_grid.get('slurm', {}))
    if args.launcher == 'ray':
        return _ray(args, preload, of_grid.get('ray', {}))
    device = choose_device(args.device)
    each = args.processes_per_training
    gpus = slots_of_several(gpu_slots(device), each, device)
    if gpus and args.jobs is not None and args.jobs > len(gpus):
        slots = 'GPUs' if each == 1 else f'groups of {each} GPUs'
        raise BadInput(
            f'--jobs {args.jobs}: each of the {len(gpus)} {slots} runs one stage at once; give at most {len(gpus)}, or '
            f'--device cuda:0, which packs stages into the memory of one GPU'
        )
    device = expose(device)
    local = LocalLauncher(args.timeout, preload=preload, gpus=gpus)
    jobs = args.jobs or (max(1, len(gpus)) if device == 'cuda' else max(1, usable_cores() // each))
    held = (min(jobs, len(gpus)) or 1) * each  # a slot has as many GPUs as a training has processes
    return Place(device, jobs, local, local, gpus=held if device == 'cuda' else 0)


def _slurm(args: argparse.Namespace, preload: Sequence[str], of_grid: Mapping[str, Any]) -> Place:
    from benchmarks.run.slurm.settings import read_settings

    settings, device = read_settings(args.slurm, _device_elsewhere(args.device), of_grid)
    jobs = args.jobs or JOBS_AT_ONCE
    queue = Queue(args.work_dir / FILES_OF_SLURM / 'logs', settings, jobs)
    local = LocalLauncher(args.timeout, preload=preload)
    return Place(expose(device), jobs, local, local, settings.nodes, queue)


def _ray(args: argparse.Namespace, preload: Sequence[str], of_grid: Mapping[str, Any]) -> Place:
    from benchmarks.run.ray.launcher import RayLauncher
    from benchmarks.run.ray.settings import read_settings

    settings, device = read_settings(args.ray, args.address, _device_elsewhere(args.device), of_grid)
    local = LocalLauncher(args.timeout, preload=preload)
    if args.dry_run and args.address is None:  # a cluster of this machine is started for nothing but to run stages
        return Place(expose(device), args.jobs or usable_cores(), local, local)
    folder = Path(args.work_dir) / FILES_OF_RAY
    launcher = RayLauncher(settings, device, folder, args.timeout)  # before `expose`, which would hide its GPUs
    jobs = args.jobs or launcher.slots()
    nodes = launcher.kind_of_node()
    shares_gpu = device == 'cuda' and settings.gpus < 1
    return Place(expose(device), jobs, local, launcher, nodes, shares_gpu=shares_gpu, gpus=jobs * settings.gpus)


def _device_elsewhere(asked: str | None) -> str | None:
    if asked is not None and not re.fullmatch('cpu|cuda', asked):
        raise BadInput(f'--device {asked}: on a cluster it is cpu or cuda; the cluster deals out the GPUs')
    return asked
