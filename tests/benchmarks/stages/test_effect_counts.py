from types import SimpleNamespace

from mmengine.hooks import Hook
from mmengine.runner import BaseLoop
from torch import nn
from torch.utils.data import DataLoader

from benchmarks.stages.effect_counts import EffectCountsOfTest, effect_counts


class Counting(Hook):
    def __init__(self, count):
        self.acted = count


class Block(nn.Module):
    acted = 3


class Silent(nn.Module):
    acted = None


def runner(**parts):
    defaults = dict(hooks=[Hook()], optim_wrapper=dict(type='OptimWrapper'), _train_loop=None, model=nn.Linear(1, 1))
    return SimpleNamespace(**{**defaults, **parts})


def test_what_keeps_no_count_says_nothing():
    assert effect_counts(runner(model=nn.Sequential(Silent()))) == {}


def test_counts_are_added_up_by_type_and_zero_is_kept():
    found = effect_counts(
        runner(
            hooks=[Counting(0), Hook()],
            optim_wrapper=SimpleNamespace(acted=7),
            model=nn.Sequential(Block(), nn.Sequential(Block())),
        )
    )
    assert found == {'Counting': 0, 'SimpleNamespace': 7, 'Block': 6}


def test_a_sampler_is_asked_once_its_loader_is_built():
    class Sampler:
        acted = 2

        def __iter__(self):
            return iter([0])

    class Loop(BaseLoop):
        def run(self):
            raise AssertionError('not run here')

    loop = Loop(None, DataLoader([1], sampler=Sampler()))
    assert effect_counts(runner(_train_loop=loop)) == {'Sampler': 2}
    assert effect_counts(runner(_train_loop=dict(type='IterBasedTrainLoop'))) == {}


def test_the_model_that_tests_is_asked_before_it_is_taken_away():
    witness = EffectCountsOfTest()
    testing = runner(model=Block())
    witness.after_test_epoch(testing)
    testing.model = nn.Linear(1, 1)
    assert witness.counts == [{'Block': 3}]


def test_variants_of_a_pass_are_counted_apart():
    class Testing(Hook):
        acted, acted_of_variants = None, [5, None]

    witness = EffectCountsOfTest()
    witness.after_test_epoch(runner(hooks=[Testing(), Counting(2)], model=Block()))
    assert witness.counts == [
        {'Counting': 2, 'Block': 3},
        {'Testing': 5, 'Counting': 2, 'Block': 3},
        {'Counting': 2, 'Block': 3},
    ]
