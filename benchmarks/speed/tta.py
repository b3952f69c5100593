"""Eight views of an image in one prediction: mmseg's SegTTAModel, as ``tools/test.py --tta`` runs it, against ours.

Both start from the image file and end with labels. The views are those of mmseg: scales and mirror images. mmseg
resizes images in 8 bits and the harness in floats, so labels are compared with SegTTAModel on its own images and on
ours. The other lines time twelve subsets of the eight flips and rotations, predicted in the same pass as their union.
"""

import copy
import ctypes
import tempfile
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import cv2
import numpy as np
import torch
from mmcv.transforms import Compose
from mmengine.config import ConfigDict
from mmengine.dataset import pseudo_collate
from mmengine.optim import OptimWrapper
from mmengine.registry import DefaultScope
from mmengine.structures import PixelData
from mmseg.models import SegTTAModel
from mmseg.registry import MODELS
from mmseg.structures import SegDataSample
from torch import nn

import plugins.views.composed
import plugins.views.flip
import plugins.views.rot90
import plugins.views.scale  # noqa: F401
from benchmarks.probes.memory import HostPeak
from benchmarks.speed.side_by_side import Ratio, report, side_by_side
from benchmarks.stacks.compose import load_config, strip_helpers
from benchmarks.stacks.technique import load_techniques
from plugins.hooks.folded_inference import FoldedInferenceHook
from plugins.hooks.inference import build_inference_model

CONFIGS = Path(__file__).resolve().parents[2] / 'configs'
BASELINES = ('unet_small_icbm152', 'deeplabv3plus_small_icbm152')
SIZE, ROUNDS, SUBSETS = 512, 5, 12
CROP, BATCH, STEPS = 96, 4, 250  # as many steps as the small schedule
SCALES = (0.5, 0.75, 1.0, 1.25)
LOAD, PACK = dict(type='LoadImageFromFile'), dict(type='PackSegInputs')
BY_MMSEG = dict(
    type='TestTimeAug',
    transforms=[
        [dict(type='Resize', scale_factor=scale, keep_ratio=True) for scale in SCALES],
        [dict(type='RandomFlip', prob=prob, direction='horizontal') for prob in (0.0, 1.0)],
        [PACK],
    ],
)
HFLIP = dict(type='FlipView', direction='horizontal')
SCALED = {scale: dict(type='ScaleView', scale=scale) if scale != 1 else dict(type='IdentityView') for scale in SCALES}
MIRRORED = {scale: dict(type='ComposedView', views=[view, HFLIP]) for scale, view in SCALED.items()}
SCALES_AND_FLIPS = {
    f'{scale:.2f}{suffix}': view
    for suffix, views in (('', SCALED), ('_hflip', MIRRORED))
    for scale, view in views.items()
}
ALONE = {'1.25': SCALED[1.25]}  # the view that takes the most memory

Predicts = Callable[[], np.ndarray]


def main() -> None:
    """Run the comparison."""
    lines, memory = [], {}
    with tempfile.TemporaryDirectory() as folder, DefaultScope.overwrite_default_scope('mmseg'):
        path = str(Path(folder) / 'image.png')
        cv2.imwrite(path, _picture(SIZE, np.random.default_rng(1))[0])
        for name in BASELINES:
            model = _trained(name)
            folded = copy.deepcopy(model)
            FoldedInferenceHook().before_test(SimpleNamespace(model=folded))
            with torch.no_grad():
                lines += _against_mmseg(name, model, folded, path)
                lines.append(_subsets(name, model, path))
                memory[name] = _memory(model, folded, path)
    report('tta', lines, size=SIZE, scales=SCALES, threads=torch.get_num_threads(), added_mib=memory)


def _against_mmseg(name: str, model: nn.Module, folded: nn.Module, path: str) -> list[Ratio]:
    reference, given_ours = _mmseg(model, path)(), _mmseg_on_our_images(model, path)
    lines = []
    for what, tested, reach in (
        ('one pass, views of ours', model, None),
        ('the same, batch norm folded, channels_last', folded, 2),
    ):
        ours = _ours(tested, path, SCALES_AND_FLIPS)
        labels = ours()
        note = f'equal labels {_share(labels, reference)}, given the same images {_share(labels, given_ours)}'
        lines.append(
            side_by_side(
                f'{len(SCALES_AND_FLIPS)} views of {SIZE}², {name}',
                ('SegTTAModel', _mmseg(model, path)),
                (what, ours),
                rounds=ROUNDS,
                reach=reach,
                note=note,
            )
        )
    return lines


