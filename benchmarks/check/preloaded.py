"""Imports for the server that checks are forked from: all that stages need, the checks, and torch's compiler.

Importing this module changes its process, as :mod:`benchmarks.run.preloaded` does, which comes first, because it keeps
the libraries from printing.
"""

import gc
import importlib

PARTS = ('run.preloaded', 'check.checks', 'check.cost', 'check.shortcuts')

for _part in PARTS:
    importlib.import_module(f'benchmarks.{_part}')
gc.collect()
gc.freeze()
