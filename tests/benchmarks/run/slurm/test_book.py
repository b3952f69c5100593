"""What is remembered of submitted jobs."""

import os

from benchmarks.run.slurm.book import Book, Entry, Note, write_note

STEPS = (('train', 'a'), ('predict', 'b'))


def test_jobs_are_remembered_until_all_their_stages_are_forgotten(tmp_path):
    book = Book(tmp_path / 'slurm')
    later, earlier = Entry('y', '8', STEPS, 2.0), Entry('x', '7_1', STEPS, 1.0)
    for entry in (later, earlier):
        book.enter(entry)
    assert book.entries() == [earlier, later] and earlier.keys == {'a', 'b'}
    book.forget(earlier, {'a', 'other'})
    assert [entry.keys for entry in book.entries()] == [{'b'}, {'a', 'b'}]
    (book.folder / 'x').mkdir()
    write_note(book.folder / 'x', Note())
    book.forget(book.entries()[0], {'b'})
    assert book.entries() == [later] and not (book.folder / 'x').exists()
    write_note(book.folder / 'x', Note())
    assert not (book.folder / 'x').exists(), 'a job that ends later leaves nothing behind'


def test_folders_of_jobs_that_never_came_to_be_are_removed(tmp_path):
    book = Book(tmp_path)
    (tmp_path / 'logs').mkdir()
    kept, lost = book.new_name(), book.new_name()
    book.enter(Entry(kept, '7', STEPS))
    book.sweep()
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted([kept, f'{kept}.json', 'logs']) and lost != kept


def test_a_damaged_or_foreign_file_is_no_job(tmp_path):
    book = Book(tmp_path)
    book.enter(Entry('x', '7', STEPS, 1.0))
    os.truncate(tmp_path / 'x.json', 20)
    for name, content in dict(
        empty='', list='[]', other='{"job": 1}', steps='{"job":1,"steps":[1],"submitted":0}'
    ).items():
        (tmp_path / f'{name}.json').write_text(content)
    assert book.entries() == []


def test_a_job_says_what_it_is_at_work_on_and_why_it_ended(tmp_path):
    book = Book(tmp_path)
    assert book.note('x') == Note()
    (tmp_path / 'x').mkdir()
    write_note(tmp_path / 'x', Note(dict(a=1.5)))
    assert book.note('x') == Note(dict(a=1.5))
    write_note(tmp_path / 'x', Note(dict(a=1.5), 'error', 'ImportError: no torch'))
    assert book.note('x').ended == 'error'
    (tmp_path / 'x' / 'note.json').write_text('{"unknown": 1}')
    assert book.note('x') == Note()
