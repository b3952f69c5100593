"""The queue of jobs, through submitit: arrays go in, the states of jobs come out.

submitit requeues nothing here, because a site whose pre-emption cancels (``PreemptMode=CANCEL``) would not begin the
job again: the next invocation submits what is missing.
"""

import os
import shlex
import subprocess
from collections.abc import Sequence
from pathlib import Path
from types import ModuleType
from typing import Any

from benchmarks.errors import BadInput
from benchmarks.files import ROOT
from benchmarks.run.launcher import SAFE_PATH
from benchmarks.run.slurm.job import SIGNAL_BEFORE_S, Job, run_job
from benchmarks.run.slurm.settings import SlurmSettings
from benchmarks.stages.huge_pages import environment_of_a_start

# A job in one of these states waits, runs or will run again; of UNKNOWN nothing is known yet.
LIVE = frozenset(
    ('PENDING', 'RUNNING', 'REQUEUED', 'REQUEUE_FED', 'REQUEUE_HOLD', 'RESIZING', 'SUSPENDED', 'CONFIGURING')
    + ('COMPLETING', 'SIGNALING', 'STAGE_OUT', 'SPECIAL_EXIT', 'STOPPED', 'READY', 'UNKNOWN')
)
GONE = 'GONE'  # the queue does not have it, and no account tells how it ended


def import_submitit() -> ModuleType:
    """submitit, which only those need who run on Slurm.

    Raises:
        BadInput: It is not installed.
    """
    try:
        import submitit
    except ImportError as error:
        raise BadInput(
            f"--launcher slurm needs submitit ({error}); install the extra: pip install 'segmentation-ablation[slurm]'"
        ) from error
    return submitit


class Queue:
    """Submits jobs, and says how they stand.

    Args:
        folder: For submitit's files; all nodes must see it.
        settings: What jobs ask for.
        at_once: The most jobs of an array that run at once.

    Raises:
        BadInput: submitit is not installed, or there is no Slurm on this machine.
    """

    def __init__(self, folder: Path, settings: SlurmSettings, at_once: int) -> None:
        self.submitit = import_submitit()
        self.folder, self.settings, self.at_once = folder.resolve(), settings, at_once
        try:
            self.executor(alone=False)
        except RuntimeError as error:
            raise BadInput(
                f'--launcher slurm: {error} Run it where sbatch and srun are, or try it here with --slurm cluster=local'
            ) from error

    def executor(self, *, alone: bool) -> Any:
        """submitit's executor for jobs that share nodes, or have one each."""
        settings = self.settings
        executor = self.submitit.AutoExecutor(self.folder / '%j', cluster=settings.cluster)
        mem = '0' if alone and settings.mem is None else settings.mem and f'{settings.mem // 2**20}M'
        asked = dict(
            timeout_min=max(1, round(settings.time / 60)),
            cpus_per_task=settings.cpus,
            gpus_per_node=settings.gpus,
            slurm_job_name='ablation-profile' if alone else 'ablation',
            slurm_partition=settings.partition,
            slurm_account=settings.account,
            slurm_qos=settings.qos,
            slurm_constraint=settings.constraint,
            slurm_nodelist=settings.nodelist,
            slurm_exclude=settings.exclude,
            slurm_gres=settings.gres,
            slurm_mem=mem,
            slurm_exclusive=True if alone else None,
            slurm_additional_parameters=dict(reservation=settings.reservation) if settings.reservation else None,
            slurm_setup=self._setup(),
            slurm_array_parallelism=self.at_once,
            slurm_signal_delay_s=SIGNAL_BEFORE_S,
            slurm_srun_args=[f'--cpus-per-task={settings.cpus}'],  # which srun does not take from the job
        )
        executor.update_parameters(**{name: value for name, value in asked.items() if value is not None})
        return executor

    def _setup(self) -> list[str]:
        """The shell lines before a job's command: it imports this checkout, and nothing of the current folder."""
        path = f'export PYTHONPATH={shlex.quote(str(ROOT))}${{PYTHONPATH:+:$PYTHONPATH}}'
        return [path, f'export {SAFE_PATH}=1', *([self.settings.setup] if self.settings.setup else [])]

    def submit(self, jobs: Sequence[Job], *, alone: bool) -> list[str]:
        """Submit jobs as one array; returns the number of each.

        Raises:
            BadInput: Slurm refuses them; its message is told.
        """
        executor = self.executor(alone=alone)
        try:
            with environment_of_a_start({SAFE_PATH: '1'}), executor.batch():
                submitted = [executor.submit(run_job, job) for job in jobs]
        except self.submitit.core.utils.FailedJobError as error:
            raise BadInput(f'Slurm refuses the jobs: {" ".join(str(error).split())}') from error
        if self.settings.cluster == 'debug':
            for job in submitted:
                job.result()
        return [job.job_id for job in submitted]

    def states(self, numbers: Sequence[str]) -> dict[str, str]:
        """The state of each job, as Slurm calls it.

        ``sacct`` is asked first. Where a site keeps no accounts, a job that ``squeue`` does not list is ``GONE``.
        """
        if self.settings.cluster != 'slurm':
            return {number: self._state_here(number) for number in numbers}
        if not numbers:
            return {}
        watcher = self.submitit.SlurmJob.watcher
        watcher.clear()
        for number in numbers:
            watcher.register_job(number)
        watcher.update()
        states = {number: watcher.get_state(number, mode='cache').split()[0].rstrip('+') for number in numbers}
        unknown = [number for number, state in states.items() if state == 'UNKNOWN']
        queued = _queued() if unknown else None
        return states | ({} if queued is None else {number: queued.get(number, GONE) for number in unknown})

    def _state_here(self, number: str) -> str:
        """The state of a job on this machine, whose number is that of its process."""
        if list((self.folder / number).glob('*_result.pkl')) or self.settings.cluster == 'debug':
            return 'COMPLETED'
        try:
            state = Path(f'/proc/{number}/stat').read_text().rpartition(')')[2].split()[0]
        except OSError:
            return GONE
        return GONE if state == 'Z' else 'RUNNING'


def _queued() -> dict[str, str] | None:
    """The state of each job of this user that waits or runs; None if Slurm does not answer."""
    user = os.environ.get('USER') or str(os.getuid())
    try:
        done = subprocess.run(
            ['squeue', '--noheader', '--array', '--user', user, '--format', '%i %T'],
            capture_output=True,
            text=True,
            timeout=60,
            check=True,
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return {number: state for number, state in map(str.split, done.stdout.splitlines())}
