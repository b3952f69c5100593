"""Images without masks: those in a folder, and the data set of them that a trained network is used on."""

import os
from collections.abc import Collection, Sequence

from mmseg.datasets import BaseSegDataset
from mmseg.registry import DATASETS
from PIL import Image

from plugins.datasets.images_and_masks import SUFFIXES

# Formats that every loader reads alike. OpenCV makes zeros of what a file that was cut off lacks; Pillow refuses it.
CHECKED = ('.png', '.jpg', '.jpeg', '.bmp', '.webp')


@DATASETS.register_module()
class NewImages(BaseSegDataset):
    """Images to segment.

    Args:
        paths: The image files.
        pipeline: Transforms that load an image, and no mask.
        metainfo: ``classes``, and what else the training data declare.
    """

    def __init__(self, paths: Sequence[str], pipeline: Sequence[dict], metainfo: dict) -> None:
        self.paths = list(paths)
        super().__init__(pipeline=list(pipeline), metainfo=metainfo, test_mode=True)

    def load_data_list(self) -> list[dict]:
        """An info for each path, in their order."""
        return [dict(img_path=path, label_map=None, reduce_zero_label=False, seg_fields=[]) for path in self.paths]


def images_in(folder: str, more_suffixes: Collection[str] = ()) -> tuple[dict[str, str], list[str]]:
    """The images of a folder and of those within it; hidden files are left out.

    Args:
        folder: The folder.
        more_suffixes: Suffixes of images beyond the usual ones, such as ``.nii.gz``.

    Returns:
        The path of each image by its name, the path within the folder without the suffix, sorted; and the paths within
        the folder of all files that are no images by their suffix.

    Raises:
        ValueError: Two images have one name, so that their labels would have, too; names both.
    """
    suffixes = sorted({*SUFFIXES, *map(str.lower, more_suffixes)} - {''}, key=len, reverse=True)
    images: dict[str, str] = {}
    others = []
    for place, inside, files in os.walk(folder, followlinks=True):
        inside[:] = sorted(name for name in inside if not name.startswith('.'))
        for file in sorted(name for name in files if not name.startswith('.')):
            path = os.path.join(place, file)
            within = os.path.relpath(path, folder).replace(os.sep, '/')
            suffix = next((end for end in suffixes if file.lower().endswith(end)), None)
            if suffix is None:
                others.append(within)
                continue
            name = within[: -len(suffix)]
            if name in images:
                raise ValueError(f'{images[name]} and {path} would have labels of one name; move one of them elsewhere')
            images[name] = path
    return dict(sorted(images.items())), others


def refuse_cut_off(path: str) -> None:
    """Refuse a file of a usual format that cannot be decoded to its end.

    Raises:
        ValueError: Gives Pillow's reason.
    """
    if not path.lower().endswith(CHECKED):
        return
    try:
        with Image.open(path) as image:
            image.load()
    except Image.DecompressionBombError:
        return  # too many pixels for Pillow to decode without being asked to: the pipeline's loader decides
    except (OSError, SyntaxError, ValueError) as error:
        raise ValueError(f'it cannot be read: {error}') from error
