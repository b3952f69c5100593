"""The plan of a check: one technique (or none) on one check baseline, as a grid with one cell. Needs no torch."""

from collections.abc import Callable

from benchmarks.check.baselines import SEED, CheckBaseline
from benchmarks.files import digest
from benchmarks.plan.making import KeyContext
from benchmarks.plan.plan import Plan
from benchmarks.plan.planner import make_plan
from benchmarks.stacks.compose import compose
from benchmarks.stacks.plugin_code import PluginCode
from benchmarks.stacks.protocol import pair_training_data
from benchmarks.stacks.several_networks import TEACHER, each_training
from benchmarks.stacks.technique import Stack, Technique

LEAST_CONFIDENCE = 0.0


def stack_of(technique: Technique | None) -> Stack:
    """The technique as a stack; empty for the baseline."""
    return (technique.name,) if technique else ()


def composed_config(baseline: CheckBaseline, technique: Technique | None) -> dict:
    """The config before the training data are paired.

    Raises:
        BadInput: The technique does not fit the baseline.
    """
    config = compose(baseline.config, stack_of(technique), {technique.name: technique} if technique else {})
    if TEACHER in config:  # after so few steps a teacher is never confident
        confidence = min(config[TEACHER].get('confidence', 0), LEAST_CONFIDENCE)
        config[TEACHER] = {**config[TEACHER], 'confidence': confidence}
    return config


def paired_config(baseline: CheckBaseline, composed: dict) -> dict:
    """A config of :func:`composed_config` with paired training data, before it gets its seed."""
    return each_training(composed, lambda network: pair_training_data(network, baseline.protocol))


def one_cell_plan(baseline: CheckBaseline, stack: Stack, config: dict, label_dir: Callable[[str], str]) -> Plan:
    """The plan of a grid with one cell. A stage with the key of a baseline's stage is the same work.

    Args:
        baseline: The check baseline.
        stack: The stack of the cell.
        config: The stack's config with paired training data.
        label_dir: The folder of a teacher's labels, by the key of their stage.
    """
    context = KeyContext(
        baseline=baseline.config,
        code=PluginCode(config['custom_imports']['imports']),
        fingerprint=digest,
        names=digest,
        versions={},
        device_type=baseline.device,
        hardware='',
        label_dir=label_dir,
    )
    return make_plan({stack: config}, [], [SEED], context)
