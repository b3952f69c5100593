"""The table of published steps beside the measured ones, from folders that are written by hand."""

import json

import pytest

from benchmarks.check.claims_table import claims_table

STACKS = 'stack,label,published_dice,n_seeds,n_images\n'
COMPARISONS = (
    'design,stack,reference,metric,delta,low,high,verdict,checkpoints_verdict,family,smaller_than_margin,n_seeds\n'
)


@pytest.fixture
def write(tmp_path):
    def write(name, data, stacks, comparisons):
        report = tmp_path / name / 'report'
        report.mkdir(parents=True)
        (report.parent / 'grid.json').write_text(json.dumps(dict(dataset=dict(name=data))))
        (report / 'table.csv').write_text(STACKS + stacks)
        (report / 'comparisons.csv').write_text(COMPARISONS + comparisons)

    return write


def test_a_step_has_its_row_whatever_the_grid_stacks_before_it_and_whatever_its_values(write, tmp_path):
    write(
        'one',
        'slices',
        'baseline,baseline,85,3,8\na,attention,87.5,2,8\na+b,+ views,88,3,8\n',
        'cumulative,a,baseline,dice,-1.26,-2,-0.5,loss,loss,primary,False,2\n'
        'cumulative,a,baseline,hd95_px,9,9,9,loss,loss,primary,False,2\n'
        'cumulative,a+b,a,dice,1,0.5,1.5,gain,gain,primary,False,3\n'
        'each_alone,b,baseline,dice,7,7,7,gain,gain,primary,False,3\n',
    )
    write(
        'two',
        'photos',
        'baseline,baseline,,2,9\nb_64,views,,2,9\nb_64[tuned],"views, tuned",,2,9\n',
        'cumulative,b_64,baseline,dice,0.04,-1,1,undecided,gain,primary,False,2\n'
        'tuning,b_64[tuned],b_64,dice,5,5,5,gain,gain,exploratory,False,2\n'
        'cumulative_tuned,b_64[tuned],baseline,dice,2,1,3,gain,gain,exploratory,False,2\n',
    )
    write(
        'three',
        'no steps',
        'baseline,baseline,85,1,1\n',
        'each_alone,b,baseline,dice,7,7,7,gain,gain,primary,False,3\n',
    )
    assert claims_table(tmp_path).splitlines() == [
        '| step | published | [one](one/report/README.md): slices, 3 seeds, 8 images '
        '| [two](two/report/README.md): photos, 2 seeds, 9 images |',
        '|---|---|---|---|',
        '| attention | +2.5 | −1.3 [−2.0, −0.5] loss, 2 seeds | – |',
        '| views | +0.5 | +1.0 [+0.5, +1.5] gain | 0.0 [−1.0, +1.0] undecided (these checkpoints: gain) |',
        '| views, tuned | – | – | +2.0 [+1.0, +3.0] gain (exploratory) |',
    ]
