"""Damaged results, set aside: what was wrong with each, for people and for the report.

    <root>/damaged/<stage>-<key>/       the files as they were found, without maps
    <root>/damaged/<stage>-<key>.json   stage, key, and the damage; alone where a result of a remote store is damaged

The last damage of each key is kept until the next garbage collection.
"""

import shutil
from collections.abc import Container, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from benchmarks.files import read_json, write_json
from benchmarks.store.result import MAPS

FOLDER = 'damaged'


@dataclass(frozen=True)
class Damage:
    """What was found of a result that had to be computed again.

    Args:
        stage: Its kind of stage.
        key: Its key.
        why: The damaged file, and what is wrong with it.
    """

    stage: str
    key: str
    why: str


def set_aside(root: Path, stage: str, key: str, found: Path, why: str) -> None:
    """Keep a damaged result that has left its place.

    Args:
        root: The store's folder.
        stage: Kind of stage.
        key: Its key.
        found: Its folder, which only this process knows.
        why: What is wrong with it; paths below ``root`` are told from there on.
    """
    place = root / FOLDER / f'{stage}-{key}'
    shutil.rmtree(found / MAPS, ignore_errors=True)  # large, and predicted again
    shutil.rmtree(place, ignore_errors=True)
    with suppress(OSError):  # a full disk: what is damaged is of no use, and its place is needed
        place.parent.mkdir(exist_ok=True)
        found.rename(place)
        note_damage(root, stage, key, why.replace(f'{root}/{stage}/{key}/', ''))
    shutil.rmtree(found, ignore_errors=True)


def note_damage(root: Path, stage: str, key: str, why: str) -> None:
    """Remember the damage of a result, without its files.

    Args:
        root: The store's folder.
        stage: Kind of stage.
        key: Its key.
        why: What is wrong with it.
    """
    path = root / FOLDER / f'{stage}-{key}.json'
    with suppress(OSError):
        path.parent.mkdir(exist_ok=True)
        write_json(path, dict(stage=stage, key=key, why=why))


def damage_of(root: Path, keys: Container[str]) -> Iterator[Damage]:
    """The damage that is known of results, in the order of the files' names.

    Args:
        root: The store's folder.
        keys: The keys that count.
    """
    for path in sorted((root / FOLDER).glob('*.json')):
        content = read_json(path)
        if not isinstance(content, dict) or content.keys() != {'stage', 'key', 'why'}:
            continue
        damage = Damage(**{name: str(value) for name, value in content.items()})
        if damage.key in keys:
            yield damage


def forget_damage(root: Path) -> None:
    """Delete all that was set aside."""
    shutil.rmtree(root / FOLDER, ignore_errors=True)
