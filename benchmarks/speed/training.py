"""Two seeds of a training: side by side on one thread each, as the harness runs them, against one after the other.

The reference is mmengine's Runner on the same config, as a user runs it, with torch's default number of threads. The
second line of each network adds the technique ``channels_last_training``: the same mathematics with other rounding.
"""

from pathlib import Path

from benchmarks.speed.side_by_side import report, summarised
from benchmarks.speed.timed_training import shortened, training_seconds
from benchmarks.stacks.compose import load_config, strip_helpers
from benchmarks.stacks.protocol import apply_protocol, pair_training_data, with_seed

ROOT = Path(__file__).resolve().parents[2]
BASELINES = ('unet_small_icbm152', 'segformer_small_icbm152')
SEEDS = (0, 1)
STEPS = 60
ROUNDS = 3


def main() -> None:
    """Run the comparison."""
    protocol = load_config(ROOT / 'configs' / '_base_' / 'protocol.py')
    lines = []
    for name in BASELINES:
        plain = shortened(strip_helpers(load_config(ROOT / 'configs' / 'baselines' / f'{name}.py')), STEPS)
        ours = shortened(pair_training_data(apply_protocol(plain, protocol, 'cpu')[0], protocol), STEPS)
        ways = {'one thread each, side by side': ours, 'the same in channels_last': in_channels_last(ours)}
        rounds = [
            (_seconds(plain, together=False), *(_seconds(config, together=True) for config in ways.values()))
            for _ in range(ROUNDS)
        ]
        reference, *times = zip(*rounds)
        lines += [
            summarised(
                f'2 × {STEPS} steps of {name}',
                "mmengine's Runner, one seed after the other",
                way,
                reference,
                own,
                reach=1.6,
            )
            for way, own in zip(ways, times)
        ]
    report('training', lines, steps=STEPS, seeds=SEEDS)


def in_channels_last(config: dict) -> dict:
    """The config with the technique ``channels_last_training``."""
    imports = [*config['custom_imports']['imports'], 'plugins.hooks.channels_last_training']
    return {
        **config,
        'custom_imports': {**config['custom_imports'], 'imports': imports},
        'custom_hooks': [*config['custom_hooks'], dict(type='ChannelsLastTrainingHook')],
    }


def _seconds(config: dict, *, together: bool) -> float:
    return training_seconds([with_seed(config, seed) for seed in SEEDS], together=together, as_stages=together)


if __name__ == '__main__':
    main()
