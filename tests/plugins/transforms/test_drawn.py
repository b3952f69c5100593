"""mmseg's flips and distortions in two halves, against the transforms in one piece."""

import numpy as np
import pytest
import torch
from mmseg.datasets.transforms import PhotoMetricDistortion, RandomFlip
from scipy.stats import chi2_contingency, ks_2samp

from plugins.transforms.drawn import DrawnDistortion, DrawnFlip, draw_distortion, draw_flip

# Of each comparison of distributions; the seeds are fixed, so a false alarm would have been seen already.
FALSE_ALARMS = 1e-4
COUNT = 3000
FLIPS = [
    dict(prob=0.5),
    dict(prob=0.7, direction=['horizontal', 'vertical', 'diagonal']),
    dict(prob=[0.3, 0.2], direction=['vertical', 'diagonal']),
    dict(prob=1.0, swap_seg_labels=[(1, 5), (2, 0)]),
]


def sample(size=(24, 64), seed=0):
    rng = np.random.default_rng(seed)
    return dict(
        img=rng.integers(0, 256, (*size, 3), dtype=np.uint8),
        gt_seg_map=rng.integers(0, 6, size, dtype=np.uint8),
        gt_depth_map=rng.random(size, dtype=np.float32),
        gt_edge_map=rng.integers(0, 2, size, dtype=np.uint8),
        seg_fields=['gt_seg_map', 'gt_depth_map'],
    )


def tensor(array):
    return torch.from_numpy(np.ascontiguousarray(array))


def image_of(results):
    return tensor(results['img'].transpose(2, 0, 1))


@pytest.mark.parametrize('settings', FLIPS, ids=str)
def test_flips_are_equal_and_draw_the_same_numbers(settings):
    transform, directions = RandomFlip(**settings), set()
    for seed in range(12):
        np.random.seed(seed)
        expected, state = transform(sample()), np.random.get_state()[2]
        np.random.seed(seed)
        results = sample()
        draw = draw_flip(transform, results)
        directions.add(draw.direction)
        assert np.random.get_state()[2] == state
        assert {name: results[name] for name in ('flip', 'flip_direction')} == {
            name: expected[name] for name in ('flip', 'flip_direction')
        } and bool(draw) is expected['flip']
        np.testing.assert_array_equal(results['img'], sample()['img'])  # drawing does nothing
        assert torch.equal(draw.image(image_of(results)), image_of(expected))
        for field in ('gt_seg_map', 'gt_depth_map', 'gt_edge_map'):
            assert torch.equal(draw.labels(tensor(results[field])[None], field), tensor(expected[field])[None])
    assert len(directions) > 1 or settings['prob'] == 1.0


def distorted(transform, seed, size=(8, 64)):
    """The image as the transform makes it, as the halves make it, and what was drawn."""
    np.random.seed(seed)
    expected, state = image_of(transform(sample(size, seed))), np.random.get_state()
    np.random.seed(seed)
    results = sample(size, seed)
    draw = draw_distortion(transform, results)
    assert np.random.get_state()[2] == state[2] and (np.random.get_state()[1] == state[1]).all()
    return expected, draw.image(image_of(results)), draw


def test_distortions_are_equal_and_draw_the_same_numbers():
    transform, kinds = PhotoMetricDistortion(), set()
    for seed in range(200):
        expected, ours, draw = distorted(transform, seed)
        assert torch.equal(ours, expected), draw
        kinds.add(tuple(kind for kind, _ in draw.steps))
    assert len(kinds) == 3 * 2**3 - 2  # no contrast, first, or last, which is the same where no colour is changed
    assert ('brightness', 'contrast', 'saturation', 'hue') in kinds and () in kinds


def test_distortions_with_other_parameters_are_equal():
    transform = PhotoMetricDistortion(
        brightness_delta=90, contrast_range=(0.1, 0.2), saturation_range=(3, 4), hue_delta=90
    )
    assert all(torch.equal(*distorted(transform, seed)[:2]) for seed in range(40))


