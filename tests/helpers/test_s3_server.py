"""Without its packages the tests on S3 are skipped, and in CI they fail."""

import sys

import pytest
from s3_server import PACKAGES, s3_server


@pytest.mark.parametrize('ci, outcome', [('', pytest.skip.Exception), ('true', pytest.fail.Exception)])
@pytest.mark.parametrize('package', PACKAGES)
def test_a_missing_package_is_named_and_fails_in_ci(monkeypatch, package, ci, outcome):
    monkeypatch.setenv('CI', ci)
    monkeypatch.setitem(sys.modules, package, None)  # as if it were not installed
    with pytest.raises(outcome, match=f"{package} not installed: pip install -c constraints.txt -e '.\\[test]'"):
        with s3_server():
            pass
