"""Which techniques stack well: effects of techniques alone, in company and together, as weights of stacks.

A team is the set of techniques of a stack, and ``v(R)`` the score of team R. A *context* of a technique ``a`` is a
measured team R without ``a`` for which ``R + a`` was measured, too. A context of a pair is one of ``a`` and of ``b``
for which ``R + a + b`` was measured.

=================  ====================================================================================================
main effect        mean over the contexts R of ``v(R + a) - v(R)``
interaction        mean over the contexts R of ``v(R + a + b) - v(R + a) - v(R + b) + v(R)``: the gain of one technique
                   in the company of the other, minus its gain without. 0 where gains add up.
beyond the sum     ``v(R) - v(0) - sum over a in R of (v(a) - v(0))``: what a stack gains beyond the sum of what its
                   techniques gain alone. Below 0: diminishing returns.
Shapley value      mean over the sizes s of R of the mean over the contexts of size s of ``v(R + a) - v(R)``. With all
                   subsets of n techniques this is the mean gain of ``a`` over all n! orders of adding the techniques,
                   and the values sum to ``v(all) - v(0)`` (Shapley 1953). With fewer it is the estimate of stratified
                   sampling over the sizes at which the grid has any context (Maleki et al. 2013), and the values need
                   not sum to the total.
=================  ====================================================================================================

In a fraction of a factorial, where techniques have no contexts, main effects and interactions are the contrasts of
:func:`column`; each is the sum of its aliases, the effects that the fraction cannot tell apart from it.

In a full factorial the first two are the classical main effects and interactions (Box, Hunter and Hunter 2005), but in
points of the score instead of half points. All are weighted sums of stacks, which
:class:`benchmarks.analysis.contrasts.Contrasts` estimates.
"""

from collections.abc import Collection, Iterable, Mapping
from itertools import combinations

Team = frozenset[str]
TeamWeights = dict[Team, float]


def contexts(teams: Collection[Team], *techniques: str) -> list[Team]:
    """The measured teams without ``techniques`` to which each subset of them was added, too; small ones first."""
    added = [frozenset(subset) for n in range(len(techniques) + 1) for subset in combinations(techniques, n)]
    found = [rest for rest in teams if not rest & set(techniques) and all(rest | more in teams for more in added)]
    return sorted(found, key=lambda rest: (len(rest), sorted(rest)))


def with_and_without(teams: Iterable[Team]) -> dict[str, set[Team]]:
    """By technique, the teams that have it, and those without it to which it was added.

    All contexts of a technique, and of a pair that it belongs to, are among its teams here. In a grid of many
    techniques these are few, and a scan of all teams for each technique would be quadratic.

    Example:
        >>> sorted(map(sorted, with_and_without([frozenset(), frozenset('a'), frozenset('b')])['a']))
        [[], ['a']]
    """
    measured = set(teams)
    found: dict[str, set[Team]] = {}
    for team in measured:
        for technique in team:
            found.setdefault(technique, set()).update({team, team - {technique}} & measured)
    return found


def pairs_in_context(teams: Iterable[Team]) -> list[tuple[str, str]]:
    """The pairs of techniques that have a context, each pair and all of them in alphabetical order.

    Example:
        >>> pairs_in_context([frozenset(), frozenset('a'), frozenset('b'), frozenset('c'), frozenset('bc')])
        [('b', 'c')]
    """
    measured = set(teams)
    found: set[tuple[str, str]] = set()
    for team in measured:
        last = sorted(name for name in team if team - {name} in measured)
        found.update(pair for pair in combinations(last, 2) if team - set(pair) in measured)
    return sorted(found)


def main_effect(teams: Collection[Team], technique: str) -> TeamWeights:
    """The weights of a main effect; empty without a context."""
    return _mean(marginal(rest, technique) for rest in contexts(teams, technique))


def interaction(teams: Collection[Team], one: str, other: str) -> TeamWeights:
    """The weights of an interaction of two techniques; empty without a context."""
    return _mean(second_difference(rest, one, other) for rest in contexts(teams, one, other))


def beyond_the_sum(teams: Collection[Team], team: Team) -> TeamWeights:
    """The weights of what a team gains beyond the sum of its techniques alone; empty where one is not measured."""
    alone = [marginal(frozenset(), technique) for technique in sorted(team)]
    together: TeamWeights = {team: 1.0, frozenset(): -1.0}
    weights = _sum([(1.0, together), *((-1.0, gain) for gain in alone)])
    return weights if len(team) > 1 and weights.keys() <= set(teams) else {}


def shapley(teams: Collection[Team], technique: str) -> TeamWeights:
    """The weights of a technique's Shapley value among ``teams``; empty without a context."""
    by_size: dict[int, list[Team]] = {}
    for rest in contexts(teams, technique):
        by_size.setdefault(len(rest), []).append(rest)
    return _mean(_mean(marginal(rest, technique) for rest in rests) for rests in by_size.values())


def fraction_teams(
    teams: Collection[Team], techniques: Collection[str], words: Collection[Collection[str]]
) -> set[Team]:
    """The measured rows of a fraction: teams of its techniques that share an even number with each defining word."""
    return {
        team
        for team in teams
        if team <= set(techniques) and not any(len(team.intersection(word)) % 2 for word in words)
    }


def column(rows: Collection[Team], *techniques: str) -> TeamWeights:
    """The weights of a main effect or an interaction of two techniques in all rows of a factorial or of a fraction.

    Example:
        >>> sorted(column([frozenset(), frozenset('a')], 'a').values())
        [-1.0, 1.0]
    """
    size = 2 ** len(techniques) / len(rows)
    return {team: size * (-1) ** len(set(techniques) - team) for team in rows}


def is_full(teams: Collection[Team], players: Team) -> bool:
    """Whether every subset of the players was measured, which makes their Shapley values exact."""
    return sum(team <= players for team in set(teams)) == 2 ** len(players)


def marginal(rest: Team, technique: str) -> TeamWeights:
    """The weights of what a technique gains when it is added to a team."""
    return {rest | {technique}: 1.0, rest: -1.0}


def second_difference(rest: Team, one: str, other: str) -> TeamWeights:
    """The weights of what one technique gains on a team in the company of the other, minus its gain without."""
    return _sum([(1.0, marginal(rest | {other}, one)), (-1.0, marginal(rest, one))])


def full_teams(teams: Collection[Team]) -> list[Team]:
    """The teams of two techniques or more that no other team contains; large ones first."""
    among = with_and_without(teams)
    # A team that contains another one has each of its techniques: the one of the fewest teams is enough to look at.
    largest = [
        team
        for team in teams
        if len(team) > 1 and not any(team < other for other in min((among[name] for name in team), key=len))
    ]
    return sorted(largest, key=lambda team: (-len(team), sorted(team)))


def _sum(parts: Iterable[tuple[float, Mapping[Team, float]]]) -> TeamWeights:
    total: TeamWeights = {}
    for factor, weights in parts:
        for team, weight in weights.items():
            total[team] = total.get(team, 0.0) + factor * weight
    return {team: weight for team, weight in total.items() if weight}


def _mean(parts: Iterable[Mapping[Team, float]]) -> TeamWeights:
    given = list(parts)
    return _sum((1 / len(given), weights) for weights in given)
