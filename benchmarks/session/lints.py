"""What may make the results of a grid mean something else than its rows say; looked for before anything is trained."""

from benchmarks.preflight.selection import SAVE_BEST, selected_on_test
from benchmarks.record import stack_name
from benchmarks.run.launcher import LocalLauncher
from benchmarks.session.baseline import Baseline
from benchmarks.session.confounders import confounder_warnings
from benchmarks.session.data import Data
from benchmarks.session.doing import doing
from benchmarks.session.legality import Sizes
from benchmarks.session.settings import Settings
from benchmarks.session.shown_views import shown_view_warnings
from benchmarks.session.stacks import Stacks
from benchmarks.stacks.several_networks import members

USED = 'the test images choose what they are to judge. Give val_dataloader images of its own, or leave that part out'
NOT_USED = (
    'a checkpoint chosen so is chosen on the test. The grid tests the last checkpoint instead; leave that part out'
)


def find_lints(
    stacks: Stacks, baseline: Baseline, sizes: Sizes, data: Data, settings: Settings, launcher: LocalLauncher
) -> list[str]:
    """A sentence for each finding.

    Args:
        stacks: The stacks with their configs.
        baseline: The baseline.
        sizes: How large the networks are.
        data: The data sets.
        settings: How the grid is run.
        launcher: Starts the processes that measure.
    """
    with doing('comparing the arms'):
        found = confounder_warnings(stacks, baseline, sizes, data, settings.cache, launcher)
        found += shown_view_warnings(stacks, baseline, settings.cache, launcher)
        return [*found, *_selections(stacks)]


def _selections(stacks: Stacks) -> list[str]:
    """A sentence for each choice that trainings make by scores on the test images, with the first row that makes it."""
    first: dict[str, str] = {}
    for stack, config in stacks.unpaired.items():
        for member in members(config):
            for part in selected_on_test(member.config):
                first.setdefault(part, stack_name(stack))
    return [
        f"the row '{stack}' validates on the test images while it trains, and {part} reads that score: "
        + (NOT_USED if SAVE_BEST in part else USED)
        for part, stack in first.items()
    ]
