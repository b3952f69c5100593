"""Imports for the server that stages are forked from: each stage then starts with them at no cost.

What a stage imports on its own would count as memory that its training or inference takes. Importing this module
changes its process: everything imported is put out of the garbage collector's sight, so that no stage walks it.
"""

import gc

import numpy as np

from benchmarks.probes.truth import Truth
from benchmarks.stacks.imports import import_quietly

MODULES = (
    'torch',
    'torch._dynamo',
    'torch.utils.cpp_extension',
    'matplotlib.backends.backend_agg',
    'yapf.yapflib.yapf_api',
    'mmengine.runner',
    'mmseg.models',
    'mmseg.datasets',
    'mmseg.engine',
    'mmseg.evaluation',
    'mmseg.visualization',
    'cv2',
    'benchmarks.stages.together',
    'benchmarks.stages.train',
    'benchmarks.stages.label',
    'benchmarks.stages.combine',
    'benchmarks.stages.predict',
    'benchmarks.stages.refine',
    'benchmarks.stages.profile',
    'benchmarks.cli',
)

for _module in MODULES:
    import_quietly(_module)
# The compiled loops that measure are loaded when they are first called.
_labels = np.zeros((2, 2), np.int64)
Truth(_labels, 1).facts(_labels)
gc.collect()
gc.freeze()
