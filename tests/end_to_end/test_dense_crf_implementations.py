"""Implementations of the dense CRF compared as its documentation says: by technique files of one's own, and a grid."""

import csv
import json

CRF = "dict(inference=dict(refine=dict(crf=dict(type='DenseCRF', order=10, bilateral_srgb=30, {implementation}))))"
ROWS = dict(
    my_crf='iterations=3', my_fast_crf="iterations=3, implementation='shared_lattice'", my_other_crf='iterations=1'
)


def refined(grid):
    """By cell what its refinement stored: the table of facts, byte for byte, and how many labels it changed."""
    found = {}
    for manifest in (grid.store / 'refine').glob('*/manifest.json'):
        content = json.loads(manifest.read_text())
        found[content['label']] = (manifest.parent / 'facts.csv').read_bytes(), content['facts']['changed_pixels']
    return found


def test_the_fast_implementation_gives_the_same_bytes_and_the_report_says_so(project, write_grid, tmp_path):
    (tmp_path / 'checkout').mkdir()
    checkout = project.copy(tmp_path / 'checkout')
    for name, arguments in ROWS.items():
        checkout.technique(name, CRF.format(implementation=arguments), 'plugins.refine.dense_crf')
    grid = write_grid(tmp_path / 'grid', ())
    pairs = [(['my_fast_crf'], ['my_crf']), (['my_other_crf'], ['my_crf'])]
    grid.path.write_text(
        f'title = "Discs"\nbaseline = "baseline.py"\nseeds = 1\ndesigns = [dict(type="explicit", pairs={pairs!r})]\n'
    )
    done = checkout.run(grid, '--jobs', '1')
    assert done.status == 0, done.said
    found = refined(grid)
    assert set(found) == {f'{name}__seed0' for name in ROWS} and found['my_crf__seed0'][1] > 0
    assert found['my_fast_crf__seed0'] == found['my_crf__seed0'] != found['my_other_crf__seed0']
    with open(grid.out / 'report' / 'comparisons.csv', newline='') as stream:
        verdicts = {(row['stack'], row['metric']): row['verdict'] for row in csv.DictReader(stream)}
    assert {verdict for (stack, _), verdict in verdicts.items() if stack == 'my_fast_crf'} == {'not effective'}
    assert 'not effective' not in {verdict for (stack, _), verdict in verdicts.items() if stack == 'my_other_crf'}
