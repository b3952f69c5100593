"""The simulated people and scanners: laws of each step, against scipy, and pixels that never change."""

import hashlib
from dataclasses import asdict, replace

import numpy as np
import pytest
from scipy import ndimage

from plugins.datasets import icbm152_people_slices as made
from plugins.datasets.icbm152_folder import verify_checksums
from plugins.datasets.icbm152_slices import coronal, load_template, load_volumes, slices

NOTHING = made.Spread(
    rotation_deg=(0, 0),
    log_scale=(0, 0),
    shift_px=(0, 0),
    warp_px=(0, 0),
    t2_share=0,
    step=(0.3, 0.3),
    texture=(0, 0),
    log_gain=(0, 0),
    bias=(0, 0),
    blur_px=(0, 0),
    noise=(0, 0),
)


@pytest.fixture(scope='module')
def volumes():
    return load_volumes()


@pytest.fixture(scope='module')
def some():
    found = {}
    for path, image, labels in made.render():
        found[path] = image, labels
        if len(found) == 12:
            break
    return found


class TestPeople:
    def test_each_split_has_its_images_and_no_slab_of_another_split(self):
        everybody = made.people(0)
        assert [sum(person.split == split for person in everybody) for split in ('train', 'val', 'test')] == [
            64,
            16,
            96,
        ]
        split_of = {item.y: item.split for item in slices()}
        assert all(split_of[person.y] == person.split for person in everybody)

    def test_each_image_is_a_person_of_its_own(self):
        assert len({person.path.split('/')[1].split('_')[0] for person in made.people(0)}) == 176

    def test_another_seed_draws_other_slices(self):
        assert [person.y for person in made.people(0)] != [person.y for person in made.people(1)]


class TestHead:
    def test_without_pose_and_deformation_the_labels_are_the_templates(self, volumes):
        at = made.places(np.random.default_rng(3), NOTHING)
        assert np.allclose(at, np.indices((160, 160)))
        head = made.sample(made.tissues(volumes, 118), at)
        assert np.array_equal(made.labels_of(head), coronal(load_template()[1], 118))

    def test_probabilities_sum_to_one_and_are_none_below_zero(self, volumes):
        head = made.tissues(volumes, 100)
        assert head.sum(0) == pytest.approx(np.ones((160, 160)))
        assert head.min() >= -1e-12
        assert head[1].sum() > 100  # the ventricles

    def test_a_quarter_turn_and_a_shift_move_as_they_say(self):
        image = np.random.default_rng(0).random((1, 160, 160))
        turned = made.sample(image, made.places(np.random.default_rng(0), replace(NOTHING, rotation_deg=(90, 90))))
        assert np.allclose(turned[0], np.rot90(image[0], -1))
        shifted = made.sample(image, made.places(np.random.default_rng(0), replace(NOTHING, shift_px=(2, 2))))
        assert np.allclose(shifted[0, :158, :158], image[0, 2:, 2:])

    def test_a_head_that_is_larger_shows_a_smaller_part_of_the_template(self):
        at = made.places(np.random.default_rng(0), replace(NOTHING, log_scale=(np.log(2), np.log(2))))
        assert np.ptp(at[0]) == pytest.approx(159 / 2)

    def test_the_deformation_is_smooth_and_reaches_its_size(self):
        at = made.places(np.random.default_rng(1), replace(NOTHING, warp_px=(5, 5))) - np.indices((160, 160))
        assert np.abs(at).max(axis=(1, 2)) == pytest.approx([5, 5])
        assert np.abs(np.diff(at, axis=1)).max() < 5 * np.pi * made.WARP_ORDER / 160 * 2

    def test_sampling_is_scipys_linear_interpolation(self):
        rng = np.random.default_rng(2)
        maps, at = rng.random((2, 160, 160)), rng.uniform(-5, 170, (2, 160, 160))
        for ours, image in zip(made.sample(maps, at), maps):
            assert np.allclose(ours, ndimage.map_coordinates(image, at, order=1, mode='nearest'))


