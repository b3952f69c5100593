from benchmarks.reports.page.config_changes import Change, config_changes, read_config


def changes(before, after):
    return list(config_changes(before, after))


def test_equal_configs_have_no_change():
    config = dict(model=dict(type='A', layers=[1, 2]), seed=0)
    assert changes(config, config) == []


def test_a_value_a_new_key_and_a_key_that_is_gone():
    before, after = dict(model=dict(type='A', depth=3)), dict(model=dict(type='B', width=4))
    assert changes(before, after) == [
        Change('model.type', "'A'", "'B'"),
        Change('model.width', '', '4'),
        Change('model.depth', '3', ''),
    ]


def test_a_step_that_is_put_into_a_pipeline_is_one_change():
    load, pack = dict(type='Load'), dict(type='Pack')
    assert changes(dict(p=[load, pack]), dict(p=[load, dict(type='Blur', sigma=2), pack])) == [
        Change('p[1]', '', "{'type': 'Blur', 'sigma': 2}")
    ]


def test_a_step_with_another_value_is_told_by_its_key():
    assert changes(dict(p=[dict(type='Crop', size=96)]), dict(p=[dict(type='Crop', size=64)])) == [
        Change('p[0].size', '96', '64')
    ]


def test_true_is_not_one():
    assert changes(dict(a=1), dict(a=True)) == [Change('a', '1', 'True')]


def test_long_values_are_shortened():
    (change,) = changes(dict(a=0), dict(a='x' * 1000))
    assert len(change.after) == 160 and change.after.endswith('…')


def test_a_config_is_read_without_being_run(tmp_path):
    path = tmp_path / 'config.py'
    path.write_text("model = {'type': 'A'}\nraise SystemExit\ntime = __import__('time').time()\nseed = 3\n")
    assert read_config(path) == dict(model=dict(type='A'), seed=3)


def test_a_config_that_is_missing_or_no_python(tmp_path):
    assert read_config(tmp_path / 'config.py') is None
    (tmp_path / 'config.py').write_text('model = {')
    assert read_config(tmp_path / 'config.py') == {}
