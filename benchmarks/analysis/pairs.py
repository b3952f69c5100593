"""What a stack and its reference have in common: the seeds, the counts, the parts that acted."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import NamedTuple

from benchmarks.analysis.counts import Counts, same_counts
from benchmarks.analysis.evidence import EffectCounts, Evidence, evidence
from benchmarks.analysis.learning import fails_alone
from benchmarks.record import cell_name


class Pair(NamedTuple):
    """A stack and its reference.

    Args:
        stack: The stack's name.
        reference: The reference's name.
        seeds: Seeds for which both are ok.
        same: Whether all counts of all images are equal in all these seeds; False without seeds.
        evidence: The parts of the stack that had an effect, and those that had none.
        not_learned: Whether a network of either has learned nothing in one of these seeds.
        other_maps: Whether the maps are known to differ in one of these seeds.
        failed_alone: Whether the stack has learned nothing in all of these seeds, and the reference something in each;
            or the stack in more of them than chance explains.
    """

    stack: str
    reference: str
    seeds: tuple[int, ...]
    same: bool = False
    evidence: Evidence = Evidence([], [])
    not_learned: bool = False
    other_maps: bool = False
    failed_alone: bool = False

    @property
    def without_effect(self) -> bool:
        """The technique did nothing: equal counts, and no part that had an effect."""
        return self.same and not self.not_learned and not self.evidence.active and not self.other_maps

    @property
    def same_predictions(self) -> bool:
        """The technique leads to the same predictions by other means."""
        return self.same and not self.not_learned and (bool(self.evidence.active) or self.other_maps)

    @property
    def measured(self) -> bool:
        """Whether there is a difference to estimate."""
        return bool(self.seeds) and not self.without_effect and not self.same_predictions


class Facts(NamedTuple):
    """The facts of a grid's cells, beside their counts, that decide what is tested.

    Attributes:
        effect_counts: By cell, how often each part of it did its work.
        not_learned: Cells with a network, of any fold, that has learned nothing.
        maps: By cell, a digest of its maps; a cell without one says nothing about its maps.
        weights: By cell, what its weights have in common with those of other cells: equal texts, equal weights. A cell
            that is not there has weights of its own.
        learned_nowhere: Of ``not_learned`` the cells of which no network, of any fold, has learned anything.
    """

    effect_counts: EffectCounts = {}
    not_learned: Collection[str] = ()
    maps: Mapping[str, str | None] = {}
    weights: Mapping[str, str] = {}
    learned_nowhere: Collection[str] = ()


def paired(stack: str, reference: str, counts: Counts, facts: Facts, seeds: Sequence[int]) -> Pair:
    """Put a stack and its reference side by side.

    Args:
        stack: The stack's name.
        reference: The reference's name.
        counts: Counts of the ok cells.
        facts: What else is known of the cells.
        seeds: All seeds of the grid; a cell without counts is not ok.
    """
    shared = shared_seeds(counts, stack, reference, seeds)
    if not shared:
        return Pair(stack, reference, ())
    sides = [(cell_name(stack, seed), cell_name(reference, seed)) for seed in shared]
    failed = sum(one in facts.learned_nowhere for one, _ in sides)
    reference_failed = sum(other in facts.not_learned for _, other in sides)
    maps = facts.maps
    return Pair(
        stack,
        reference,
        shared,
        same=all(same_counts(counts.cells[one], counts.cells[other]) for one, other in sides),
        evidence=evidence(facts.effect_counts, stack, reference, shared),
        not_learned=any(cell in facts.not_learned for pair in sides for cell in pair),
        failed_alone=fails_alone(failed, reference_failed, len(sides)),
        other_maps=any(None not in (maps.get(a), maps.get(b)) and maps[a] != maps[b] for a, b in sides),
    )


def shared_seeds(counts: Counts, stack: str, reference: str, seeds: Iterable[int]) -> tuple[int, ...]:
    """The seeds for which both sides of a comparison are ok."""
    return tuple(
        seed for seed in seeds if cell_name(stack, seed) in counts.cells and cell_name(reference, seed) in counts.cells
    )
