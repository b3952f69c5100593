"""The baseline's config: as its file has it, and as every arm gets it (the command line's changes, the protocol)."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from benchmarks.data.dataset_configs import lists_same_images
from benchmarks.errors import BadInput, Mistakes
from benchmarks.files import digest
from benchmarks.plan.grid import Grid
from benchmarks.session.settings import Settings
from benchmarks.session.typed_text import refuse_text_for_numbers
from benchmarks.stacks.compose import load_config, nested, refuse_dead_keys, set_data_root, strip_helpers
from benchmarks.stacks.marks import leaves
from benchmarks.stacks.merging import merge
from benchmarks.stacks.processes import PROCESSES, trained_by
from benchmarks.stacks.protocol import apply_protocol
from benchmarks.stacks.tree import mappings

REQUIRED_KEYS = ('model', 'train_dataloader', 'test_dataloader', 'train_cfg', 'optim_wrapper')
# Config keys that a flag decides, whatever the config says.
DECIDED_BY_FLAGS = {
    ('work_dir',): '--work-dir',
    ('randomness', 'seed'): '--seeds',
    (PROCESSES,): '--processes-per-training',
}


@dataclass(frozen=True)
class Baseline:
    """The baseline of a grid.

    Args:
        raw: The baseline's config with ``--data-root``, before ``--cfg-options`` and the protocol.
        options: ``--cfg-options`` as a nested overlay.
        with_protocol: ``raw`` with the options, under the protocol: what techniques are put on.
        protocol: The values of ``configs/_base_/protocol.py``.
        notes: What the user should know of the baseline.
        validation: The config of its validation data set, which the protocol takes away; None without one.
    """

    raw: dict = field(repr=False)
    options: dict
    with_protocol: dict = field(repr=False)
    protocol: dict = field(repr=False)
    notes: tuple[str, ...] = ()
    validation: dict | None = field(default=None, repr=False)


def read_baseline(grid: Grid, settings: Settings) -> Baseline:
    """Read the baseline's config, and change it as the command line and the protocol say.

    Raises:
        BadInput: The config lacks a part without which it cannot be trained and tested, or an entry of
            ``--cfg-options`` changes nothing.
    """
    protocol = load_config(settings.configs / '_base_' / 'protocol.py')
    whole = _read_config(grid)
    raw = strip_helpers(whole)
    notes = _note_on_validation(raw)
    if settings.data_root:
        raw = set_data_root(raw, settings.data_root)
    given = settings.cfg_options or {}
    refuse_text_for_numbers(given, whole)
    options = nested(given, whole)
    refuse_dead_keys(options, whole, '--cfg-options')
    _refuse_dead_options(given, raw, whole, protocol, settings.device)
    changed = merge(raw, options)
    with_protocol, more_notes = apply_protocol(changed, protocol, settings.device)
    with_protocol = trained_by(with_protocol, settings.processes, settings.device)
    notes += _note_on_evaluator(with_protocol)
    validation = (changed.get('val_dataloader') or {}).get('dataset')
    return Baseline(raw, options, with_protocol, protocol, (*notes, *more_notes), validation)


def _read_config(grid: Grid) -> dict:
    """The config that a grid names as its baseline, with its helper variables.

    Raises:
        BadInput: It is no file of a config, or lacks a part without which it cannot be trained and tested.
    """
    path = Path(grid.baseline)
    if path.is_dir():
        inside = ', '.join(sorted(other.name for other in path.glob('*.py'))) or 'it holds none'
        raise BadInput(f"the grid's baseline {path} is a folder; name a config file ({inside})")
    whole = load_config(grid.baseline)
    if 'designs' in whole and 'model' not in whole:
        raise BadInput(
            f'the baseline {path} is a grid, not a config; name the config that it names: {whole.get("baseline")!r}'
        )
    if 'overlay' in whole and 'model' not in whole:
        raise BadInput(
            f'the baseline {path} is a technique, not a config; name a config as the baseline, and '
            f"'{path.stem}' among the techniques of a design"
        )
    missing = [key for key in REQUIRED_KEYS if not whole.get(key)]
    if missing:
        keys = ', '.join(f"'{key}'" for key in missing)
        raise BadInput(f'the baseline {grid.baseline} lacks {keys}, so it cannot be trained and tested')
    return whole


def _note_on_validation(config: dict) -> list[str]:
    tested, validated = ((config.get(loader) or {}).get('dataset') for loader in ('test_dataloader', 'val_dataloader'))
    if not tested or not validated or not lists_same_images(tested, validated):
        return []
    return [
        'the baseline tests on its validation split: choices made on validation scores are choices '
        'made on the test; the grid uses the last checkpoint of every arm'
    ]


def _note_on_evaluator(config: dict) -> list[str]:
    """A note on metrics other than mmseg's usual one, whose scores the reports have."""
    kinds = [node['type'] for node in mappings(config.get('test_evaluator')) if node.get('type')]
    names = [kind if isinstance(kind, str) else getattr(kind, '__name__', str(kind)) for kind in kinds]
    own = [name for name in names if name.rpartition('.')[2] not in ('IoUMetric', 'Evaluator')]
    if not own:
        return []
    return [
        f"test_evaluator's {', '.join(own)} is not called: the grid counts pixels and measures contours itself, and "
        f'derives every score from these; a score of your own can be computed from the stored maps '
        f'(benchmarks/README.md, The store)'
    ]


def _refuse_dead_options(given: Mapping[str, Any], raw: dict, whole: dict, protocol: dict, device: str) -> None:
    """Refuse every entry of ``--cfg-options`` that changes no cell's config."""

    def under_protocol(options: Mapping[str, Any]) -> str:
        return digest(apply_protocol(merge(raw, nested(options, whole)), protocol, device)[0])

    with_all, mistakes = under_protocol(given), Mistakes()
    for dotted, value in given.items():
        overlay = nested({dotted: value}, whole)
        flags = [
            flag
            for path, flag in DECIDED_BY_FLAGS.items()
            if any(leaf[: len(path)] == path for leaf in leaves(overlay, ''))
        ]
        if flags:
            mistakes.all.append(f'--cfg-options {dotted}: setting it changes nothing, {flags[0]} decides it')
        elif under_protocol({key: kept for key, kept in given.items() if key != dotted}) != with_all:
            continue
        elif digest(merge(raw, overlay)) == digest(raw):
            mistakes.all.append(f'--cfg-options {dotted}: the baseline already has the value {value!r}; leave it out')
        else:
            mistakes.all.append(
                f'--cfg-options {dotted}: setting it changes nothing, because the protocol that every arm '
                f'gets decides it (configs/_base_/protocol.py) or another option does; leave it out'
            )
    mistakes.refuse()
