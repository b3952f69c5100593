"""Chains of refinements: order, fit, and what they must return."""

import numpy as np
import pytest
from mmcv.transforms import BaseTransform
from mmseg.registry import TRANSFORMS

from plugins.refine.chain import apply_chains, build_chain, needs_image


@TRANSFORMS.register_module(force=True)
class MarkProbabilities(BaseTransform):
    takes = gives = 'probabilities'

    def __init__(self, mark):
        self.mark = mark

    def transform(self, results):
        return {**results, 'trace': results.get('trace', '') + self.mark}


@TRANSFORMS.register_module(force=True)
class AddLabels(BaseTransform):
    takes = gives = 'labels'
    needs_image = False

    def __init__(self, times=1, plus=0):
        self.times, self.plus = times, plus

    def transform(self, results):
        return dict(labels=(results['labels'] * self.times + self.plus).astype(np.uint8))


@TRANSFORMS.register_module(force=True)
class Undeclared(BaseTransform):
    takes = 'labels'

    def transform(self, results):
        return results


@TRANSFORMS.register_module(force=True)
class WrongLabels(BaseTransform):
    takes = gives = 'labels'

    def transform(self, results):
        return dict(labels=results['labels'].astype(np.int64))


@TRANSFORMS.register_module(force=True)
class CountedInPlace(BaseTransform):
    """Adds to the labels where they lie, and keeps count of the calls of all of its kind."""

    takes = gives = 'labels'
    calls = []

    def __init__(self, plus):
        self.plus = plus

    def transform(self, results):
        self.calls.append(self.plus)
        results['labels'] += np.uint8(self.plus)
        return results


@TRANSFORMS.register_module(force=True)
class CountedManyAtOnce(CountedInPlace):
    def transform_many(self, several):
        self.calls.append(len(several))
        return [dict(labels=results['labels'] + np.uint8(self.plus)) for results in several]


TIMES = dict(type='AddLabels', times=3)
PLUS = dict(type='AddLabels', plus=1)


def test_order_decides_not_the_place_in_the_dict():
    labels = np.uint8([[2]])
    first_times = build_chain(dict(b=dict(order=20, **PLUS), a=dict(order=3, **TIMES)))
    first_plus = build_chain(dict(a=dict(order=20, **TIMES), b=dict(order=3, **PLUS)))
    assert apply_chains([first_times, first_plus, []], [0, 0, 0], {0: dict(labels=labels)}) == [7, 9, 2]


def test_equal_orders_go_by_name():
    refine = dict(z=dict(order=1, **TIMES), a=dict(order=1, **PLUS))
    assert [name for name, _, _ in build_chain(refine)] == ['a', 'z']


def test_building_leaves_the_config_as_it_was():
    refine = dict(a=dict(order=1, **PLUS))
    build_chain(refine)
    assert refine == dict(a=dict(order=1, **PLUS))


def test_probabilities_after_labels_are_refused_with_names_and_cure():
    refine = dict(
        crf=dict(order=20, type='MarkProbabilities', mark='x'), tidy=dict(order=10, **PLUS), more=dict(order=15, **PLUS)
    )
    with pytest.raises(ValueError, match="'crf' takes probabilities, but 'tidy' .* give 'crf' a lower order"):
        build_chain(refine)
    refine['crf']['order'] = 5
    assert [name for name, _, _ in build_chain(refine)] == ['crf', 'tidy', 'more']


def test_missing_order_and_missing_declaration_are_refused():
    with pytest.raises(ValueError, match="'a' has no order"):
        build_chain(dict(a=PLUS))
    with pytest.raises(ValueError, match=r"'a' \(Undeclared\).*gives"):
        build_chain(dict(a=dict(order=1, type='Undeclared')))


def test_results_that_are_no_labels_are_refused():
    chain = build_chain(dict(bad=dict(order=1, type='WrongLabels')))
    with pytest.raises(ValueError, match="'bad' must set.*int64"):
        apply_chains([chain], [0], {0: dict(labels=np.zeros((2, 2), np.uint8))})


def test_image_is_needed_unless_all_declare_otherwise():
    mark = dict(order=0, type='MarkProbabilities', mark='x')
    assert not needs_image(build_chain(dict(a=dict(order=1, **PLUS))))
    assert needs_image(build_chain(dict(a=dict(order=1, **PLUS), b=mark)))


def counted(*plus, kind='CountedInPlace'):
    return build_chain({f'r{order}': dict(order=order, type=kind, plus=amount) for order, amount in enumerate(plus)})


def test_what_chains_have_in_common_acts_once_on_each_input():
    chains = [counted(1), counted(1, 20), counted(1, 30), counted(30, 1), counted(1), []]
    starts = [0, 0, 0, 0, 1, 1]
    inputs = {0: dict(labels=np.uint8([[0]])), 1: dict(labels=np.uint8([[100]]))}
    CountedInPlace.calls.clear()
    assert apply_chains(chains, starts, inputs) == [1, 21, 31, 31, 101, 100]
    # In the first round 1 acts on both inputs and 30 on one; in the second each follows a different beginning.
    assert sorted(CountedInPlace.calls) == [1, 1, 1, 20, 30, 30]
    assert inputs[0]['labels'] == 0 and inputs[1]['labels'] == 100


def test_one_that_can_gets_all_its_inputs_at_once():
    chains = [counted(1, kind='CountedManyAtOnce')] * 3 + [counted(2, kind='CountedManyAtOnce')]
    CountedInPlace.calls.clear()
    inputs = {place: dict(labels=np.uint8([[10 * place]])) for place in range(3)}
    assert apply_chains(chains, [0, 1, 2, 2], inputs) == [1, 11, 21, 22]
    assert CountedInPlace.calls == [3, 1]


def test_the_order_number_itself_is_no_part_of_what_a_refinement_does():
    (one,) = build_chain(dict(a=dict(order=1, **PLUS)))
    (other,) = build_chain(dict(b=dict(order=7, **PLUS)))
    assert one.content == other.content != build_chain(dict(a=dict(order=1, **TIMES)))[0].content
