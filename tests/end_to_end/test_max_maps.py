"""A grid that keeps no maps: the same numbers, and a refinement that is added later."""


def same_counts(grid, reference):
    counts = [each.out / 'records' / 'counts.csv.gz' for each in (grid, reference)]
    return counts[0].read_bytes() == counts[1].read_bytes()


def maps(grid):
    return {path.parent.name for path in grid.store.glob('predict/*/maps')}


def test_a_grid_without_maps_has_the_same_numbers_and_predicts_again_what_a_new_refinement_reads(
    project, uninterrupted, write_grid, tmp_path
):
    bare = uninterrupted._replace(work_dir=tmp_path / 'bare')
    done = project.run(bare, '--max-maps', '0B')
    assert done.status == 0, done.said
    assert 'maps: at most 0 B are kept (--max-maps); stored are those of 0 predictions, 0 B\n' in done.stdout
    assert '  1 to be predicted that no refinement of this plan reads: not written\n' in done.stdout
    assert maps(bare) == set() and len(maps(uninterrupted)) == 2
    assert same_counts(bare, uninterrupted) and bare.manifests().keys() == uninterrupted.manifests().keys()
    assert bare.keys() == uninterrupted.keys() and bare.records().keys() == uninterrupted.records().keys()

    kept = uninterrupted.moved(tmp_path / 'kept')
    more = [
        write_grid(tmp_path / 'more', ('crf_cleanup',), name='more')._replace(work_dir=grid.work_dir)
        for grid in (bare, kept)
    ]
    plans = [project.run(grid, '--max-maps', '0B', '--dry-run').stdout for grid in more]
    assert '  predict   1 × its maps were not kept (--max-maps): baseline__seed0\n' in plans[0]
    assert 'not kept' not in plans[1] and '  1 dropped at the start of the run, the oldest first: ' in plans[1]
    assert len(maps(kept)) == 2
    before = bare.manifests()
    for grid in more:
        done = project.run(grid, '--max-maps', '0B')
        assert done.status == 0, done.said
        assert maps(grid) == set()
    assert same_counts(*more)
    again = {name for name, identity in before.items() if bare.manifests()[name] != identity}
    assert again == {f'predict/{bare.keys()["predict baseline__seed0"]}'}
