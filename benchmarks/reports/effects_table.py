"""The table of effects: main effects, interactions, Shapley values and what stacks gain beyond the sum, by Dice."""

from collections.abc import Iterator, Mapping, Sequence, Set
from itertools import combinations, permutations
from typing import NamedTuple

import numpy as np
import pandas as pd

from benchmarks.analysis.contrasts import Contrasts
from benchmarks.analysis.findings import Finding, judged
from benchmarks.analysis.scores import SCORES
from benchmarks.analysis.stacking import (
    Team,
    TeamWeights,
    beyond_the_sum,
    column,
    contexts,
    fraction_teams,
    full_teams,
    interaction,
    main_effect,
    marginal,
    pairs_in_context,
    second_difference,
    shapley,
    with_and_without,
)
from benchmarks.reports.arms import stacks_not_learned, teams
from benchmarks.reports.interim import OPEN, open_stacks
from benchmarks.reports.pair_verdicts import NONE_COMPARED, PairVerdicts
from benchmarks.reports.results import Results, contrasts_of, looks_at

MAIN, PAIR, SHAPLEY, SUM = 'main effect', 'interaction', 'Shapley value', 'beyond the sum'
ALONE, LAST = 'gain alone', 'gain as the last'
BOTH, WITHOUT = 'gain of both as the last', 'gain as the last, without the partner'
EFFECT_COLUMNS = (
    'kind',
    'technique',
    'partner',
    'stack',
    'value',
    'low',
    'high',
    'p',
    'p_corrected',
    'verdict',
    'n_seeds',
    'contexts',
    'of_contexts',
    'smallest',
    'largest',
    'aliases',
)
_WIDTH = 400.0  # an interaction is a sum of four scores, percent


class _Effect(NamedTuple):
    """An effect before it is estimated.

    Attributes:
        weights: The weights of the teams.
        parts: The weights in each context, where the effect is a mean over contexts.
        stack: The team of all techniques, where the effect is one of a technique in it.
        of_contexts: The number of contexts that a full factorial would have.
        aliases: The effects that a fraction cannot tell apart from this one.
    """

    kind: str
    technique: str
    partner: str
    weights: TeamWeights
    parts: list[TeamWeights] = []
    stack: Team | None = None
    of_contexts: int | None = None
    aliases: str = ''


def effects_table(results: Results, margin: float, told: PairVerdicts = NONE_COMPARED) -> pd.DataFrame:
    """One row per effect, with the columns ``EFFECT_COLUMNS``; no row unless four stacks form a square.

    A square is a team R, R + a, R + b and R + a + b: without one nothing is known of techniques in company.
    See :mod:`benchmarks.analysis.stacking` for the kinds. A gain ``as the last`` is that of adding a technique to all
    others of ``stack``; ``without the partner`` leaves the partner out on both sides. ``smallest`` and ``largest`` are
    the range of an effect over its ``contexts``: how much it depends on the other techniques. ``aliases`` are the
    effects that a fraction of a factorial does not tell apart from it. p values are corrected within each kind. An
    effect that is the difference of two rows which the grid compares has the verdict and the numbers of that
    comparison.

    Args:
        results: The records and counts of the grid.
        margin: Equivalence margin, percent points; 0 for none.
        told: The comparison table by Dice; a pair that it compares has its verdict and its numbers.
    """
    stack_of = teams(results)
    effects = [*_effects(set(stack_of)), *_of_fractions(set(stack_of), results.grid.get('fractions', []))]
    rows: list[dict] = []
    if any(effect.kind == PAIR or effect.aliases for effect in effects):
        contrasts = contrasts_of(results, SCORES['dice'])
        unlearned, not_finished = stacks_not_learned(results), open_stacks(results.grid)
        for kind in dict.fromkeys(effect.kind for effect in effects):
            family = [effect for effect in effects if effect.kind == kind]
            weights = [_by_stack(effect.weights, stack_of) for effect in family]
            learned = [not unlearned & of_effect.keys() for of_effect in weights]
            estimates = [contrasts.estimate(of_effect) for of_effect in weights]
            findings = judged(estimates, margin, learned, _WIDTH, looks_at(results, weights))
            found = [
                one._replace(verdict=OPEN)
                if one.verdict == 'missing' and not_finished & of_effect.keys()
                else _as_told(one, of_effect, told)
                for one, of_effect in zip(findings, weights)
            ]
            rows += [_row(effect, contrasts, stack_of) | one._asdict() for effect, one in zip(family, found)]
    table = pd.DataFrame(rows, columns=list(EFFECT_COLUMNS))
    return table.astype(dict(contexts='Int64', of_contexts='Int64'))


