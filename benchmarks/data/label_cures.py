"""How values in mask files that are no class indices can become some."""

from collections.abc import Collection

from benchmarks.data.loaded_labels import VOID, changes_of, is_valid
from benchmarks.data.split import Split


def conversion(value: int, label: int) -> str:
    """The ways in which a value of the mask files can become a class.

    Args:
        value: The value in the files.
        label: The index of its class.
    """
    return (
        f'let it become {label}: write {label} into the mask files, or map it while loading '
        f'(label_map={{{value}: {label}}} of ImagesAndMasks in plugins.datasets.images_and_masks, or a transform after '
        f'LoadAnnotations)'
    )


def label_cure(split: Split, num_classes: int, labels: Collection[int]) -> str:
    """What to do about labels that the model has no class for.

    Args:
        split: The split.
        num_classes: The model's number of classes.
        labels: All values that occur in its masks.
    """
    wrong = sorted(label for label in labels if not is_valid(label, split, num_classes))
    classes = sorted(set(labels) - {VOID})
    if max(wrong) > VOID:
        cure = _in_order(classes) if len(classes) == num_classes else 'Write class indices as 8-bit PNG'
        return f'Masks are loaded with 8 bits, so {max(wrong)} would become {max(wrong) % 256}. {cure}'
    if changes_of(split):
        return f'These are the labels{changes_of(split)}: set the two, num_classes, or the labels right'
    if classes == list(range(num_classes + 1)) or classes == list(range(1, num_classes + 1)):
        return (
            f'The labels are {classes[0]} … {classes[-1]}: if 0 is void, set reduce_zero_label=True in the data set; '
            f'otherwise num_classes is {classes[-1] + 1}'
        )
    if len(classes) == num_classes:
        return _in_order(classes)
    if len(wrong) == 1 and not {*classes[:-1]} - {*range(num_classes)}:
        return (
            f'If {wrong[0]} is void, set ignore_index={wrong[0]} in the data sets, heads, losses and metrics, or '
            f'write 255 into the mask files; if it is one more class, raise num_classes and '
            f'{conversion(wrong[0], num_classes)}'
        )
    return "Set the model's num_classes and the data set's classes, reduce_zero_label, or the labels right"


def _in_order(classes: list[int]) -> str:
    """The mapping of as many values as there are classes."""
    mapping = {value: index for index, value in enumerate(classes) if value != index}
    return (
        f'The values must be class indices, probably {mapping}: write these into the mask files as 8-bit PNG, or map '
        f'them while loading (label_map of ImagesAndMasks in plugins.datasets.images_and_masks, or a transform after '
        f'LoadAnnotations)'
    )
