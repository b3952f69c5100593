"""What tests of several refinements share."""

import numpy as np
import pytest


@pytest.fixture(scope='session')
def assert_equal_to_rounding():
    """Marginals of a CRF equal the reference's to 1e-5, and the labels where the two most likely are not that close."""

    def check(ours, reference):
        assert ours.dtype == np.float32 and ours.flags.c_contiguous and ours.shape == reference.shape
        assert np.abs(ours - reference).max() <= 1e-5
        ordered = np.sort(reference, axis=0)
        apart = ordered[-1] - ordered[-2] > 2e-5
        assert (ours.argmax(0) == reference.argmax(0))[apart].all()

    return check
