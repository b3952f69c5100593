import base64
import hashlib
import json

import numpy as np
import pytest

from benchmarks.reports.page.embed import content_hash, json_for_script

HOSTILE = ['</script>', '<!--', '<script>alert(1)</script>', ']]>', '&amp;', '\'"\\', '\u2028\u2029', '\x00\n\t', 'é漢']


@pytest.mark.parametrize('text', HOSTILE)
def test_no_text_can_end_the_script_element_and_all_come_back(text):
    written = json_for_script({text: [text]})
    assert not set('<>&\u2028\u2029') & set(written)
    assert json.loads(written) == {text: [text]}


def test_numbers_of_numpy_are_plain_and_what_is_not_finite_is_null():
    value = dict(a=np.float64(1.23456789), b=np.int64(3), c=float('nan'), d=(np.inf, True, None))
    assert json.loads(json_for_script(value)) == dict(a=1.23457, b=3, c=None, d=[None, True, None])


def test_the_hash_is_that_of_the_policy():
    digest = base64.b64encode(hashlib.sha256(b'let x = 1').digest()).decode()
    assert content_hash('let x = 1') == f"'sha256-{digest}'"
