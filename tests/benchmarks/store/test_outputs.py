from benchmarks.store.outputs import Output, Outputs


def test_an_output_folder_is_remembered_with_its_last_keys(tmp_path):
    outputs = Outputs(tmp_path / 'work' / 'store' / 'outputs', beside=tmp_path / 'work')
    assert list(outputs) == []
    for keys in (['a'], ['b', 'c']):
        outputs.add(tmp_path / 'work' / 'grid', keys)
    outputs.add(tmp_path / 'elsewhere', [])
    assert sorted((output.folder, output.keys) for output in outputs) == [
        (tmp_path / 'elsewhere', []),
        (tmp_path / 'work' / 'grid', ['b', 'c']),
    ]


def test_folders_of_the_work_dir_move_with_it_and_others_stay(tmp_path):
    work = tmp_path / 'work'
    outputs = Outputs(work / 'store' / 'outputs', beside=work)
    outputs.add(work / 'grid', [])
    outputs.add(tmp_path / 'elsewhere', [])
    work.rename(tmp_path / 'moved')
    moved = Outputs(tmp_path / 'moved' / 'store' / 'outputs', beside=tmp_path / 'moved')
    assert {output.folder for output in moved} == {tmp_path / 'moved' / 'grid', tmp_path / 'elsewhere'}


def test_the_files_are_laid_out_as_they_always_were(tmp_path):
    outputs = Outputs(tmp_path / 'store' / 'outputs', beside=tmp_path)
    outputs.add(tmp_path / 'grid', ['a'])
    (output,) = outputs
    file = tmp_path / 'store' / 'outputs' / '0f2a693e93e2ed7008feb5b7714bbab236e3907e.json'  # sha256 of 'grid'
    assert output == Output(file, tmp_path / 'grid', ['a'])
    assert file.read_text() == '{"out": "grid", "keys": ["a"]}'


def test_a_folder_gives_the_keys_of_its_last_plan_and_those_of_no_other(tmp_path):
    outputs = Outputs(tmp_path / 'store' / 'outputs', tmp_path)
    outputs.add(tmp_path / 'a', ['one'])
    outputs.add(tmp_path / 'a', ['two', 'three'])
    assert outputs.keys_of(tmp_path / 'a') == {'two', 'three'} and outputs.keys_of(tmp_path / 'b') == set()
