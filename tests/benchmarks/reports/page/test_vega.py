"""The JavaScript of the page is bundled once, and a damaged copy is bundled anew."""

import pytest

from benchmarks.reports.page import vega


@pytest.fixture
def forget(monkeypatch, tmp_path):
    """Forgets what this process knows of the bundle, whose cache folder is the test's; a short program bundles."""
    monkeypatch.setenv('XDG_CACHE_HOME', str(tmp_path))
    monkeypatch.setattr(vega, '_CODE', 'print("let vega = 1", end="")')

    def forget():
        for function in (vega.start_bundling, vega.vega_library, vega._kept):
            function.cache_clear()

    forget()
    yield forget
    forget()


def test_a_bundle_is_kept_for_later_processes(forget, monkeypatch):
    assert vega.start_bundling() is not None and vega.vega_library() == 'let vega = 1'
    monkeypatch.setattr(vega, '_CODE', 'raise SystemExit(1)')
    forget()
    assert vega.start_bundling() is None and vega.vega_library() == 'let vega = 1'


def test_a_damaged_copy_is_bundled_anew(forget):
    vega.vega_library()
    vega._place().write_text(vega._place().read_text() + '!')
    forget()
    assert vega.start_bundling() is not None and vega.vega_library() == 'let vega = 1'


def test_without_a_place_or_a_package_nothing_is_lost(forget, monkeypatch, tmp_path):
    (tmp_path / 'segmentation-ablation').write_text('a file where the folder would be')
    assert vega.vega_library() == 'let vega = 1'
    forget()
    monkeypatch.setattr(vega, '_CODE', 'raise SystemExit(1)')
    assert vega.vega_library() is None
