#!/bin/bash

# Parameters
#SBATCH --cpus-per-task=2
#SBATCH --error=WORK/logs/%j/%j_0_log.err
#SBATCH --job-name=ablation
#SBATCH --nodes=1
#SBATCH --open-mode=append
#SBATCH --output=WORK/logs/%j/%j_0_log.out
#SBATCH --signal=USR2@60
#SBATCH --time=240
#SBATCH --wckey=submitit

# setup
export PYTHONPATH=CHECKOUT${PYTHONPATH:+:$PYTHONPATH}
export PYTHONSAFEPATH=1

# command
export SUBMITIT_EXECUTOR=slurm
srun --unbuffered --output WORK/logs/%j/%j_%t_log.out --error WORK/logs/%j/%j_%t_log.err --cpus-per-task=2 PYTHON -u -m submitit.core._submit WORK/logs/%j
