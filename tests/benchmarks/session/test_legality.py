"""The check of a grid's techniques and stacks: all mistakes at once, and the sibling that fits in their place."""

from pathlib import Path

import pytest
import torch

from benchmarks.errors import BadInput
from benchmarks.plan.grid import read_grid
from benchmarks.session.experiment import read_request
from benchmarks.session.legality import check_stacks, remember_sizes, remembered_sizes
from benchmarks.session.settings import Settings

CONFIGS = Path(__file__).resolve().parents[3] / 'configs'
ILLEGAL_KEY = dict(model=dict(decode_head=dict(chanels=8)))
UNBUILT = dict(model=dict(decode_head=dict(num_convs='two')))
UNPAIRED = dict(randomness=dict(diff_rank_seed=True))
WITHOUT_WEIGHTS = dict(load_from='/nowhere/weights.pth')


@pytest.fixture
def mistakes(tmp_path):
    """``mistakes(design, name=(overlay, sibling), …)``: the messages of a grid with techniques of these overlays."""

    def refused(design, **techniques):
        folder = tmp_path / 'techniques'
        folder.mkdir()
        for name, (overlay, sibling) in techniques.items():
            (folder / f'{name}.py').write_text(
                f"title, description, sibling = {name!r}, 'Odd.', {sibling!r}\noverlay = {overlay!r}\n"
            )
        grid = tmp_path / 'grid.py'
        grid.write_text(
            f"title, seeds, baseline = 'Odd', 1, '{CONFIGS / 'baselines' / 'unet_small_icbm152.py'}'\n"
            f'designs = [dict(type={design!r}, techniques={[*techniques][:2]!r})]\n'
        )
        request = read_request(read_grid(grid), Settings(tmp_path / 'work', CONFIGS, 'cpu'))
        with pytest.raises(BadInput) as error:
            check_stacks(request.stacks, request.baseline)
        return error.value.args

    return refused


def test_illegal_keys_and_the_siblings_that_fit(mistakes):
    first, second = mistakes('each_alone', a=(ILLEGAL_KEY, 'focal'), b=(ILLEGAL_KEY, ''))
    assert "technique 'a'" in first and "'FCNHead' takes no 'chanels'" in first
    assert first.endswith("; 'focal' fits this baseline")
    assert "technique 'b'" in second and 'fits this baseline' not in second


def test_techniques_that_do_not_build_and_a_sibling_that_does_not_either(mistakes):
    first, second = mistakes('each_alone', a=(UNBUILT, 'c'), b=(UNBUILT, 'focal'), c=(UNBUILT, ''))
    assert first.startswith("the baseline with 'a' does not build") and 'fits this baseline' not in first
    assert second.startswith("the baseline with 'b' does not build")
    assert second.endswith("; 'focal' fits this baseline")


def test_a_stack_that_holds_a_refused_one_is_not_named_again(mistakes):
    found = mistakes('factorial', a=(UNPAIRED, ''), b=(WITHOUT_WEIGHTS, ''))
    assert [mistake.partition(':')[0] for mistake in found] == ["the stack 'a'", "the stack 'b'"]
    assert 'diff_rank_seed' in found[0] and 'a file that does not exist' in found[1]


def test_weights_that_fit_in_part_are_noted_and_remembered_by_their_content(tmp_path):
    weights = tmp_path / 'weights.pth'
    grid = tmp_path / 'grid.py'
    grid.write_text(
        f"title, seeds, baseline = 'Odd', 1, '{CONFIGS / 'baselines' / 'unet_small_icbm152.py'}'\n"
        "designs = [dict(type='each_alone', techniques=['focal'])]\n"
    )
    settings = Settings(tmp_path / 'work', CONFIGS, 'cpu', cfg_options=dict(load_from=str(weights)))

    def request():
        return read_request(read_grid(grid), settings)

    torch.save({'decode_head.conv_seg.bias': torch.zeros(3)}, weights)
    now = request()
    sizes = check_stacks(now.stacks, now.baseline)
    (note,) = sizes.notes
    assert note.startswith("'load_from' names the weights") and note.endswith('(baseline, focal)')
    remember_sizes(sizes, now.stacks, now.baseline, settings)
    assert remembered_sizes(now.stacks, now.baseline, settings) == sizes
    torch.save({'decode_head.conv_seg.biass': torch.zeros(3)}, weights)
    now = request()
    assert remembered_sizes(now.stacks, now.baseline, settings) is None
    with pytest.raises(BadInput, match='of which no entry fits the network'):
        check_stacks(now.stacks, now.baseline)
