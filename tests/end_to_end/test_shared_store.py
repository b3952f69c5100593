"""A grid whose hosts share results through a remote store: a second host computes nothing, and has the same numbers."""


def test_a_second_host_brings_everything_and_has_the_same_records(project, uninterrupted, tmp_path):
    url = f'file://{tmp_path}/shared'
    first = uninterrupted.moved(tmp_path / 'first')
    before = first.manifests()
    done = project.run(first, '--store', url)
    assert done.status == 0 and first.manifests() == before, done.said

    second = uninterrupted._replace(work_dir=tmp_path / 'second')
    plan = project.run(second, '--store', url, '--dry-run').stdout
    assert f' × stored in {url}: ' in plan and 'not run yet' not in plan and 'training steps' not in plan
    done = project.run(second, '--store', url)
    assert done.status == 0, done.said
    assert second.manifests().keys() == before.keys() and second.keys() == first.keys()
    counts = [each.out / 'records' / 'counts.csv.gz' for each in (first, second)]
    assert counts[0].read_bytes() == counts[1].read_bytes()
    seconds = [{name: record['train']['seconds'] for name, record in one.records().items()} for one in (first, second)]
    assert seconds[0] == seconds[1], 'nothing is trained again'
    assert not list(second.store.glob('predict/*/maps')), 'no stage here reads them'
