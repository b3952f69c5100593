"""Imports for the server that stages are forked from: each stage then starts with them at no cost.

Modules that a stage imported on its own would count as memory of its training or inference. Importing this module
changes its process: all imported objects are put out of the garbage collector's sight, so that no stage walks them.
"""

import gc

import numpy as np

from benchmarks.kinds import NAMES
from benchmarks.probes.truth import Truth
from benchmarks.stacks.imports import import_quietly

MODULES = (
    'torch',
    'torch._dynamo',
    'torch.utils.cpp_extension',
    'matplotlib.backends.backend_agg',
    'matplotlib.figure',
    'yapf.yapflib.yapf_api',
    'mmengine.runner',
    'mmseg.models',
    'mmseg.datasets',
    'mmseg.engine',
    'mmseg.evaluation',
    'mmseg.visualization',
    'cv2',
    'benchmarks.stages.kept_state',
    'benchmarks.stages.together',
    *(f'benchmarks.stages.{name}' for name in NAMES),
)

for _module in MODULES:
    import_quietly(_module)
# The compiled loops that measure are loaded at their first call.
_labels = np.zeros((2, 2), np.int64)
_truth = Truth(_labels, 1)
_truth.facts(_labels)
_truth.strata.counts(_labels, np.zeros((2, 2), np.uint16))
gc.collect()
gc.freeze()