def _as_told(found: Finding, weights: Mapping[str, float], told: PairVerdicts) -> Finding:
    """A finding as the comparison table has it, if it is the difference of two rows that this compares."""
    ordered = sorted(weights, key=lambda stack: -weights[stack])
    if sorted(weights.values()) != [-1.0, 1.0] or (known := told.get((ordered[0], ordered[1]))) is None:
        return found
    return known.of(found)


def _row(effect: _Effect, contrasts: Contrasts, stack_of: Mapping[Team, str]) -> dict:
    """The row of an effect without its estimate."""
    parts = [contrasts.by_seed(_by_stack(part, stack_of)) for part in effect.parts]
    gains = [float(part.mean()) for part in parts if len(part)]
    return dict(
        kind=effect.kind,
        technique=effect.technique,
        partner=effect.partner,
        stack='' if effect.stack is None else stack_of[effect.stack],
        contexts=len(effect.parts) or None,
        of_contexts=effect.of_contexts,
        smallest=min(gains, default=np.nan),
        largest=max(gains, default=np.nan),
        aliases=effect.aliases,
    )


def _effects(measured: Set[Team]) -> Iterator[_Effect]:
    """All effects that the measured teams allow; a main effect of one context is a comparison, and left out."""
    among = with_and_without(measured)
    for name in sorted(among):
        parts = [marginal(rest, name) for rest in contexts(among[name], name)]
        if len(parts) > 1:
            yield _Effect(MAIN, name, '', main_effect(among[name], name), parts)
    for one, other in pairs_in_context(measured):
        rarer = min(among[one], among[other], key=len)
        parts = [second_difference(rest, one, other) for rest in contexts(rarer, one, other)]
        yield _Effect(PAIR, one, other, interaction(rarer, one, other), parts)
    for team in full_teams(measured):
        yield from _of_full_team({other for other in measured if other <= team}, team)


def _of_fractions(measured: Set[Team], fractions: Sequence[Mapping]) -> Iterator[_Effect]:
    """Main effects and interactions of complete fractions, those that have no context elsewhere.

    Of interactions that are aliases the first one is there, and none where a main effect is an alias, too: that is the
    likelier reason.
    """
    for fraction in fractions:
        names = sorted(fraction['techniques'])
        rows = fraction_teams(measured, names, fraction['defining_words'])
        if len(rows) != fraction['rows']:
            continue
        groups = [[tuple(sorted(effect)) for effect in group] for group in fraction['aliases']]
        for effect in (*((name,) for name in names), *combinations(names, 2)):
            others = [other for group in groups if effect in group for other in group if other != effect]
            told = any(len(other) == 1 or other < effect for other in others) if len(effect) == 2 else False
            if told or contexts(measured, *effect):
                continue
            aliases = '; '.join('×'.join(other) for other in others)
            kind, partner = (MAIN, '') if len(effect) == 1 else (PAIR, effect[1])
            yield _Effect(kind, effect[0], partner, column(rows, *effect), aliases=aliases)


def _of_full_team(measured: Set[Team], team: Team) -> Iterator[_Effect]:
    """The effects of the techniques of a full team, from the teams that it contains."""
    for name in sorted(team):
        for kind, rest in ((ALONE, frozenset[str]()), (LAST, team - {name})):
            if {rest, rest | {name}} <= measured:
                yield _Effect(kind, name, '', marginal(rest, name), stack=team)
    parts = {name: [marginal(rest, name) for rest in contexts(measured, name)] for name in sorted(team)}
    if all(len(gains) > 1 for gains in parts.values()):
        for name, gains in parts.items():
            yield _Effect(SHAPLEY, name, '', shapley(measured, name), gains, team, 2 ** (len(team) - 1))
    # Of two techniques what they gain beyond the sum is their interaction.
    beyond = beyond_the_sum(measured, team) if len(team) > 2 else {}
    if beyond:
        yield _Effect(SUM, '+'.join(sorted(team)), '', beyond, stack=team)
    for name, partner in permutations(sorted(team), 2):
        rest = team - {name, partner}
        if rest in contexts(measured, name, partner):
            if name < partner:
                yield _Effect(BOTH, name, partner, {team: 1.0, rest: -1.0}, stack=team)
            yield _Effect(WITHOUT, name, partner, marginal(rest, name), stack=team)


def _by_stack(weights: TeamWeights, stack_of: Mapping[Team, str]) -> dict[str, float]:
    return {stack_of[team]: weight for team, weight in weights.items()}
