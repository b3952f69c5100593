"""Restores the state that a process keeps from one run of mmengine to the next."""

import contextlib
import importlib.abc
import logging
import random
import sys
from collections.abc import Iterator

import numpy as np
import torch
from mmengine.utils import ManagerMixin


@contextlib.contextmanager
def global_state_restored() -> Iterator[None]:
    """Run the block as in a new process, and restore the state of this process behind it.

    mmengine keeps loggers, message hubs, visualisers and the default scope by name; the block gets its own. Random
    generators, numbers of threads, flags of torch, the compiler's cache and ``sys.argv`` are restored, too.
    """
    state = random.getstate(), np.random.get_state(), torch.get_rng_state()
    threads, argv, level = torch.get_num_threads(), sys.argv, logging.root.level
    deterministic = torch.are_deterministic_algorithms_enabled()
    kept = [(cls, dict(cls._instance_dict)) for cls in _managers()]
    for cls, _ in kept:
        cls._instance_dict.clear()
    try:
        yield
    finally:
        for cls, instances in kept:
            cls._instance_dict.clear()
            cls._instance_dict.update(instances)
        random.setstate(state[0])
        np.random.set_state(state[1])
        torch.set_rng_state(state[2])
        torch.set_num_threads(threads)
        torch.use_deterministic_algorithms(deterministic)
        torch._dynamo.reset()
        sys.argv = argv
        logging.root.setLevel(level)


def _managers(cls: type[ManagerMixin] = ManagerMixin) -> list[type[ManagerMixin]]:
    """All classes below mmengine's manager, each of which keeps its instances by name."""
    return [manager for below in cls.__subclasses__() for manager in (below, *_managers(below))]


class _Refusal(importlib.abc.MetaPathFinder):
    """Refuses to import a package."""

    def __init__(self, package: str) -> None:
        self.package = package

    def find_spec(self, fullname, path=None, target=None):
        if fullname.partition('.')[0] == self.package:
            raise ImportError(
                f"'{fullname}' is imported, but a plugin must work in plain mmsegmentation, where there "
                f"is no '{self.package}'"
            )
        return None


@contextlib.contextmanager
def without_package(package: str) -> Iterator[None]:
    """Run the block as if ``package`` were not installed."""
    hidden = {name: module for name, module in sys.modules.items() if name.partition('.')[0] == package}
    for name in hidden:
        del sys.modules[name]
    refusal = _Refusal(package)
    sys.meta_path.insert(0, refusal)
    try:
        yield
    finally:
        sys.meta_path.remove(refusal)
        sys.modules.update(hidden)
