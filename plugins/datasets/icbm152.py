"""The embedded data set: grey and white matter in simulated MR slices of the ICBM152 brain."""

import os.path

from mmseg.datasets import BaseSegDataset
from mmseg.registry import DATASETS

from plugins.arguments import check_number, check_whole
from plugins.datasets.icbm152_slices import BIAS_AMPLITUDE, CLASSES, NOISE_SIGMA, SEED, ensure_slices


@DATASETS.register_module()
class ICBM152Dataset(BaseSegDataset):
    """Coronal T1 slices (160×160, one channel) with grey- and white-matter labels, written to disk on first use.

    It has 72 slices for training, 8 for validation and 56 for testing, in slabs along y, with two slices left out
    between slabs. The ``group`` of each data info is its slab (``'slab03'``): slices of a slab are not independent.
    See :mod:`plugins.datasets.icbm152_slices` for source, simulation and layout.

    Args:
        data_root (str): Folder of the data set; written if it is missing or empty.
        data_prefix (dict): ``img_path`` and ``seg_map_path`` of the split: ``img_dir/train``, ``ann_dir/train`` …
        noise_sigma (float): Standard deviation of the noise, as a fraction of the intensity of white matter.
        bias_amplitude (float): Largest absolute logarithm of the bias field.
        seed (int): Seed of noise and bias field.
        **kwargs: Arguments of :class:`mmseg.datasets.BaseSegDataset`, which refuses unknown ones.
    """

    METAINFO = dict(classes=CLASSES, palette=[[0, 0, 0], [230, 159, 0], [86, 180, 233]], background='background')

    def __init__(
        self,
        data_root: str,
        data_prefix: dict = dict(img_path='img_dir/train', seg_map_path='ann_dir/train'),
        noise_sigma: float = NOISE_SIGMA,
        bias_amplitude: float = BIAS_AMPLITUDE,
        seed: int = SEED,
        **kwargs,
    ) -> None:
        check_number('noise_sigma', noise_sigma, least=0)
        check_number('bias_amplitude', bias_amplitude, least=0)
        check_whole('seed', seed, least=0)
        # Set first, because the __init__ of the base class loads the list of images.
        self.noise_sigma = noise_sigma
        self.bias_amplitude = bias_amplitude
        self.seed = seed
        super().__init__(
            data_root=data_root, data_prefix=data_prefix, img_suffix='.png', seg_map_suffix='.png', **kwargs
        )

    def load_data_list(self) -> list[dict]:
        """List the images of the split; write the data set first if it does not exist.

        Returns:
            list[dict]: mmseg's data infos, each with ``group`` added.

        Raises:
            ValueError: ``data_root`` holds something else; see :func:`plugins.datasets.icbm152_slices.ensure_slices`.
        """
        ensure_slices(self.data_root, self.noise_sigma, self.bias_amplitude, self.seed)
        data_list = super().load_data_list()
        for info in data_list:
            info['group'] = os.path.basename(info['img_path']).split('_')[0]
        return data_list
