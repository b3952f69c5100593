"""``--export``: a folder with a chosen stack, for use without the harness.

config.py        the resolved config of the cell, byte for byte that of the grid's ``configs/``
checkpoint.pth   its weights alone, of all networks; it loads with ``torch.load(weights_only=True)``
modules/         modules of one's own that the config imports, if there are any
network.onnx     the network, if torch can export it
metafile.yaml    the entry of a model zoo, in OpenMMLab's format
manifest.json    what all this is: techniques, seed, keys, sha256 of each file, the record that it comes from
README.md        the commands
"""

import json
import os
import shutil
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from benchmarks.errors import BadInput
from benchmarks.session.export.chosen import chosen_cell, weights_step
from benchmarks.session.export.metafile import metafile
from benchmarks.session.export.readme import readme
from benchmarks.session.finished import own_module_folders
from benchmarks.stacks.compose import load_config
from benchmarks.stacks.module_files import find
from benchmarks.stacks.own_modules import make_importable
from benchmarks.stacks.plugin_code import PluginCode
from benchmarks.stages.parents import CHECKPOINT
from benchmarks.store.result import sha256
from benchmarks.store.store import Damaged, Store

VERSION = 1  # of manifest.json
CONFIG, MANIFEST, MODULES, README, NETWORK = 'config.py', 'manifest.json', 'modules', 'README.md', 'network.onnx'
METAFILE = 'metafile.yaml'


def export(out: Path, wanted: str, work_dir: Path, target: Path) -> None:
    """Export a stack of a finished grid, and print what was written.

    Args:
        out: The folder of the finished grid.
        wanted: The name of a row, or of a cell.
        work_dir: Holds the store with the weights.
        target: The folder to write. An earlier export there is replaced.

    Raises:
        BadInput: The stack cannot be exported, or the folder cannot be replaced by an export.
    """
    grid, record = chosen_cell(out, wanted)
    checkpoint = _checkpoint(out, record, work_dir)
    _refuse_place(target)
    _refuse_other_content(target)
    place = target.resolve()
    place.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=f'.{place.name}-', dir=place.parent) as scratch:
        fresh = Path(scratch) / place.name
        fresh.mkdir()
        network = _fill(fresh, out, record, checkpoint)
        manifest = _manifest(fresh, out, grid, record, network)
        (fresh / README).write_text(readme(manifest, target), encoding='utf-8')
        (fresh / MANIFEST).write_text(json.dumps(manifest, indent=1, ensure_ascii=False) + '\n', encoding='utf-8')
        shutil.rmtree(place, ignore_errors=True)
        os.replace(fresh, place)
    print(f'{record["cell"]} → {target}')
    print(network['said'])
    print(f'how to use it: {target / README}')


def _fill(fresh: Path, out: Path, record: Mapping[str, Any], checkpoint: Path) -> dict:
    """Write all but manifest and README; gives what the manifest says of the ONNX file."""
    from benchmarks.session.export.network import export_network
    from benchmarks.stages.checkpoints import UnsafeCheckpoint, read_checkpoint

    source = out / 'configs' / f'{record["cell"]}.py'
    if not source.is_file():
        raise BadInput(f'--export: {source} is missing; run the grid again: python run_ablation.py GRID --out {out}')
    try:
        read_checkpoint(checkpoint)
    except UnsafeCheckpoint as error:
        raise BadInput(f'--export: {error}') from error
    shutil.copyfile(source, fresh / CONFIG)
    shutil.copyfile(checkpoint, fresh / CHECKPOINT)
    config = load_config(source)
    _copy_own_modules(config, own_module_folders(out), fresh / MODULES)
    text = metafile(out, record, config, dict(README=README, Config=CONFIG, Weights=CHECKPOINT))
    (fresh / METAFILE).write_text(text, encoding='utf-8')
    return export_network(fresh / CONFIG, fresh / CHECKPOINT, fresh / NETWORK)


def _checkpoint(out: Path, record: Mapping[str, Any], work_dir: Path) -> Path:
    """The checkpoint of a cell in the store.

    Raises:
        BadInput: It is not there, or damaged.
    """
    kind, key = weights_step(record)
    place = work_dir / 'store' / kind / key
    cure = (
        f'run the grid again: python run_ablation.py GRID --work-dir {work_dir} --out {out}; or name with --work-dir '
        'that of the run that wrote the records'
    )
    if not place.is_dir():
        raise BadInput(f'--export: the weights of {record["cell"]} are not in {place}; {cure}')
    try:
        result = Store.in_work_dir(work_dir).get(kind, key, verify=True)
    except Damaged as error:
        raise BadInput(f'--export: the weights of {record["cell"]} are damaged: {error}; {cure}') from error
    if result is None or not result.ok:
        raise BadInput(f'--export: {place} holds no weights; {cure}')
    return result.folder / CHECKPOINT


def _refuse_place(target: Path) -> None:
    """Refuse a place that cannot be replaced as a whole: the current folder, one above it, or a symbolic link."""
    if target.is_symlink():
        raise BadInput(
            f'--out {target} is a symbolic link to {os.readlink(target)}, and an export would replace the link; name '
            'that folder itself, or a new one'
        )
    here = Path.cwd()
    if target.resolve() in (here, *here.parents):
        raise BadInput(
            f'--out {target} is the current folder or one above it, and an export replaces its folder as a whole; name '
            'a folder inside it, such as --out exported'
        )


def _refuse_other_content(target: Path) -> None:
    """Refuse a folder with something else than an export, which would be replaced."""
    if not target.exists():
        return
    if not target.is_dir() or any(target.iterdir()) and not {CONFIG, MANIFEST} <= {p.name for p in target.iterdir()}:
        raise BadInput(f'--out {target} exists and is no export, and would be replaced; name a new folder')


def _copy_own_modules(config: dict, folders: list[Path], target: Path) -> None:
    """Copy the modules beside a grid that its config reaches, with the ``__init__`` of their packages."""
    make_importable(folders)
    modules = (config.get('custom_imports') or {}).get('imports', [])
    for module in {*modules, *PluginCode(modules).modules_reached(config)}:
        parts = module.split('.')
        for depth in range(1, len(parts) + 1):
            path = find('.'.join(parts[:depth]))
            beside = None if path is None else next((one for one in folders if one.resolve() in path.parents), None)
            if path is not None and beside is not None:
                place = target / path.relative_to(beside.resolve())
                place.parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(path, place)


def _manifest(fresh: Path, out: Path, grid: Mapping[str, Any], record: Mapping[str, Any], network: dict) -> dict:
    record_file = out / 'records' / f'{record["cell"]}.json'
    files = {path.relative_to(fresh).as_posix(): path for path in sorted(fresh.rglob('*')) if path.is_file()}
    return dict(
        version=VERSION,
        stack=record['stack'],
        techniques=record['techniques'],
        cell=record['cell'],
        seed=record['seed'],
        fold=record.get('fold'),
        seeds=grid['seeds'],
        classes=grid['classes'],
        background=grid['background'],
        keys=record['keys'],
        maps_sha256=record.get('maps_sha256'),
        files={name: dict(bytes=path.stat().st_size, sha256=sha256(path)) for name, path in files.items()},
        network=network,
        source=dict(
            grid=grid['name'],
            title=grid['title'],
            record=record_file.name,
            record_sha256=sha256(record_file),
            command=grid['command'],
            device=grid['device'],
            dataset=grid['dataset']['name'],
            fingerprint=grid['dataset']['fingerprint'],
            environment=grid['environment'],
        ),
    )
