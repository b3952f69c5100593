"""Two seeds of a training: side by side on one thread each, as the harness runs them, against one after the other.

The reference is mmengine's Runner on the same config as a user runs it, with torch's default number of threads.
"""
from pathlib import Path

from benchmarks.compose import load_config, strip_helpers
from benchmarks.protocol import apply_protocol, pair_training_data, with_seed
from benchmarks.speed.side_by_side import report, summarised
from benchmarks.speed.timed_training import shortened, training_seconds

ROOT = Path(__file__).resolve().parents[2]
BASELINES = ('unet_small_icbm152', 'segformer_small_icbm152')
SEEDS = (0, 1)
STEPS = 30
ROUNDS = 3


def main() -> None:
    """Run the comparison."""
    protocol = load_config(ROOT / 'configs' / '_base_' / 'protocol.py')
    lines = []
    for name in BASELINES:
        plain = shortened(strip_helpers(load_config(ROOT / 'configs' / 'baselines' / f'{name}.py')), STEPS)
        ours = shortened(pair_training_data(apply_protocol(plain, protocol, 'cpu')[0], protocol), STEPS)
        rounds = [(training_seconds([with_seed(plain, seed) for seed in SEEDS], together=False),
                   training_seconds([with_seed(ours, seed) for seed in SEEDS], together=True)) for _ in range(ROUNDS)]
        lines.append(summarised(f'2 × {STEPS} steps of {name}', "mmengine's Runner, one seed after the other",
                                'one thread each, side by side', *zip(*rounds), reach=1.6))
    report('training', lines, steps=STEPS, seeds=SEEDS)


if __name__ == '__main__':
    main()
