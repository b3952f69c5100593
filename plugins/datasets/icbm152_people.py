"""An embedded data set whose images are of many people and scanners: grey and white matter in simulated MR slices."""

import os.path

from mmseg.datasets import BaseSegDataset
from mmseg.registry import DATASETS

from plugins.arguments import check_whole
from plugins.datasets.icbm152_people_slices import CLASSES, SEED, ensure_people


@DATASETS.register_module()
class ICBM152PeopleDataset(BaseSegDataset):
    """Coronal MR slices (160×160, one channel) of simulated people, each scanned by another simulated scanner.

    It has 64 images for training, 16 for validation and 96 for testing, written to disk on first use. The ``group`` of
    each data info is its person (``'person007'``): every image is independent of the others. See
    :mod:`plugins.datasets.icbm152_people_slices` for the simulation.

    Args:
        data_root (str): Folder of the data set; written if it is missing or empty.
        data_prefix (dict): ``img_path`` and ``seg_map_path`` of the split: ``img_dir/train``, ``ann_dir/train`` …
        seed (int): Seed of people and scanners.
        **kwargs: Arguments of :class:`mmseg.datasets.BaseSegDataset`, which refuses unknown ones.
    """

    METAINFO = dict(classes=CLASSES, palette=[[0, 0, 0], [230, 159, 0], [86, 180, 233]], background='background')

    def __init__(
        self,
        data_root: str,
        data_prefix: dict = dict(img_path='img_dir/train', seg_map_path='ann_dir/train'),
        seed: int = SEED,
        **kwargs,
    ) -> None:
        check_whole('seed', seed, least=0)
        self.seed = seed  # set first, because the __init__ of the base class loads the list of images
        super().__init__(
            data_root=data_root, data_prefix=data_prefix, img_suffix='.png', seg_map_suffix='.png', **kwargs
        )

    def load_data_list(self) -> list[dict]:
        """List the images of the split; write the data set first if it does not exist.

        Returns:
            list[dict]: mmseg's data infos, each with ``group`` added.

        Raises:
            ValueError: ``data_root`` holds something else; see
                :func:`plugins.datasets.icbm152_people_slices.ensure_people`.
        """
        ensure_people(self.data_root, self.seed)
        data_list = super().load_data_list()
        for info in data_list:
            info['group'] = os.path.basename(info['img_path']).split('_')[0]
        return data_list
