"""The row that the answer recommends."""

import pytest

from benchmarks.reports.choice import recommended
from benchmarks.reports.table import read_results


@pytest.mark.parametrize('latency, stack', [(39.0, 'attention+loss'), (41.0, None)])
def test_the_largest_shown_gain_within_twice_the_latency_is_recommended(synthetic_out, latency, stack):
    results = read_results(synthetic_out)
    times = dict(zip(('baseline', 'attention', 'attention+loss'), (20.0, 45.0, latency)))
    profiles = {
        name: profile | dict(latency_ms=profile['latency_ms'] | dict(total=[times[name]] * 3))
        for name, profile in results.profiles.items()
    }
    assert recommended(results._replace(profiles=profiles)) == stack
    assert recommended(results._replace(profiles={})) is None
    assert recommended(results._replace(grid=results.grid | dict(comparisons=[]))) is None
