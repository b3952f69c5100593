"""The table of classes: how well each class is predicted, by the name and the index that the data set gives it."""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from benchmarks.analysis.scores import dice_ratio, iou_ratio
from benchmarks.record import cell_name
from benchmarks.reports.phrases import plain, table_cell
from benchmarks.reports.results import Results, ok_seeds

CLASS_COLUMNS = ('stack', 'class', 'class_name', 'n_images', 'n_seeds', 'iou', 'dice')


def class_table(results: Results) -> pd.DataFrame:
    """One row per stack with ok seeds and class, with the columns ``CLASS_COLUMNS``.

    ``iou`` and ``dice`` are pooled over the test images, in percent, and averaged over the ok seeds; they are undefined
    for a class that is neither in the truth nor in a prediction. ``n_images`` counts the test images whose truth holds
    the class.
    """
    rows = []
    for row in results.grid['rows']:
        seeds = ok_seeds(results, row['stack'])
        if not seeds:
            continue
        area = np.stack([results.counts.cells[cell_name(row['stack'], seed)].area for seed in seeds])  # (S, N, K, 3)
        pooled = area.sum(axis=1)
        images = (area[0, ..., 0] + area[0, ..., 2] > 0).sum(axis=0)
        iou, dice = (100 * ratio(pooled).mean(axis=0) for ratio in (iou_ratio, dice_ratio))
        for index, name in enumerate(_names(results, len(images))):
            values = (row['stack'], index, name, int(images[index]), len(seeds), float(iou[index]), float(dice[index]))
            rows.append(dict(zip(CLASS_COLUMNS, values)))
    return pd.DataFrame(rows, columns=list(CLASS_COLUMNS))


def class_section(classes: pd.DataFrame, stacks: pd.DataFrame) -> str:
    """The classes in Markdown: scores of the first stack, the range over all stacks, and the classes never predicted.

    Args:
        classes: The class table, with at least one row.
        stacks: The stack table.
    """
    first = classes['stack'].iloc[0]
    label = table_cell(stacks.loc[stacks['stack'] == first, 'label'].iloc[0])
    lines = [
        'Pooled over the test images, mean over seeds; “all rows” is the range from the lowest row to the highest. '
        'Each row and class: [classes.csv](classes.csv).\n',
        f'| class | test images | IoU, %: {label} | IoU, %: all rows | Dice, %: {label} | Dice, %: all rows |',
        '|---|---|---|---|---|---|',
    ]
    for _, of_class in classes.groupby('class', sort=True):
        row = of_class.iloc[0]
        cells = [table_cell(_called(row)), str(row['n_images'])]
        for name in ('iou', 'dice'):
            cells += [plain(row[name]), _range(of_class[name])]
        lines.append(f'| {" | ".join(cells)} |')
    return '\n'.join([*lines, *_never_right(classes)])


def _never_right(classes: pd.DataFrame) -> list[str]:
    """A sentence on the classes of which no stack has predicted a pixel right, and one on those without truth."""
    by_class = [part for _, part in classes.groupby('class', sort=True)]
    absent = [_called(part.iloc[0]) for part in by_class if not part['n_images'].iloc[0]]
    wrong = [_called(part.iloc[0]) for part in by_class if part['n_images'].iloc[0] and (part['iou'] == 0).all()]
    said = []
    if wrong:
        said.append(
            f'\n**No row predicts a pixel of {len(wrong)} of {len(by_class)} classes right in any seed** (IoU 0): '
            f'{", ".join(wrong)}.'
        )
    if absent:
        said.append(f'\nNo test image holds {", ".join(absent)}.')
    return said


def _range(values: pd.Series) -> str:
    low, high = plain(values.min()), plain(values.max())
    return low if low == high else f'{low} to {high}'


def _called(row: pd.Series) -> str:
    """A class by its index, and its name where there is one."""
    return f'{row["class"]} {row["class_name"]}'.strip()


def _names(results: Results, n_classes: int) -> Sequence[str]:
    """The names of the classes; empty texts where the records have none."""
    names = results.grid.get('classes') or []
    return names if len(names) == n_classes else [''] * n_classes
