"""Warns of test-time views that the training shows already: then they repeat what the network has learned to ignore."""

from functools import partial
from pathlib import Path

from benchmarks.files import digest
from benchmarks.preflight.ready import ready_to
from benchmarks.preflight.views_in_training import Shown, views_shown
from benchmarks.record import stack_name
from benchmarks.run.launcher import LocalLauncher
from benchmarks.session.baseline import Baseline
from benchmarks.session.environment import library_versions
from benchmarks.session.measured import measured
from benchmarks.session.stacks import Stacks
from benchmarks.stacks.several_networks import members

VERSION = 1  # raise it when views are compared otherwise: earlier answers are forgotten


def shown_view_warnings(stacks: Stacks, baseline: Baseline, cache: Path, launcher: LocalLauncher) -> list[str]:
    """A sentence for each set of views that the training of its row shows completely.

    Args:
        stacks: The stacks with their configs.
        baseline: The baseline.
        cache: Folder of what was compared before.
        launcher: Starts the processes that compare.
    """
    plain = (baseline.with_protocol.get('inference') or {}).get('views') or {}
    wanted: dict[str, tuple[Shown, Path]] = {}
    row_of: dict[str, str] = {}
    for stack, config in stacks.unpaired.items():
        views = (config.get('inference') or {}).get('views') or {}
        more = {name: view for name, view in views.items() if plain.get(name) != view}
        if more:
            shown = Shown(
                more, members(config)[0].config['train_dataloader']['dataset'], config['test_dataloader']['dataset']
            )
            parts = [shown.views, shown.train, shown.test]
            name = digest([VERSION, *parts, stacks.code.modules_reached(parts), library_versions()])[:40]
            wanted.setdefault(name, (shown, cache / f'views_{name}.json'))
            row_of.setdefault(name, stack_name(stack))
    prepare = partial(ready_to, views_shown, stacks.techniques, baseline.with_protocol)
    answers = measured(wanted, prepare, launcher)
    return [_text(row_of[name], answers[name]) for name in wanted if answers.get(name) and _all_shown(answers[name])]


def _all_shown(answer: dict) -> bool:
    return bool(answer['views']) and all(answer['views'].values())


def _text(row: str, answer: dict) -> str:
    return (
        f"the training of the row '{row}' shows all of its test-time views already ({', '.join(answer['views'])}, by "
        f'{", ".join(answer["by"])}): the network has learned to ignore these changes, so that the views can do little '
        'more than average its noise. They still help a training that was too short to learn that. Views that the '
        'training does not show, or a baseline without these transforms, say what test-time augmentation itself gives'
    )
