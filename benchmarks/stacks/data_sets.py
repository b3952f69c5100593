"""The data sets that a stack reads: for training, for its teacher, for choices of values, and for the test."""

from collections.abc import Iterator

from benchmarks.stacks.network_trials import full_configs
from benchmarks.stacks.several_networks import SEARCH, has_teacher, members, teacher, unlabelled


def data_sets(config: dict, baseline: dict) -> Iterator[tuple[str, dict]]:
    """Every data set that a stack on ``baseline`` reads: (its split: train, unlabelled, val or test; its config).

    Trials of a network may load their training data in another way than the stack itself.
    """
    for stack in (config, *full_configs(config)):
        for member in members(stack):
            yield 'train', member.config['train_dataloader']['dataset']
            if has_teacher(member.config):
                yield 'train', teacher(member.config)['train_dataloader']['dataset']
                yield 'unlabelled', unlabelled(member.config, baseline)
    if SEARCH in config:
        yield 'val', config[SEARCH]['data']
    yield 'test', config['test_dataloader']['dataset']
