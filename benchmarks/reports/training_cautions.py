"""What the courses of the trainings say against the rows of a report."""

from collections.abc import Iterator, Mapping, Sequence

from benchmarks.analysis.training_course import NEARLY_ALL, exploding, fall_at_the_end, nearly_out_of_gpu, vanishing
from benchmarks.record import cell_name
from benchmarks.reports.phrases import some_of_rows
from benchmarks.reports.results import Results, ok_seeds

MOST_NAMED = 6


def training_cautions(results: Results) -> Iterator[str]:
    """A sentence for each kind of sign; nothing for records that lack the facts."""
    trainings = _trainings(results)
    yield from _spikes(results, trainings)
    yield from _gradients(results, trainings)
    yield from _still_falling(results, trainings)
    crowded = nearly_out_of_gpu({cell: one['train'] for cell, one in results.records.items() if one['train']})
    if crowded:
        cell = max(crowded, key=lambda name: crowded[name])
        mib = results.records[cell]['train']['device_memory_mib']
        yield (
            f'{len(crowded)} training{"s" * (len(crowded) > 1)} held more than {100 * NEARLY_ALL:.0f} % of the '
            f'{mib / 1024:.3g} GiB of the GPU ({cell}: {100 * crowded[cell]:.0f} %): beside another process they may '
            'fail'
        )


def _trainings(results: Results) -> dict[str, dict[int, Mapping]]:
    """Of each stack whose weights no earlier row has the facts of its ok trainings, by seed."""
    weights, seen = results.weights, set[str]()
    found: dict[str, dict[int, Mapping]] = {}
    for row in results.grid['rows']:
        seeds = ok_seeds(results, row['stack'])
        new = [seed for seed in seeds if weights[cell_name(row['stack'], seed)] not in seen]
        seen |= {weights[cell_name(row['stack'], seed)] for seed in seeds}
        found[row['stack']] = {seed: results.records[cell_name(row['stack'], seed)]['train'] for seed in new}
    return {stack: of_stack for stack, of_stack in found.items() if of_stack}


def _spikes(results: Results, trainings: Mapping[str, Mapping[int, Mapping]]) -> Iterator[str]:
    for stack, of_seed in trainings.items():
        spikes = {seed: train['loss_spikes'] for seed, train in of_seed.items() if train.get('loss_spikes')}
        if spikes:
            times = ', '.join(f'seed {seed}: {_times(number)}' for seed, number in spikes.items())
            yield (
                f'the loss of {_label(results, stack)} jumped far above all before it ({times}): that training was '
                'unsteady, and another seed may end elsewhere. A lower learning rate, a warm-up or clipped gradients '
                'may help'
            )


def _gradients(results: Results, trainings: Mapping[str, Mapping[int, Mapping]]) -> Iterator[str]:
    for stack, of_seed in trainings.items():
        norms = {seed: train['grad_norm'] for seed, train in of_seed.items() if train.get('grad_norm')}
        burst = [seed for seed, norm in norms.items() if exploding(norm)]
        if burst:
            worst = max(burst, key=lambda seed: norms[seed]['largest'] / norms[seed]['median'])
            yield (
                f'the gradients of {_label(results, stack)} exploded in {_seeds(burst)}: the largest norm was '
                f'{norms[worst]["largest"]:.3g}, the median {norms[worst]["median"]:.3g}. Clipping them '
                '(optim_wrapper.clip_grad) bounds such a step'
            )
        gone = [seed for seed, norm in norms.items() if vanishing(norm)]
        if gone:
            norm = norms[gone[0]]
            yield (
                f'the gradients of {_label(results, stack)} vanished in {_seeds(gone)}: their norm went from '
                f'{norm["first"]:.3g} to {norm["last"]:.3g}. Most of that training has changed nothing; look at its '
                'loss and its learning rate'
            )


def _still_falling(results: Results, trainings: Mapping[str, Mapping[int, Mapping]]) -> Iterator[str]:
    """One sentence: rows whose losses still fell, against rows whose losses did not.

    A positive control may train too briefly on purpose, and is left out.
    """
    controls = {row['stack'] for row in results.grid['rows'] if row.get('role') == 'control'}
    curves = {
        stack: [train['loss_by_tenth'] for train in of_seed.values() if train.get('loss_by_tenth')]
        for stack, of_seed in trainings.items()
        if stack not in controls
    }
    falls = {stack: fall_at_the_end(of_stack) for stack, of_stack in curves.items() if of_stack}
    falling = {stack: fall for stack, fall in falls.items() if fall is not None}
    if not falling:
        return
    if len(falling) == len(falls):
        lost = ' to '.join(
            dict.fromkeys(f'{100 * part:.0f}' for part in (min(falling.values()), max(falling.values())))
        )
        yield (
            f'the loss of every training was still falling at its end ({lost} % of its fall came in the second half): '
            'all rows are under-trained, and may be ranked otherwise once they are trained to the end'
        )
        return
    named = [f'{_label(results, stack)} ({100 * fall:.0f} %)' for stack, fall in falling.items()]
    yield (
        'the loss was still falling at the end of the training, with the part of its fall that came in the second '
        f'half: {some_of_rows(named, MOST_NAMED)}. These rows are under-trained, and not comparable with rows '
        'whose loss has come to rest: more steps would favour them'
    )


def _times(number: int) -> str:
    return 'once' if number == 1 else f'{number} times'


def _seeds(seeds: Sequence[int]) -> str:
    return f'seed{"s" * (len(seeds) > 1)} {", ".join(map(str, seeds))}'


def _label(results: Results, stack: str) -> str:
    return next(f'“{row["label"]}”' for row in results.grid['rows'] if row['stack'] == stack)