def test_images_of_any_width_differ_by_a_grey_level_at_most():
    # of one conversion of colours; a second one may make more of it, in the last columns alone
    transform = PhotoMetricDistortion()
    for seed in range(100):
        expected, ours, draw = distorted(transform, seed, (8, 75))
        difference = (expected.int() - ours.int()).abs()
        assert not difference[..., :64].any()
        kinds = {kind for kind, _ in draw.steps} - {'brightness'}
        if len(kinds) == 1:
            assert difference.max() <= 1


def test_steps_by_hand():
    image = torch.tensor([10, 100, 200], dtype=torch.uint8).reshape(3, 1, 1)
    for steps, expected in (
        ((), [10, 100, 200]),
        ((('brightness', 60.7),), [70, 160, 255]),
        ((('brightness', -20.5),), [0, 79, 179]),
        ((('contrast', 1.45),), [14, 145, 255]),
        ((('contrast', 2.0), ('brightness', -10.0)), [10, 190, 245]),
    ):
        draw = DrawnDistortion(steps)
        assert draw.image(image).flatten().tolist() == expected and bool(draw) == bool(steps)
    red = torch.tensor([0, 0, 200], dtype=torch.uint8).reshape(3, 1, 1)
    assert DrawnDistortion((('hue', 60),)).image(red).flatten().tolist() == [0, 200, 0]  # a third of the circle: green
    assert DrawnDistortion((('saturation', 0.5),)).image(red).flatten().tolist() == [100, 100, 200]  # 127 / 255 of it


def chi_square(one, other):
    found = sorted({*one, *other})
    return chi2_contingency([[draws.count(value) for value in found] for draws in (one, other)]).pvalue


@pytest.mark.parametrize('settings', FLIPS[:3], ids=str)
def test_flips_are_distributed_as_in_a_pipeline(settings):
    transform = RandomFlip(**settings)
    np.random.seed(1)
    theirs = [str(transform(sample((1, 1)))['flip_direction']) for _ in range(COUNT)]
    np.random.seed(2)
    ours = [str(draw_flip(transform, sample((1, 1))).direction) for _ in range(COUNT)]
    assert chi_square(theirs, ours) > FALSE_ALARMS
    np.random.seed(3)
    assert (
        chi_square(theirs, [str(draw_flip(RandomFlip(prob=0.6), sample((1, 1))).direction) for _ in range(COUNT)])
        < FALSE_ALARMS
    )  # it would be seen


def test_distortions_are_distributed_as_in_a_pipeline():
    picture = np.uint8([[[40, 90, 160], [200, 120, 60]]]).repeat(32, axis=1)

    def levels(distort, seed):
        """Levels of three channels after each of many distortions, (COUNT, 3)."""
        np.random.seed(seed)
        return np.array([distort(dict(img=picture.copy())) for _ in range(COUNT)])

    transform, narrower = PhotoMetricDistortion(), PhotoMetricDistortion(saturation_range=(0.7, 1.3))
    theirs = levels(lambda results: transform(results)['img'][0, 0], 1)
    ours, other = (
        levels(
            lambda results: (
                of.image(image_of(results))[:, 0, 0].numpy()
                if (of := draw_distortion(one, results))
                else results['img'][0, 0]
            ),
            seed,
        )
        for one, seed in ((transform, 2), (narrower, 3))
    )
    assert all(ks_2samp(theirs[:, channel], ours[:, channel]).pvalue > FALSE_ALARMS for channel in range(3))
    assert min(ks_2samp(theirs[:, channel], other[:, channel]).pvalue for channel in range(3)) < FALSE_ALARMS


@pytest.mark.parametrize(
    'image',
    [np.zeros((4, 4), np.uint8), np.zeros((4, 4, 4), np.uint8), np.zeros((4, 4, 3), np.float32)],
    ids=lambda image: f'{image.dtype}{image.shape}',
)
def test_other_images_than_colours_in_bytes_are_refused(image):
    with pytest.raises(ValueError, match='uint8 images'):
        draw_distortion(PhotoMetricDistortion(), dict(img=image))


def test_labels_stay_under_distortion_and_without_a_flip():
    labels = torch.arange(6).reshape(1, 2, 3)
    assert DrawnDistortion((('hue', 3),)).labels(labels, 'gt_seg_map') is labels
    assert DrawnFlip(None, ('gt_seg_map',), ()).labels(labels, 'gt_seg_map') is labels
