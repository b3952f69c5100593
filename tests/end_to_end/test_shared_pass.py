"""Several stacks predicted, and refined, in one pass, against each on its own: the same bytes."""

import json

ROWS = ('tta_flips', 'flips_rot90', 'multi_scale_inference', 'tta_max', 'mixed_precision_inference')
REFINED = ('crf_noisy', 'crf_cleanup_noisy', 'morphology')


def stored(grid, kind):
    """Of each stage of a kind the files that it stores, but for its log, and its facts."""
    found = {}
    for folder in (grid.store / kind).iterdir():
        files = {
            str(path.relative_to(folder)): path.read_bytes()
            for path in folder.rglob('*')
            if path.is_file() and path.name not in ('log.txt', 'manifest.json')
        }
        manifest = json.loads((folder / 'manifest.json').read_text())
        found[manifest['label']] = files, manifest['facts']
    return found


def files_of(results):
    return {label: files for label, (files, _) in results.items()}


def facts_of(results, name):
    return {label: facts[name] for label, (_, facts) in results.items()}


def test_a_shared_pass_stores_what_each_stage_stores_on_its_own(project, write_grid, tmp_path):
    grid = write_grid(tmp_path / 'grid', (*ROWS, *REFINED), design='each_alone', seeds=2)
    done = project.run(grid, '--jobs', '1')
    assert done.status == 0, done.said
    together, refined_together = stored(grid, 'predict'), stored(grid, 'refine')
    assert facts_of(together, 'stacks_in_pass') == {
        f'{row}__seed{seed}': 5 if row != ROWS[-1] else 1 for row in ('baseline', *ROWS) for seed in range(2)
    }
    assert facts_of(refined_together, 'stacks_in_pass') == {
        f'{row}__seed{seed}': 6 for row in REFINED for seed in range(2)
    }

    (tmp_path / 'checkout').mkdir()
    apart = project.copy(tmp_path / 'checkout')
    apart.edit('benchmarks/plan/batching.py', 'shares = BY_NAME[stage.kind].shares', 'shares = None')
    moved = grid.moved(tmp_path / 'moved')
    for kind in ('predict', 'refine'):
        for folder in (moved.store / kind).iterdir():
            (folder / 'manifest.json').unlink()
    done = apart.run(moved)
    assert done.status == 0, done.said
    alone, refined_alone = stored(moved, 'predict'), stored(moved, 'refine')
    assert set(facts_of({**alone, **refined_alone}, 'stacks_in_pass').values()) == {1}
    assert files_of(together) == files_of(alone) and files_of(refined_together) == files_of(refined_alone)
    assert len(together['baseline__seed0'][0]) == 8  # a map for each of six pictures, facts and strata
    assert facts_of(together, 'acted') == facts_of(alone, 'acted')
    assert together['tta_flips__seed0'][1]['acted'] != together['baseline__seed0'][1]['acted']
    changed = facts_of(refined_together, 'changed_pixels')
    assert changed == facts_of(refined_alone, 'changed_pixels') and len(set(changed.values())) == 6
