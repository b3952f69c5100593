"""Shortens the stage ``profile`` in processes that have this folder on their path: ten samples instead of two seconds.

Tests of whole runs ask what is stored, and never how precisely a latency is measured.
"""

import importlib.abc
import importlib.util
import sys

PROFILE = 'benchmarks.stages.profile'


class ShortProfiles(importlib.abc.MetaPathFinder):
    """Sets the stage's budget of seconds to 0 when its module is imported; it then takes the fewest samples."""

    def find_spec(self, fullname, path=None, target=None):
        if fullname != PROFILE:
            return None
        sys.meta_path.remove(self)
        spec = importlib.util.find_spec(fullname)
        execute = spec.loader.exec_module

        def exec_module(module):
            execute(module)
            assert module.BUDGET_S > 0
            module.BUDGET_S, module.TRIES = 0, 1

        spec.loader.exec_module = exec_module
        return spec


sys.meta_path.insert(0, ShortProfiles())
