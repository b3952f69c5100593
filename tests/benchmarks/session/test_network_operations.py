"""Each distinct network of a grid is counted once; conditions and a grid of one network need no count."""

from types import SimpleNamespace

import pytest

from benchmarks.session import network_operations


def row(head, data='images', **rest):
    return dict(model=dict(decode_head=head), test_dataloader=dict(dataset=dict(data_root=data)), **rest)


@pytest.fixture
def counted(monkeypatch, tmp_path):
    """The operations of some rows, and the files of the counts; a network has as many as its head says."""
    files = []

    def count(wanted, prepare, launcher):
        files.extend(file for _, file in wanted.values())
        return {name: inference.model['decode_head'] for name, (inference, _) in wanted.items()}

    monkeypatch.setattr(network_operations, 'measured', count)

    def operations(rows, clean_stack_of=None, fingerprint='f'):
        stacks = SimpleNamespace(
            unpaired=rows,
            paired=rows,
            techniques={},
            layout=SimpleNamespace(clean_stack_of=clean_stack_of or {}),
            code=SimpleNamespace(modules_reached=lambda parts: {}),
        )
        data = SimpleNamespace(of=lambda dataset: SimpleNamespace(fingerprint=fingerprint))
        files.clear()
        found = network_operations.operations_of(stacks, SimpleNamespace(with_protocol={}), data, tmp_path, None)
        return found, list(files)

    return operations


def test_rows_that_differ_in_views_share_a_count(counted):
    rows = {(): row(100), ('views',): row(100, inference=dict(views=2)), ('decoder',): row(200)}
    found, files = counted(rows)
    assert found == {(): 100, ('views',): 100, ('decoder',): 200} and len(files) == 2


def test_one_network_is_compared_with_nothing(counted):
    assert counted({(): row(100), ('longer',): row(100, train_cfg=dict(max_iters=9))}) == ({}, [])


def test_what_cannot_be_counted_is_left_out(counted):
    assert counted({(): row(100), ('odd',): row(None)})[0] == {(): 100}


def test_a_condition_has_the_network_of_the_clean_row(counted):
    rows = {(): row(100), ('decoder',): row(200), ('n',): row(100, 'noisy'), ('decoder', 'n'): row(200, 'noisy')}
    found, files = counted(rows, {('n',): (), ('decoder', 'n'): ('decoder',)})
    assert found == {(): 100, ('decoder',): 200} and len(files) == 2


def test_other_images_are_counted_anew(counted):
    rows = {(): row(100), ('decoder',): row(200)}
    assert counted(rows)[1] == counted(rows)[1]
    assert not set(counted(rows)[1]) & set(counted(rows, fingerprint='g')[1])
