import numpy as np
import pytest
import torch
from scipy.ndimage import distance_transform_edt, gaussian_filter

from plugins.losses.distance_maps import distance_to_boundary_px, distance_to_classes_px, signed_distance_maps_px


def one_hot2dist(mask):
    """The convention of Kervadec et al., for one class without void."""
    if not mask.any() or mask.all():
        return np.zeros(mask.shape)
    return distance_transform_edt(~mask) * ~mask - (distance_transform_edt(mask) - 1) * mask


def by_brute_force(labels, num_classes):
    """All pairs of pixels; void (255) is neither inside nor outside."""
    pixels = [(index, labels[index]) for index in np.ndindex(labels.shape) if labels[index] != 255]
    maps = np.zeros((num_classes, *labels.shape))
    for (x, label), c in ((pixel, c) for pixel in pixels for c in range(num_classes)):
        across = [np.hypot(x[0] - y[0], x[1] - y[1]) for y, other in pixels if (other == c) != (label == c)]
        if across and any(other == c for _, other in pixels):
            maps[(c, *x)] = 1 - min(across) if label == c else min(across)
    return maps


@pytest.fixture
def blobs():
    noise = np.random.default_rng(5).normal(size=(2, 4, 45, 61))
    return torch.from_numpy(gaussian_filter(noise, (0, 0, 4, 4)).argmax(1))


def test_equal_to_scipy_and_the_papers_convention(blobs):
    ours = signed_distance_maps_px(blobs, 5).numpy()  # class 4 is in no image
    for labels, maps in zip(blobs.numpy(), ours):
        for c in range(5):
            np.testing.assert_allclose(maps[c], one_hot2dist(labels == c), atol=1e-4)
    assert np.abs(ours[:, :4]).max() > 5


def test_unsigned_maps_equal_scipy(blobs):
    ours = distance_to_classes_px(blobs, 5).numpy()
    for labels, maps in zip(blobs.numpy(), ours):
        for c in range(4):
            np.testing.assert_allclose(maps[c], distance_transform_edt(labels != c), atol=1e-4)
    assert np.isinf(ours[:, 4]).all()


def test_void_is_neither_inside_nor_outside(batch):
    target = batch[1]
    ours = signed_distance_maps_px(target, 3).numpy()
    for labels, maps in zip(target.numpy(), ours):
        np.testing.assert_allclose(maps, by_brute_force(labels, 3), atol=1e-5)


def test_a_drawn_picture():
    target = torch.tensor([[[0, 0, 1, 1, 1, 255]]])
    assert signed_distance_maps_px(target, 2)[0, 1].tolist() == [[2, 1, 0, -1, -2, 0]]
    assert signed_distance_maps_px(target, 2)[0, 0].tolist() == [[-1, 0, 1, 2, 3, 0]]
    assert distance_to_boundary_px(target, 2).tolist() == [[[1, 0, 0, 1, 2, float('inf')]]]


def test_void_between_two_classes_is_bridged():
    target = torch.tensor([[[0, 255, 255, 1]]])
    assert signed_distance_maps_px(target, 2)[0, 1].tolist() == [[3, 0, 0, -2]]
    assert distance_to_boundary_px(target, 2)[0, 0, [0, 3]].tolist() == [2, 2]


def test_an_image_of_one_class_has_no_boundary():
    target = torch.tensor([[[1, 1], [1, 255]], [[255, 255], [255, 255]]])
    assert not signed_distance_maps_px(target, 3).any()
    assert distance_to_boundary_px(target, 3).isinf().all()


def test_void_may_have_the_label_of_a_class():
    target = torch.tensor([[[0, 0, 1, 1, 1, 2]]])
    as_void = torch.tensor([[[0, 0, 1, 1, 1, 255]]])
    assert torch.equal(signed_distance_maps_px(target, 3, ignore_index=2), signed_distance_maps_px(as_void, 3))


def test_distances_are_exact_to_the_last_bit():
    """So that two runs agree: Intel's IPP, which OpenCV calls by default, is off by an ulp here and there."""
    labels = np.zeros((32, 32), np.int64)
    labels[4:20, 5:17] = 1
    for c, maps in enumerate(distance_to_classes_px(torch.from_numpy(labels)[None], 2)[0].numpy()):
        assert np.array_equal(maps, distance_transform_edt(labels != c).astype(np.float32))
