"""Several stacks predicted in one pass, against each on its own: the same bytes."""
import json

ROWS = ('tta_flips', 'flips_rot90', 'multi_scale_inference', 'tta_max', 'mixed_precision_inference')


def stored_predictions(grid):
    """Of each predicting stage the files that it stores, but for its log, and its facts."""
    found = {}
    for folder in (grid.store / 'predict').iterdir():
        files = {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob('*')
                 if path.is_file() and path.name not in ('log.txt', 'manifest.json')}
        manifest = json.loads((folder / 'manifest.json').read_text())
        found[manifest['label']] = files, manifest['facts']
    return found


def test_a_shared_pass_stores_what_each_stage_stores_on_its_own(project, write_grid, tmp_path):
    grid = write_grid(tmp_path / 'grid', ROWS, design='each_alone')
    done = project.run(grid)
    assert done.status == 0, done.said
    together = stored_predictions(grid)
    sharing = {label: facts['stacks_in_pass'] for label, (_, facts) in together.items()}
    assert sharing == {f'{row}__seed0': 5 if row != ROWS[-1] else 1 for row in ('baseline', *ROWS)}

    (tmp_path / 'checkout').mkdir()
    apart = project.copy(tmp_path / 'checkout')
    apart.edit('benchmarks/passes.py', "if stage.kind != 'predict' or", 'if True or')
    moved = grid.moved(tmp_path / 'moved')
    for folder in (moved.store / 'predict').iterdir():
        (folder / 'manifest.json').unlink()
    done = apart.run(moved)
    assert done.status == 0, done.said
    alone = stored_predictions(moved)
    assert all(facts['stacks_in_pass'] == 1 for _, facts in alone.values())
    assert {label: files for label, (files, _) in together.items()} == {
        label: files for label, (files, _) in alone.items()}
    assert len(together['baseline__seed0'][0]) == 7  # a map for each of six pictures, and the facts
    assert {label: facts['acted'] for label, (_, facts) in together.items()} == {
        label: facts['acted'] for label, (_, facts) in alone.items()}
    assert together['tta_flips__seed0'][1]['acted'] != together['baseline__seed0'][1]['acted']
