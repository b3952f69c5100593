"""Which images a trial takes: by hand."""

from benchmarks.preflight.image_choice import for_a_batch, for_a_test

SIZES = [(64, 64), (64, 64), (41, 73), (256, 256), None]
PLAIN = ['rgb'] * 5


def test_a_test_takes_the_oddest_the_largest_and_the_smallest_size():
    assert for_a_test(SIZES, PLAIN) == [(4, 0), (2, 41 * 73), (3, 256 * 256)]


def test_an_image_of_another_format_is_taken_whatever_its_size():
    assert for_a_test([(64, 64)] * 3, ['rgb', 'rgb', 'rgba']) == [(0, 4096), (2, 4096)]
    assert for_a_batch([(64, 64)] * 3, ['rgb', 'rgb', 'rgba']) == [(0, 4096), (2, 4096)]


def test_a_batch_takes_two_images_of_different_sizes():
    assert for_a_batch(SIZES, PLAIN) == [(2, 41 * 73), (3, 256 * 256)]
