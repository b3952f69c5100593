"""Runs a cell of a finished grid again, from the config that the grid has dumped, in a store of its own."""

import uuid
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.data.file_facts import FileStore
from benchmarks.data.fingerprint import fingerprint, names_digest
from benchmarks.data.fold_tables import FOLDER, with_tables
from benchmarks.data.split import cached_split
from benchmarks.files import digest
from benchmarks.plan.making import KeyContext
from benchmarks.plan.plan import Plan, what_changed
from benchmarks.plan.planner import StackStages
from benchmarks.record import BASELINE, cell_name
from benchmarks.run.driver import Driver
from benchmarks.run.launcher import LocalLauncher
from benchmarks.session.display import Display
from benchmarks.session.environment import environment, hardware, library_versions
from benchmarks.session.folders import open_store
from benchmarks.stacks.compose import load_config, set_data_root
from benchmarks.stacks.data_sets import data_sets
from benchmarks.stacks.plugin_code import PluginCode
from benchmarks.stacks.several_networks import each_training, members, student
from benchmarks.stages.parents import LABELS
from benchmarks.stages.worker import LOG
from benchmarks.store.store import Damaged, Store


@dataclass(frozen=True)
class Ways:
    """How a cell runs again.

    Args:
        work_dir: Holds remembered listings, the store of the first run if it was run here, and the fresh store.
        device: ``cpu`` or ``cuda``.
        jobs: The most stages at once.
        timeout_s: Seconds before a stage is ended; None never ends one.
        data_root: Set on every split; None keeps the places that the config names.
        preload: See :class:`benchmarks.run.launcher.LocalLauncher`.
    """

    work_dir: Path
    device: str
    jobs: int
    timeout_s: float | None = None
    data_root: str | None = None
    preload: Sequence[str] = ()


class StageFailed(Exception):
    """A stage of the cell fails now; the message has its reason, and the end of its log."""


@contextmanager
def fresh_store(work_dir: Path) -> Iterator[Store]:
    """An empty store below the store of the work dir.

    It is removed with all that the block leaves in it; that of a killed process by the next run on the work dir.
    """
    with open_store(work_dir).writing(f'verify{uuid.uuid4().hex}') as folder:
        yield Store(folder / 'store')


def plan_again(out: Path, record: Mapping[str, Any], store: Store, ways: Ways) -> Plan:
    """The plan of one cell, from ``configs/<cell>.py`` alone.

    Args:
        out: The folder of the finished grid.
        record: The record of the cell.
        store: The fresh store.
        ways: How the cell runs.

    Raises:
        BadInput: The config, its modules or its data cannot be read.
    """
    # A student's config names the labels of the first run, which its teacher writes anew.
    config = each_training(_read(out, record['cell'], ways), lambda network: student(network, ''))
    context = _context(config, _baseline(out, record, config, ways), store, ways)
    # The seeds of an A/A arm are set apart from its cells' numbers; the config has the seed of the first training.
    apart = config['randomness']['seed'] - members(config)[0].seed(record['seed'])
    stages = StackStages(tuple(record['techniques']), config, context, None, apart, record.get('fold'))
    cell, planned = stages.cell(record['seed'])
    return Plan([cell], {stage.key: stage for stage in planned}, {}, [])


def run_again(plan: Plan, store: Store, ways: Ways) -> Path:
    """Run the plan of one cell.

    Returns:
        The folder of the result whose label maps are scored.

    Raises:
        StageFailed: A stage fails.
    """
    launcher = LocalLauncher(ways.timeout_s, preload=ways.preload)
    driver = Driver(plan, store, launcher, {}, device=ways.device, jobs=ways.jobs)
    with Display(store) as display:
        state = driver.run(display)
    failed = [state.results[key] for key in state.results if not state.results[key].ok]
    if failed:
        log = failed[0].folder / LOG
        last = log.read_text(errors='replace').splitlines()[-20:] if log.is_file() else []
        raise StageFailed('\n'.join([f'{failed[0].label} fails now ({failed[0].reason}); the end of its log:', *last]))
    return state.results[plan.cells[0].tested].folder


def changes_of_work(plan: Plan, record: Mapping[str, Any], work_dir: Path) -> list[str]:
    """The stages whose work differs from that of the record: other code, data or libraries.

    Each names the changed ingredients of its key, if the result of the first run is in the work dir's store. The dumped
    config of a tuned cell has the values that were chosen, which makes the keys of all stages that read the choice
    others in any case; so these are left out.
    """
    kept, cell, after_choice = Store.in_work_dir(work_dir), plan.cells[0], _after_choice(record)
    changes = []
    for kind, key in (('train', cell.train), ('predict', cell.predict), ('refine', cell.refine)):
        before = record['keys'].get(kind)
        if key is None or before == key or kind in after_choice:
            continue
        names: list[str] = []
        with suppress(Damaged):
            result = kept.get(kind, before) if before else None
            names = what_changed(result.ingredients, plan.stages[key].ingredients) if result else []
        changes.append(f'{kind} ({", ".join(names)})' if names else kind)
    return changes


def has_choice(record: Mapping[str, Any]) -> bool:
    """Whether values of the cell were chosen on validation images."""
    return bool(_after_choice(record))


def _after_choice(record: Mapping[str, Any]) -> tuple[str, ...]:
    """The kinds of stages of a cell that read a choice; a network that was taken has the key of its trial."""
    keys = record['keys']
    if keys.get('choose'):
        return ('predict', 'refine') if keys.get('take') else ('train', 'predict', 'refine')
    return ('refine',) if keys.get('select') else ()


def _read(out: Path, cell: str, ways: Ways) -> dict:
    config = with_tables(load_config(out / 'configs' / f'{cell}.py'), out / 'configs' / FOLDER)
    return config if ways.data_root is None else set_data_root(config, ways.data_root)


def _baseline(out: Path, record: Mapping[str, Any], config: dict, ways: Ways) -> dict:
    """The config of the baseline, as which a teacher labels; the cell's own where the grid has no baseline."""
    name = cell_name(BASELINE, record['seed'], record.get('fold'))
    return _read(out, name, ways) if (out / 'configs' / f'{name}.py').is_file() else config


def _context(config: dict, baseline: dict, store: Store, ways: Ways) -> KeyContext:
    """All that enters keys beside the config."""
    imports = (config.get('custom_imports') or {}).get('imports', [])
    cache = ways.work_dir / 'cache'
    splits = {
        digest(dataset): cached_split(name, dataset, cache, imports=imports)
        for name, dataset in data_sets(config, baseline)
    }
    with FileStore(cache) as files:
        prints = {key: fingerprint(split, files) for key, split in splits.items()}
    return KeyContext(
        baseline=baseline,
        code=PluginCode(imports),
        fingerprint=lambda dataset: prints[digest(dataset)],
        names=lambda dataset: names_digest(splits[digest(dataset)]),
        versions=library_versions(),
        device_type=ways.device,
        hardware=hardware(ways.device, environment()),
        label_dir=lambda key: str(store.folder('label', key) / LABELS),
    )
