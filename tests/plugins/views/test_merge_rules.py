"""The merge rules against formulas in float64, by hand and at the extremes."""

import numpy as np
import pytest
import torch

from plugins.views.merge import merged_probabilities
from plugins.views.merge_rules import MERGE_RULES, check_merge


def merged(merge, logits):
    """The merged map of given logits, each (K, H, W), as ``merged_probabilities`` joins them."""

    class Given:
        def logits(self, model, image, meta, views):
            return iter(logits)

    return merged_probabilities(
        None, None, None, {str(n): None for n in range(len(logits))}, merge=merge, passes=Given()
    )


def column(*values):
    return torch.tensor(values, dtype=torch.float32)[:, None, None]


def by_the_formula(merge, logits):
    """The formulas of the docstring in float64, over products of probabilities."""
    logits = torch.stack(logits).double()
    if logits.shape[1] == 1:
        logits = torch.cat([torch.zeros_like(logits), logits], dim=1)  # a sigmoid is a softmax against a logit of 0
        return by_the_formula(merge, list(logits))[1:]
    probs = logits.softmax(1)
    if merge == 'mean_logits':
        return logits.mean(0).softmax(0)
    joined = dict(mean=probs.mean(0), geometric=probs.prod(0) ** (1 / len(probs)), max=probs.amax(0))[merge]
    return joined / joined.sum(0)


@pytest.mark.parametrize('merge', MERGE_RULES)
@pytest.mark.parametrize('channels', [1, 2, 5])
@pytest.mark.parametrize('views', [2, 3, 8])
def test_every_rule_follows_its_formula(merge, channels, views):
    generator = torch.Generator().manual_seed(views)
    logits = [3 * torch.randn(channels, 6, 7, generator=generator) for _ in range(views)]
    ours = merged(merge, [one.clone() for one in logits])
    assert ours.shape == (channels, 6, 7) and ours.dtype == torch.float32
    np.testing.assert_allclose(ours, by_the_formula(merge, logits), atol=3e-7)
    if channels > 1:
        np.testing.assert_allclose(ours.sum(0), 1, atol=1e-6)


# Two views that give a class 0.8 and 0.2 (by logits: log 4 and -log 4), and 0.9 (log 9) in place of the former.
LOG4, LOG9 = float(np.log(4)), float(np.log(9))


@pytest.mark.parametrize(
    'merge, expected',
    [
        ('mean', (0.9 + 0.2) / 2),
        ('mean_logits', 0.6),  # odds sqrt(9 * 1/4) = 3/2
        ('geometric', 0.6),
        ('max', 0.9 / (0.9 + 0.8)),  # the maxima are 0.9 and, of the other class, 0.8
    ],
)
def test_by_hand(merge, expected):
    two_classes = merged(merge, [column(LOG9, 0), column(-LOG4, 0)])
    np.testing.assert_allclose(two_classes[:, 0, 0], [expected, 1 - expected], atol=1e-6)
    one_channel = merged(merge, [column(LOG9), column(-LOG4)])
    assert one_channel.shape == (1, 1, 1)
    assert one_channel.item() == pytest.approx(expected, abs=1e-6)


@pytest.mark.parametrize('channels', [1, 4])
def test_the_rules_differ_but_for_the_two_names_of_one(channels):
    generator = torch.Generator().manual_seed(0)
    logits = [3 * torch.randn(channels, 9, 9, generator=generator) for _ in range(4)]
    maps = {merge: merged(merge, [one.clone() for one in logits]) for merge in MERGE_RULES}
    assert torch.equal(maps['geometric'], maps['mean_logits'])
    for one, other in (('mean', 'mean_logits'), ('mean', 'max'), ('max', 'mean_logits')):
        assert (maps[one] - maps[other]).abs().max() > 0.05


def test_a_doubtful_class_is_vetoed_by_the_geometric_mean_only():
    views = [column(30, 0, 0), column(0, 2, 0)]  # the first is sure of class 0, the second leans to class 1
    assert [merged(merge, [one.clone() for one in views]).argmax().item() for merge in ('geometric', 'max')] == [0, 0]
    vetoed = [column(1, 0, 0), column(1, 0, 0), column(-60, 0, 0)]
    labels = {merge: merged(merge, [one.clone() for one in vetoed]).argmax().item() for merge in MERGE_RULES}
    assert labels == dict(mean=0, mean_logits=1, geometric=1, max=0)


@pytest.mark.parametrize('merge', MERGE_RULES)
@pytest.mark.parametrize('channels', [1, 3])
def test_extreme_logits_stay_finite(merge, channels):
    views = [column(*[1e4, -1e4, 0][:channels]), column(*[-1e4, 1e4, 0][:channels]), column(*[1e4] * channels)]
    ours = merged(merge, views)
    assert ours.isfinite().all() and ours.min() >= 0 and ours.max() <= 1


@pytest.mark.parametrize('merge', MERGE_RULES)
@pytest.mark.parametrize('channels', [1, 2, 3])
def test_one_view_is_itself_bit_for_bit(merge, channels):
    logits = 4 * torch.randn(channels, 20, 20, generator=torch.Generator().manual_seed(0))
    expected = logits.softmax(0) if channels > 1 else logits.sigmoid()
    assert torch.equal(merged(merge, [logits.clone()]), expected)


@pytest.mark.parametrize('merge', MERGE_RULES)
def test_equal_views_merge_to_themselves(merge):
    logits = 4 * torch.randn(3, 20, 20, generator=torch.Generator().manual_seed(0))
    np.testing.assert_allclose(merged(merge, [logits.clone() for _ in range(4)]), logits.softmax(0), atol=1e-6)


@pytest.mark.parametrize('merge', MERGE_RULES)
def test_the_order_of_the_views_changes_rounding_at_most(merge):
    generator = torch.Generator().manual_seed(0)
    logits = [3 * torch.randn(3, 9, 9, generator=generator) for _ in range(5)]
    forward, backward = (merged(merge, [one.clone() for one in order]) for order in (logits, logits[::-1]))
    np.testing.assert_allclose(forward, backward, atol=1e-6)


@pytest.mark.parametrize('merge', MERGE_RULES)
def test_logits_in_half_precision_are_joined_in_float32(merge):
    logits = [torch.randn(3, 9, 9, generator=torch.Generator().manual_seed(n)).bfloat16() for n in range(3)]
    assert torch.equal(merged(merge, [one.clone() for one in logits]), merged(merge, [one.float() for one in logits]))


def test_an_unknown_rule_is_refused_with_the_known_ones():
    with pytest.raises(ValueError, match="'median' is unknown; .*'mean', 'mean_logits', 'geometric', 'max'"):
        check_merge('median')
