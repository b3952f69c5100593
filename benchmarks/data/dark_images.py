"""Images of 16 bits of which the loader keeps the upper 8: where only lower bits are used, the network sees black."""

from collections.abc import Mapping, Sequence

from benchmarks.data.dataset_configs import leaf_configs
from benchmarks.data.file_facts import FileFacts, FileStore
from benchmarks.data.split import Split

LOOKED_AT = 8  # images whose values are read
DARK = 64  # of 256 levels: an image without a brighter value uses less than a quarter of them
EIGHT_BIT_TYPES = ('color', 'grayscale', 'color_ignore_orientation', 'grayscale_ignore_orientation')


def dark_warnings(split: Split, dataset_cfg: Mapping, files: FileStore) -> list[str]:
    """Point out 16-bit images that ``LoadImageFromFile`` turns nearly black, with the loader that reads them.

    Args:
        split: The split.
        dataset_cfg: The ``dataset`` of a dataloader.
        files: Facts of the images.

    Returns:
        One sentence, or none where the images have 8 bits, use all 16, or are loaded with all of them.
    """
    if not _keeps_eight_bits(dataset_cfg):
        return []
    deep = [path for path, facts in zip(split.images, files.images(split.images)) if facts and facts.bits == 16]
    read = files.facts('peak', deep[:LOOKED_AT], _read_peak)
    peak = max((facts.labels[0] for facts in read if facts and facts.labels), default=0)
    if not deep or peak >> 8 >= DARK:
        return []
    return [
        f'{split.name} data: {len(deep)} image(s) have 16 bits, of which LoadImageFromFile keeps the upper 8: the '
        f'brightest value of the first {min(len(deep), LOOKED_AT)}, {peak}, becomes {peak >> 8} of 255, so the network '
        f"sees nearly black images ({deep[0]}). Load all bits with dict(type='LoadImageFromFile', "
        f"color_type='unchanged', to_float32=True) in every pipeline, and set data_preprocessor.mean and std, and "
        f'backbone.in_channels, to what it loads'
    ]


def _keeps_eight_bits(dataset_cfg: Mapping) -> bool:
    """Whether the images are loaded by mmcv's transform with 8 bits."""
    pipelines: list[Sequence[Mapping]] = [leaf.get('pipeline') or [] for leaf in leaf_configs(dataset_cfg)]
    loaders = [step for steps in pipelines for step in steps if step.get('type') == 'LoadImageFromFile']
    return any(loader.get('color_type', 'color') in EIGHT_BIT_TYPES for loader in loaders)


def _read_peak(path: str) -> FileFacts:
    """The largest value of an image, as its only label."""
    import cv2

    pixels = cv2.imread(path, cv2.IMREAD_UNCHANGED)
    return FileFacts('', labels=None if pixels is None else (int(pixels.max()),))
