"""What mmseg's loader makes of a label in a mask file: a class, or void."""

from benchmarks.data.split import Split

VOID = 255  # what mmseg writes for labels that reduce_zero_label or label_map drop


def loaded_label(label: int, split: Split) -> int | None:
    """The label that training and scores see; None for void.

    Args:
        label: A value of the mask file, of at most eight bits.
        split: Gives ``reduce_zero_label``, ``label_map`` and ``ignore_index``.
    """
    dropped = False
    if split.reduce_zero_label:
        dropped = label in (0, VOID)
        label = VOID if dropped else label - 1
    if split.label_map is not None and label in split.label_map:
        dropped = dropped or split.label_map[label] == VOID
        label = split.label_map[label]
    return None if dropped or label == split.ignore_index else label


def is_valid(label: int, split: Split, num_classes: int) -> bool:
    """Whether a raw label becomes a class or void."""
    if not 0 <= label <= VOID:  # masks are loaded as 8-bit: 256 would silently become 0
        return False
    loaded = loaded_label(label, split)
    return loaded is None or loaded < num_classes


def changes_of(split: Split) -> str:
    """The steps that change labels while they are loaded, for a message: `` after reduce_zero_label``, or nothing."""
    steps = [
        step
        for step, used in (('reduce_zero_label', split.reduce_zero_label), ('label_map', split.label_map is not None))
        if used
    ]
    return f' after {" and ".join(steps)}' if steps else ''
