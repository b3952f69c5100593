"""The command that combines checkpoints: what it writes, and the inputs that it refuses."""

from pathlib import Path

import pytest
import torch

from plugins.tools.combine_checkpoints import combine_files, main


@pytest.fixture
def files(tmp_path):
    """Two members, as the arguments of the command."""
    members = []
    for number, name in enumerate(('wide', 'deep')):
        config, checkpoint = tmp_path / f'{name}.py', tmp_path / f'{name}.pth'
        config.write_text(f"model = dict(type='{name.title()}', head=dict(channels={number}))\n")
        torch.save(dict(state_dict=dict(w=torch.full((2,), float(number))), meta=dict(epoch=number)), checkpoint)
        members += [str(config), str(checkpoint)]
    return members


def test_the_checkpoint_holds_weights_and_models_of_all_members_and_the_first_one_as_itself(files, tmp_path):
    main([*files, '--out', str(tmp_path / 'all.pth')])
    combined = torch.load(tmp_path / 'all.pth', weights_only=False)
    assert combined['meta'] == dict(epoch=0) and combined['state_dict']['w'].tolist() == [0, 0]
    assert [member['state_dict']['w'].tolist() for member in combined['ensemble']] == [[0, 0], [1, 1]]
    assert [member['model'] for member in combined['ensemble']] == [
        dict(type='Wide', head=dict(channels=0)),
        dict(type='Deep', head=dict(channels=1)),
    ]
    assert sorted(path.suffix for path in tmp_path.iterdir()) == [
        '.pth',
        '.pth',
        '.pth',
        '.py',
        '.py',
    ]  # no scratch file


def test_a_single_member_is_refused(files, tmp_path):
    with pytest.raises(ValueError, match='two members at least'):
        combine_files([(files[0], files[1])], str(tmp_path / 'all.pth'))


def test_what_is_no_checkpoint_is_named(files, tmp_path):
    torch.save([1, 2], tmp_path / 'list.pth')
    with pytest.raises(ValueError, match='list.pth is no checkpoint'):
        combine_files([(files[0], files[1]), (files[2], str(tmp_path / 'list.pth'))], str(tmp_path / 'all.pth'))
    assert not (tmp_path / 'all.pth').exists()


@pytest.mark.parametrize('left', [0, 1, 100, -30])
def test_a_truncated_checkpoint_ends_with_status_2_and_its_name(files, tmp_path, capsys, left):
    content = Path(files[3]).read_bytes()
    Path(files[3]).write_bytes(content[:left])
    with pytest.raises(SystemExit) as ended:
        main([*files, '--out', str(tmp_path / 'all.pth')])
    said = capsys.readouterr().err
    assert ended.value.code == 2 and Path(files[3]).name in said and 'Traceback' not in said
    assert not (tmp_path / 'all.pth').exists()


def test_wrong_input_ends_with_status_2_and_a_message(files, tmp_path, capsys):
    for wrong, message in ((files[:3], 'a config and a checkpoint'), ([*files[:3], 'lost.pth'], 'lost.pth')):
        with pytest.raises(SystemExit) as ended:
            main([*wrong, '--out', str(tmp_path / 'all.pth')])
        assert ended.value.code == 2 and message in capsys.readouterr().err
