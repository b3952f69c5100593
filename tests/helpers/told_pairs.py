"""What a comparison table says of a pair, with numbers that no section finds by itself."""

from benchmarks.reports.pair_verdicts import PairVerdict

NUMBERS = dict(
    delta=7.0,
    low=6.0,
    high=8.5,
    checkpoints_low=6.5,
    checkpoints_high=7.75,
    p=0.25,
    p_corrected=0.375,
    n_seeds=2,
    lenders=9,
)


def told(verdict, checkpoints_verdict, **numbers):
    return PairVerdict(verdict, checkpoints_verdict, verdict, **(NUMBERS | numbers))