class TestScanner:
    @pytest.mark.parametrize('sigma', [0.4, 1.0, 2.3])
    def test_blur_is_scipys(self, sigma):
        image = np.random.default_rng(0).random((160, 160))
        assert np.allclose(
            made.blurred(image, sigma), ndimage.gaussian_filter(image, sigma, mode='nearest', truncate=3)
        )

    def test_without_spread_each_tissue_has_its_intensity(self):
        head = np.zeros((4, 160, 160))
        for tissue in range(4):
            head[tissue, tissue * 40 : (tissue + 1) * 40] = 1
        image = made.scan(head, np.random.default_rng(0), NOTHING)
        assert [int(image[row, 5]) for row in (0, 40, 80, 120)] == [
            round(level * 255 / made.FULL_SCALE) for level in (0, 0.4, 0.7, 1)
        ]

    def test_in_t2_fluid_is_brightest(self):
        air, fluid, grey, white = made.intensities(np.random.default_rng(0), replace(NOTHING, t2_share=1))
        assert air == 0 < white < grey < fluid == 1

    def test_the_share_of_t2_is_as_stated(self):
        rng = np.random.default_rng(0)
        drawn = [made.intensities(rng, made.Spread()) for _ in range(2000)]
        # Three standard deviations of a share of 0.3 in 2,000.
        assert np.mean([levels[1] == 1 for levels in drawn]) == pytest.approx(0.3, abs=0.031)

    def test_noise_is_rician(self):
        image = made.scan(np.zeros((4, 160, 160)), np.random.default_rng(0), replace(NOTHING, noise=(0.1, 0.1)))
        # On nothing the magnitude is Rayleigh. Its mean over 25,600 pixels lies within 1 %.
        assert image.mean() * made.FULL_SCALE / 255 == pytest.approx(0.1 * np.sqrt(np.pi / 2), rel=0.01)

    def test_texture_is_that_of_the_tissue(self):
        head = np.zeros((4, 160, 160))
        head[2] = 1
        image = made.scan(head, np.random.default_rng(0), replace(NOTHING, texture=(0.05, 0.05)))
        assert image.std() * made.FULL_SCALE / 255 == pytest.approx(0.05, rel=0.02)


class TestFolder:
    def test_images_differ_and_hold_both_tissues(self, some):
        assert len({image.tobytes() for image, _ in some.values()}) == 12
        assert all(image.shape == labels.shape == (160, 160) for image, labels in some.values())
        assert sum(set(np.unique(labels)) == {0, 1, 2} for _, labels in some.values()) >= 10

    def test_one_image_is_what_it_always_was(self, some):
        image, labels = some[next(iter(some))]
        digest = hashlib.sha256(image.tobytes() + labels.tobytes()).hexdigest()
        assert digest == '77b01444b9eaf2680253e4e639d56e40e7b8e78ebd23bec680dc785e5e8cf199'

    def test_another_seed_gives_other_people(self, some):
        path, image, labels = next(made.render(seed=1))
        first, first_labels = some[next(iter(some))]
        assert (image != first).any() and (labels != first_labels).any()

    def test_a_folder_is_written_whole_and_other_parameters_are_refused(self, tmp_path, monkeypatch):
        monkeypatch.setattr(made, 'IMAGES', dict(train=2, val=1, test=1))
        made.ensure_people(tmp_path / 'people')
        verify_checksums(tmp_path / 'people')
        made.ensure_people(tmp_path / 'people')
        with pytest.raises(ValueError, match='seed 0 instead of 3'):
            made.ensure_people(tmp_path / 'people', seed=3)
        with pytest.raises(ValueError, match='spread'):
            made.ensure_people(tmp_path / 'people', spread=made.Spread(noise=(0, 0)))

    def test_every_range_enters_the_parameters(self):
        assert set(made.parameters(0, made.Spread())['spread']) == set(asdict(made.Spread()))
