"""The embedded data set with planted lesions: strong class imbalance, or objects of one scale."""

import os.path

from mmseg.datasets import BaseSegDataset
from mmseg.registry import DATASETS

from plugins.arguments import check_whole
from plugins.datasets.icbm152_lesion_slices import CLASSES, SEED, ensure_lesion_slices


@DATASETS.register_module()
class ICBM152LesionDataset(BaseSegDataset):
    """Coronal MR slices (160×160, one channel) of simulated people with round lesions, written to disk on first use.

    It has 64 images for training, 16 for validation and 96 for testing, each of another person and scanner, as
    :class:`plugins.datasets.icbm152_people.ICBM152PeopleDataset`. The lesions are described in
    :mod:`plugins.datasets.icbm152_lesion_slices`.

    Args:
        data_root (str): Folder of the data set; written if it is missing or empty.
        variant (str): ``'imbalanced'``, few small lesions of several sizes, or ``'fixed_scale'``, all of radius 8.
        data_prefix (dict): ``img_path`` and ``seg_map_path`` of the split: ``img_dir/train``, ``ann_dir/train`` …
        seed (int): Seed of people, scanners and lesions.
        **kwargs: Arguments of :class:`mmseg.datasets.BaseSegDataset`, which refuses unknown ones.
    """

    METAINFO = dict(classes=CLASSES, palette=[[0, 0, 0], [230, 159, 0]], background='background')

    def __init__(
        self,
        data_root: str,
        variant: str,
        data_prefix: dict = dict(img_path='img_dir/train', seg_map_path='ann_dir/train'),
        seed: int = SEED,
        **kwargs,
    ) -> None:
        check_whole('seed', seed, least=0)
        # Set first, because the __init__ of the base class loads the list of images.
        self.variant = variant
        self.seed = seed
        super().__init__(
            data_root=data_root, data_prefix=data_prefix, img_suffix='.png', seg_map_suffix='.png', **kwargs
        )

    def load_data_list(self) -> list[dict]:
        """List the images of the split; write the data set first if it does not exist.

        Returns:
            list[dict]: mmseg's data infos, each with ``group`` added.

        Raises:
            ValueError: The variant is unknown, or ``data_root`` holds something else.
        """
        ensure_lesion_slices(self.data_root, self.variant, self.seed)
        data_list = super().load_data_list()
        for info in data_list:
            info['group'] = os.path.basename(info['img_path']).split('_')[0]
        return data_list
