"""Settings of launchers are read strictly."""

import pytest

from benchmarks.errors import BadInput
from benchmarks.run.key_values import choice, count, read_pairs, read_values, share, text

READERS = dict(partition=text, cpus=count, gpus=share, cluster=choice('slurm', 'local'))


def test_pairs_are_read_by_their_keys():
    words = ['partition=a,b=c', 'cpus=4', 'gpus=0.25', 'cluster=local']
    assert read_pairs('--x', words, READERS) == dict(partition='a,b=c', cpus=4, gpus=0.25, cluster='local')


@pytest.mark.parametrize(
    'word, message',
    [
        (
            'partitoin=gpu',
            "--x has no key 'partitoin'; did you mean 'partition'? (known: cluster, cpus, gpus, partition)",
        ),
        ('partition', '--x partition: it is no KEY=VALUE'),
        ('partition=', '--x partition=: it is no KEY=VALUE'),
        ('cpus=0', '--x cpus=0: give a whole number of at least 1'),
        ('cpus=1.5', '--x cpus=1.5: give a whole number of at least 1'),
        ('gpus=1.5', '--x gpus=1.5: give a part of 1, such as 0.25, or a whole number'),
        ('gpus=0', '--x gpus=0: give a part of 1, such as 0.25, or a whole number'),
        ('gpus=nan', '--x gpus=nan: give a part of 1, such as 0.25, or a whole number'),
        ('cluster=pbs', '--x cluster=pbs: it is slurm or local'),
    ],
)
def test_what_is_not_understood_is_named(word, message):
    with pytest.raises(BadInput) as refused:
        read_pairs('--x', [word], READERS)
    assert str(refused.value) == message


def test_texts_of_a_file_are_read_alike_and_the_file_is_named():
    assert read_values('g.py', dict(partition='a', cpus='4'), READERS) == dict(partition='a', cpus=4)
    with pytest.raises(BadInput) as refused:
        read_values("g.py: 'x'", dict(cpu='4', gpus='2.5', partition='a'), READERS)
    first, second = refused.value.args
    assert first.startswith("g.py: 'x' has no key 'cpu'; did you mean") and second.startswith(
        "g.py: 'x' gpus=2.5: give"
    )


def test_all_mistakes_are_told_at_once():
    with pytest.raises(BadInput) as refused:
        read_pairs('--x', ['cpus=2', 'cpus=3', 'a'], READERS)
    assert refused.value.args == ('--x gives cpus twice; give it once', '--x a: it is no KEY=VALUE')