def _subsets(name: str, model: nn.Module, path: str) -> Ratio:
    union = {
        'identity': dict(type='IdentityView'),
        **load_techniques(CONFIGS / 'techniques', ['tta_dihedral'])['tta_dihedral'].overlay['inference']['views'],
    }
    rng = np.random.default_rng(0)
    subsets = [
        sorted(rng.choice(sorted(union), rng.integers(1, len(union) + 1), replace=False)) for _ in range(SUBSETS)
    ]
    sample = _load(path)
    alone, together = build_inference_model(model, dict(views=union)), build_inference_model(model, dict(views=union))
    maps: list[np.ndarray] = []

    def receive(sample: SegDataSample, q: np.ndarray) -> None:
        maps.append(q)
        together.labels(q)

    def predict_together() -> None:
        maps.clear()
        together.test_step(pseudo_collate([sample]))

    for subset in subsets:
        together.add_variant(dict(views={name: union[name] for name in subset}), receive)
    predict_together()
    equal = all(
        np.array_equal(
            q,
            build_inference_model(model, dict(views={name: union[name] for name in subset})).merged_maps(
                pseudo_collate([sample])
            )[0],
        )
        for q, subset in zip(maps, subsets)
    )
    return side_by_side(
        f'{SUBSETS} subsets of 8 views of {SIZE}², {name}',
        ('the union alone', lambda: alone.test_step(pseudo_collate([sample]))),
        ('the union and the subsets', predict_together),
        rounds=ROUNDS,
        reach=round(1 / 1.05, 3),
        note=f'maps equal to those of each subset alone: {equal}',
    )


def _memory(model: nn.Module, folded: nn.Module, path: str) -> dict[str, float]:
    """Peak of the resident set of one prediction above its size before, in MiB."""
    calls = {
        'SegTTAModel': _mmseg(model, path),
        'ours': _ours(model, path, SCALES_AND_FLIPS),
        'ours, folded': _ours(folded, path, SCALES_AND_FLIPS),
        'its largest view alone': _ours(model, path, ALONE),
    }
    added = {}
    for what, call in calls.items():
        getattr(ctypes.CDLL(None), 'malloc_trim', int)(0)  # memory that earlier calls have left in the process
        with HostPeak() as host:
            call()
        added[what] = round(host.added_mib, 1)
    return added


def _mmseg(model: nn.Module, path: str) -> Predicts:
    pipeline, tta = Compose([LOAD, BY_MMSEG]), SegTTAModel(module=model)
    return lambda: _labels(tta.test_step(pseudo_collate([pipeline(dict(img_path=path))])))


def _mmseg_on_our_images(model: nn.Module, path: str) -> np.ndarray:
    sample, views = _load(path), build_inference_model(model, dict(views=SCALES_AND_FLIPS)).views
    metas = [dict(flip=True, flip_direction='horizontal') if name.endswith('hflip') else {} for name in views]
    return _labels(
        SegTTAModel(module=model).test_step(
            dict(
                inputs=[[view.forward(sample['inputs'])] for view in views.values()],
                data_samples=[[SegDataSample(metainfo={**sample['data_samples'].metainfo, **meta})] for meta in metas],
            )
        )
    )


def _ours(model: nn.Module, path: str, views: dict) -> Predicts:
    inference = build_inference_model(model, dict(views=views))
    return lambda: _labels(inference.test_step(pseudo_collate([_load(path)])))


def _load(path: str) -> dict:
    return Compose([LOAD, PACK])(dict(img_path=path))


def _labels(samples: list[SegDataSample]) -> np.ndarray:
    return samples[0].pred_sem_seg.data.squeeze().numpy()


def _share(labels: np.ndarray, others: np.ndarray) -> str:
    return f'{100 * (labels == others).mean():.4f} %'


def _trained(name: str) -> nn.Module:
    """A trained model of a baseline; the labels of an untrained model depend on the last bit."""
    torch.manual_seed(0)
    config = strip_helpers(load_config(CONFIGS / 'baselines' / f'{name}.py'))
    model = MODELS.build(ConfigDict(config['model']))
    optimizer = OptimWrapper(torch.optim.AdamW(model.parameters(), lr=3e-3))
    rng = np.random.default_rng(0)
    model.train()
    for _ in range(STEPS):
        pictures = [_picture(CROP, rng) for _ in range(BATCH)]
        truth = [PixelData(data=torch.from_numpy(mask[None].astype(np.int64))) for _, mask in pictures]
        model.train_step(
            dict(
                inputs=[torch.from_numpy(image).permute(2, 0, 1) for image, _ in pictures],
                data_samples=[SegDataSample(gt_sem_seg=mask) for mask in truth],
            ),
            optimizer,
        )
    model.eval()
    return model


def _picture(size: int, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Smooth regions of three grey levels, with noise: the image uint8 (size, size, 3), and its labels."""
    field = cv2.GaussianBlur(rng.normal(size=(size, size)), (0, 0), 12)
    labels = np.digitize(field / field.std(), (-0.5, 0.7)).astype(np.uint8)
    image = 50 + 70 * labels[..., None] + rng.normal(0, 15, (size, size, 3))
    return image.clip(0, 255).astype(np.uint8), labels


if __name__ == '__main__':
    main()
