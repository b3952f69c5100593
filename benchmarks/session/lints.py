"""What may make the results of a grid mean something else than its rows say; looked for before anything is trained."""

from benchmarks.run.launcher import LocalLauncher
from benchmarks.session.baseline import Baseline
from benchmarks.session.confounders import confounder_warnings
from benchmarks.session.data import Data
from benchmarks.session.doing import doing
from benchmarks.session.legality import Sizes
from benchmarks.session.settings import Settings
from benchmarks.session.stacks import Stacks


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
        return confounder_warnings(stacks, baseline, sizes, data, settings.cache, launcher)
