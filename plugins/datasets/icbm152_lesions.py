"""The embedded data set with planted lesions: strong class imbalance, or objects of one scale."""

import os.path

from mmseg.datasets import BaseSegDataset
from mmseg.registry import DATASETS

from plugins.datasets.icbm152_lesion_slices import BIAS_AMPLITUDE, CLASSES, NOISE_SIGMA, SEED, ensure_lesion_slices


@DATASETS.register_module()
class ICBM152LesionDataset(BaseSegDataset):
    """Coronal T1 slices (160×160, one channel) with round lesions, written to disk on first use.

    72 slices for training, 8 for validation, 56 for testing; slices, slabs and splits as in
    :class:`plugins.datasets.icbm152.ICBM152Dataset`, ``group`` is the slab. See
    :mod:`plugins.datasets.icbm152_lesion_slices` for the lesions.

    Args:
        data_root (str): Folder of the data set; made if it is missing or empty.
        variant (str): ``'imbalanced'``, few small lesions of several sizes, or ``'fixed_scale'``, all of radius 8.
        data_prefix (dict): ``img_path`` and ``seg_map_path`` of the split: ``img_dir/train``, ``ann_dir/train`` …
        noise_sigma (float): Noise as a fraction of white matter's intensity.
        bias_amplitude (float): Largest absolute logarithm of the bias field.
        seed (int): Seed of lesions, noise and bias field.
        **kwargs: As in :class:`mmseg.datasets.BaseSegDataset`, which refuses unknown ones.
    """

    METAINFO = dict(classes=CLASSES, palette=[[0, 0, 0], [230, 159, 0]], background='background')

    def __init__(
        self,
        data_root: str,
        variant: str,
        data_prefix: dict = dict(img_path='img_dir/train', seg_map_path='ann_dir/train'),
        noise_sigma: float = NOISE_SIGMA,
        bias_amplitude: float = BIAS_AMPLITUDE,
        seed: int = SEED,
        **kwargs,
    ) -> None:
        # Set first, because the base class loads the list within its own __init__.
        self.variant = variant
        self.noise_sigma = noise_sigma
        self.bias_amplitude = bias_amplitude
        self.seed = seed
        super().__init__(
            data_root=data_root, data_prefix=data_prefix, img_suffix='.png', seg_map_suffix='.png', **kwargs
        )

    def load_data_list(self) -> list[dict]:
        """Lists the split, writing the data set before if it is not there yet.

        Returns:
            list[dict]: mmseg's data infos, each with ``group`` added.

        Raises:
            ValueError: The variant is unknown, or ``data_root`` holds something else.
        """
        ensure_lesion_slices(self.data_root, self.variant, self.noise_sigma, self.bias_amplitude, self.seed)
        data_list = super().load_data_list()
        for info in data_list:
            info['group'] = os.path.basename(info['img_path']).split('_')[0]
        return data_list
