"""A file that is given as a grid: every mistake is told at once, and a file of another kind is called by its name."""

import pytest

from benchmarks.errors import BadInput
from benchmarks.plan.grid import read_grid


def refusal(path):
    with pytest.raises(BadInput) as refused:
        read_grid(path)
    return refused.value


def test_all_mistakes_of_a_grid_are_told_at_once(tmp_path):
    path = tmp_path / 'grid.py'
    path.write_text(
        "titel = 'a'\nbaseline = 'b.py'\ndesigns = ['cumulative']\nseeds = 'three'\n"
        'equivalence_margin = -1\npublished_dice = dict(cbam="much")\nlatency_budget_ms = 0\n'
    )
    error = refusal(path)
    assert len(error.args) == 7 and str(error).startswith('7 mistakes:\n- ')
    culprits = ("'titel'", "lacks the field 'title'", "'cumulative'", "'three'", "'equivalence_margin'", "'cbam'")
    for culprit in (*culprits, "'latency_budget_ms'"):
        assert sum(culprit in mistake for mistake in error.args) == 1, culprit


def test_a_baselines_config_is_called_by_its_name(tmp_path):
    path = tmp_path / 'unet.py'
    path.write_text("model = dict(type='EncoderDecoder')\ntrain_dataloader = dict()\n")
    text = str(refusal(path))
    assert 'is a config of a baseline, not a grid' in text and f"baseline = '{path}'" in text


def test_a_technique_is_called_by_its_name(tmp_path):
    path = tmp_path / 'mine.py'
    path.write_text("title = 'T'\ndescription = 'D'\noverlay = dict(model=dict())\n")
    text = str(refusal(path))
    assert 'is a technique, not a grid' in text and "techniques=['mine']" in text


def test_a_folder_and_a_file_that_is_no_python(tmp_path):
    (tmp_path / 'mine.py').touch()
    assert f'is a folder; name one of its files ({tmp_path / "mine.py"})' in str(refusal(tmp_path))
    path = tmp_path / 'grid.yaml'
    path.write_text('title: mine\n')
    assert 'is no Python file' in str(refusal(path))
