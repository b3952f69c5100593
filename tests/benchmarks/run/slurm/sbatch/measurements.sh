#!/bin/bash

# Parameters
#SBATCH --account=lab
#SBATCH --array=0-2%3
#SBATCH --constraint=a100
#SBATCH --cpus-per-task=2
#SBATCH --error=WORK/logs/%A_%a/%A_%a_0_log.err
#SBATCH --exclusive
#SBATCH --job-name=ablation-profile
#SBATCH --mem=0
#SBATCH --nodes=1
#SBATCH --open-mode=append
#SBATCH --output=WORK/logs/%A_%a/%A_%a_0_log.out
#SBATCH --partition=gpu
#SBATCH --qos=low
#SBATCH --reservation=maintenance
#SBATCH --signal=USR2@60
#SBATCH --time=240
#SBATCH --wckey=submitit

# setup
export PYTHONPATH=CHECKOUT${PYTHONPATH:+:$PYTHONPATH}
export PYTHONSAFEPATH=1

# command
export SUBMITIT_EXECUTOR=slurm
srun --unbuffered --output WORK/logs/%A_%a/%A_%a_%t_log.out --error WORK/logs/%A_%a/%A_%a_%t_log.err --cpus-per-task=2 PYTHON -u -m submitit.core._submit WORK/logs/%j
