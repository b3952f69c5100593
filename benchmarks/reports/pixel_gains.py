"""The gains of comparisons by the size of objects, the distance to a boundary, confidence and agreement of views."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import NamedTuple

import numpy as np

from benchmarks.analysis.lenders import Lenders, Lending
from benchmarks.analysis.pixel_strata import (
    BOUNDARY_CUTS,
    BOUNDARY_NAMES,
    CONFIDENT_CUTS,
    CONFIDENT_NAMES,
    SURE_NAMES,
    VIEWS_NAMES,
    disagreement,
    object_cuts,
    object_names,
    object_scores,
    pixel_scores,
    strata_of,
    thirds_of_images,
    unsure,
)
from benchmarks.analysis.resampling import Estimate
from benchmarks.analysis.strata import Levels, beyond_the_rest, gain_in
from benchmarks.analysis.strata_counts import CellStrata
from benchmarks.data.strata import BOUNDARY, CONFIDENT, OBJECT, VIEWS
from benchmarks.record import cell_name
from benchmarks.reports.results import Results, ok_seeds

# What strata are by: CONFIDENT and SURE of pixels and of images, OBJECT, BOUNDARY and VIEWS as in the records.
SURE = 'image confidence'
OF_PIXELS = (BOUNDARY, CONFIDENT)  # their score is the share of right pixels, not Dice
Scores = Callable[[str, int], np.ndarray]  # (stack, seed) to the scores of its units, (N, U)


class PixelGain(NamedTuple):
    """The gain in a stratum, and what it is beyond the rest.

    Args:
        by: What the strata are by.
        stratum: The stratum in words.
        units: The number of its units, those of one seed.
        gain: The gain.
        more: The gain minus that in all other strata.
    """

    by: str
    stratum: str
    units: int
    gain: Estimate
    more: Estimate | None


class PixelGains:
    """The gains of a grid's comparisons in strata of pixels; none if the records of some cells lack them.

    Args:
        results: The records, counts and strata of the grid.
        lending: Who lends seed variance.
        dice: The Dice of each class in each image of an ok cell, (N, F).
    """

    def __init__(self, results: Results, lending: Lending, dice: Scores) -> None:
        self._results, self._lending, self._dice = results, lending, dice
        self._foreground = results.foreground
        self._weights = results.weights
        self._known: dict[tuple, np.ndarray] = {}
        self._lenders: dict[tuple, Lenders] = {}

    def of(self, stack: str, reference: str, seeds: Sequence[int]) -> Iterator[PixelGain]:
        """The gains of a stack in its strata.

        Args:
            stack: The stack.
            reference: Its reference.
            seeds: The seeds in which both are ok.
        """
        if not self._results.counts.cells.keys() <= self._results.strata.keys():
            return
        pair = stack, reference
        objects = object_cuts(self._strata(reference, seeds[0]), self._foreground)
        yield from self._fixed(OBJECT, pair, seeds, self._objects, object_names(objects))
        yield from self._fixed(BOUNDARY, pair, seeds, self._bands, BOUNDARY_NAMES)
        if self._refines(pair, seeds):
            yield from self._by_confidence(pair, seeds)
        yield from self._of_images(SURE, reference, pair, seeds, unsure, SURE_NAMES)
        viewer = next((side for side in pair if self._has_views(side)), None)
        if viewer is not None:
            yield from self._of_images(VIEWS, viewer, pair, seeds, disagreement, VIEWS_NAMES)

    def _strata(self, stack: str, seed: int) -> CellStrata:
        return self._results.strata[cell_name(stack, seed)]

    def _objects(self, stack: str, seed: int) -> np.ndarray:
        return self._once(
            (OBJECT, stack, seed),
            lambda cell: object_scores(cell, self._foreground, object_cuts(cell, self._foreground)),
        )

    def _bands(self, stack: str, seed: int) -> np.ndarray:
        return self._once((BOUNDARY, stack, seed), lambda cell: pixel_scores(cell, BOUNDARY, BOUNDARY_CUTS))

    def _once(self, key: tuple[str, str, int], scores: Callable[[CellStrata], np.ndarray]) -> np.ndarray:
        if key not in self._known:
            self._known[key] = scores(self._strata(*key[1:]))
        return self._known[key]

    def _fixed(
        self, by: str, pair: tuple[str, str], seeds: Sequence[int], scores: Scores, names: Sequence[str]
    ) -> Iterator[PixelGain]:
        """The gains in strata of the truth, which are the same for all stacks and seeds."""
        for stratum in strata_of(scores(pair[1], seeds[0]), names):
            masks = dict.fromkeys(self._results.grid['seeds'], stratum.mask)
            yield from self._gains(by, (by,), pair, seeds, scores, stratum.name, masks)

    def _by_confidence(self, pair: tuple[str, str], seeds: Sequence[int]) -> Iterator[PixelGain]:
        """The gains by the confidence of the map that both stacks have; no other stack has its bins, and none lends."""

        def scores(stack: str, seed: int) -> np.ndarray:
            return pixel_scores(self._strata(stack, seed), CONFIDENT, CONFIDENT_CUTS)

        of_seeds = [strata_of(scores(pair[1], seed), CONFIDENT_NAMES) for seed in seeds]
        for strata in zip(*of_seeds):
            masks = {seed: of_seed.mask for seed, of_seed in zip(seeds, strata)}
            yield from self._gains(CONFIDENT, None, pair, seeds, scores, strata[0].name, masks)

    def _of_images(
        self,
        by: str,
        of_stack: str,
        pair: tuple[str, str],
        seeds: Sequence[int],
        number: Callable[[CellStrata], np.ndarray],
        names: Sequence[str],
    ) -> Iterator[PixelGain]:
        """The gains in thirds of the images by a number of one of the two stacks."""
        own, known = self._one_training(pair, seeds), ok_seeds(self._results, of_stack)
        values = np.array([number(self._strata(of_stack, seed)) for seed in known])
        units = ~np.isnan(self._dice(of_stack, known[0]))
        # Thirds of a stack that no other comparison has would cost a prior of their own from all trainings.
        lent = (by, of_stack, own) if own or of_stack == pair[1] else None
        for stratum in thirds_of_images(values, units, names, own=own):
            masks = dict(zip(known, stratum.mask))
            yield from self._gains(by, lent, pair, seeds, self._dice, stratum.name, masks)

    def _gains(
        self,
        by: str,
        lent: tuple | None,
        pair: tuple[str, str],
        seeds: Sequence[int],
        scores: Scores,
        name: str,
        masks: Mapping[int, np.ndarray],
    ) -> Iterator[PixelGain]:
        """The gain in one stratum with masks by seed; ``lent`` names its lenders, None if there are none."""
        stack, reference = pair
        mask = np.stack([masks[seed] for seed in seeds])
        gains = np.array([scores(stack, seed) - scores(reference, seed) for seed in seeds])
        groups, folds = self._results.counts.groups, self._results.counts.folds
        weights = {stack: 1.0, reference: -1.0}
        gain, more = gain_in(gains, mask, groups, folds), beyond_the_rest(gains, mask, groups, folds)
        if gain is None or not np.nan_to_num(gains).any():
            return
        if lent is not None:
            gain = self._lender((*lent, name, False), scores, masks).lend(gain, weights, seeds)
            more = self._lender((*lent, name, True), scores, masks).lend(more, weights, seeds)
        if gain is not None:
            yield PixelGain(by, name, int(mask.sum() / len(mask)), gain, more)

    def _lender(self, key: tuple, scores: Scores, masks: Mapping[int, np.ndarray]) -> Lenders:
        if key not in self._lenders:
            self._lenders[key] = Lenders(Levels(scores, masks, beyond=key[-1]), self._lending)
        return self._lenders[key]

    def _one_training(self, pair: tuple[str, str], seeds: Sequence[int]) -> bool:
        return all(len({self._weights[cell_name(side, seed)] for side in pair}) == 1 for seed in seeds)

    def _refines(self, pair: tuple[str, str], seeds: Sequence[int]) -> bool:
        """Whether both stacks have the same merged maps, so that refinements alone tell them apart."""
        maps = [{self._results.records[cell_name(side, seed)].get('maps_sha256') for side in pair} for seed in seeds]
        return all(len(of_seed) == 1 and None not in of_seed for of_seed in maps)

    def _has_views(self, stack: str) -> bool:
        return all(VIEWS in self._strata(stack, seed).pixels for seed in ok_seeds(self._results, stack))
