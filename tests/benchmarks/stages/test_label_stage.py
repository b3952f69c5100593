"""The label files of a teacher: classes where it is sure, elsewhere the data set's own label of void pixels."""

from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image

from benchmarks.stages import label
from benchmarks.stages.maps import SCALE


class OneImage:
    """A data set of one image."""

    def __init__(self, path, shifted):
        self.info = dict(seg_map_path=str(path), reduce_zero_label=shifted)

    def __len__(self):
        return 1

    def __getitem__(self, index):
        return dict(inputs=np.zeros(1), data_samples=None)

    def get_data_info(self, index):
        return self.info


@pytest.mark.parametrize(
    'void, shifted, expected', [(255, False, [1, 255]), (254, False, [1, 254]), (255, True, [2, 255])]
)
def test_pixels_of_which_the_teacher_is_unsure_get_the_void_label_of_the_data_set(
    tmp_path, monkeypatch, void, shifted, expected
):
    dataset = OneImage(tmp_path / 'labels' / 'a.png', shifted)
    probs = np.array([[[0.05, 0.6]], [[0.95, 0.4]]])
    model = SimpleNamespace(
        merged_maps=lambda batch: [np.rint(probs * SCALE).astype(np.uint16)],
        labels=lambda quantised: quantised.argmax(0).astype(np.uint8),
    )
    runner = SimpleNamespace(
        test_dataloader=SimpleNamespace(dataset=dataset), test_loop=SimpleNamespace(fp16=False), model=model
    )
    monkeypatch.setattr(label, 'build_runner', lambda *_: runner)
    monkeypatch.setattr(label, 'open_inference', lambda _: model)
    monkeypatch.setattr(label, 'weights', lambda parents: None)
    monkeypatch.setattr(label, 'list_split', lambda name, dataset: SimpleNamespace(ignore_index=void))
    config = dict(teacher=dict(confidence=0.9), test_dataloader=dict(dataset=dict()))
    facts = label.run(config, tmp_path, {}, 'cpu')
    assert np.asarray(Image.open(tmp_path / 'labels' / 'a.png')).tolist() == [expected]
    assert facts['labelled_share'] == 0.5
