"""Everything that there is to say of one split: its data card, its errors, its warnings."""

from dataclasses import dataclass, field

from benchmarks.data.card import Card, make_card
from benchmarks.data.checks import check_split
from benchmarks.data.file_facts import Facts
from benchmarks.data.split import Split
from benchmarks.data.truth_checks import truth_errors, truth_warnings
from benchmarks.errors import BadInput


@dataclass(frozen=True)
class Findings:
    """What a split holds, and what is wrong with it.

    Args:
        card: Its data card; None where an error hides what it holds.
        errors: Why it cannot be used.
        warnings: What is probably a mistake.
    """

    card: Card | None
    errors: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)


def findings(split: Split, num_classes: int, files: Facts) -> Findings:
    """Check a split and make its data card.

    Args:
        split: The split.
        num_classes: The model's number of classes.
        files: The facts of its files.
    """
    left_out = [part.text(split.name, len(split.images)) for part in split.left_out]
    try:
        check_split(split, num_classes, files)
    except BadInput as error:
        return Findings(None, [str(error), *left_out])
    card = make_card(split, files)
    return Findings(card, truth_errors(split, card), [*left_out, *truth_warnings(split, card)])
