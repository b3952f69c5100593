from benchmarks.analysis.cost_of_gains import Cost, cost


def record(stack, seconds, iterations=100):
    return dict(stack=stack, train=dict(seconds=seconds, iterations=iterations))


def test_the_least_of_the_seeds_counts_and_a_missing_measurement_is_no_cost():
    records = [record('a', 20.0), record('a', 90.0), record('b', 50.0, 300), dict(stack='b', train=None)]
    profiles = dict(a=dict(status='ok', flops=10), b=dict(status='ok', flops=40), c=dict(status='failed', flops=None))
    assert cost('b', 'a', records, profiles) == Cost(training=2.5, operations=4.0, steps=3.0)
    assert cost('c', 'a', records, profiles) == Cost(1.0, 1.0, 1.0)
