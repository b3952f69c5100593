"""What loaders draw: each test image once and in order, an epoch with an end, a batch at least, steps."""

import numpy as np
import pytest
from PIL import Image

from benchmarks.errors import BadInput
from benchmarks.preflight.draws import check_test_draws, check_training_draws, lone_image_warning, refuse_no_length
from benchmarks.preflight.stack import import_and_register

IN_ORDER, ENDLESS = dict(type='DefaultSampler', shuffle=False), dict(type='InfiniteSampler', shuffle=True)
EPOCHS, STEPS = dict(type='EpochBasedTrainLoop', max_epochs=2), dict(type='IterBasedTrainLoop', max_iters=10)


@pytest.fixture(scope='module')
def loader(tmp_path_factory):
    """``loader(key=value, …)``: the config of a loader of 6 images in batches of 2."""
    import_and_register({}, dict(custom_imports=dict(imports=['plugins.datasets.paired'])))
    folder = tmp_path_factory.mktemp('six')
    for number in range(6):
        Image.fromarray(np.zeros((4, 4, 3), np.uint8)).save(folder / f'{number}.png')
    dataset = dict(type='BaseSegDataset', data_root=str(folder), data_prefix=dict(img_path=''), img_suffix='.png')
    dataset |= dict(metainfo=dict(classes=('a', 'b')), pipeline=[dict(type='LoadImageFromFile')])
    return lambda **keys: dict(batch_size=2, num_workers=2, persistent_workers=True, dataset=dataset) | keys


@pytest.mark.parametrize(
    'keys, message',
    [
        (dict(sampler=IN_ORDER), None),
        (dict(sampler=IN_ORDER, batch_size=4), None),
        (dict(sampler=IN_ORDER, batch_size=3, drop_last=True), None),  # nothing is left to drop
        (dict(sampler=IN_ORDER, batch_size=4, drop_last=True), r'draws 4 of 6 test images; set .*drop_last=False'),
        (dict(sampler=IN_ORDER, num_batch_per_epoch=2), r'draws 4 of 6 test images; take num_batch_per_epoch out'),
        (dict(sampler=ENDLESS), r"draws more than the 6 test images, or never ends; give .*'DefaultSampler'"),
        (dict(sampler=dict(type='DefaultSampler', shuffle=True)), 'in another order than that of their data set'),
        (dict(sampler=dict(type='NoSampler')), "'test_dataloader' cannot be built: .*NoSampler"),
    ],
)
def test_a_test_draws_each_image_once_in_order(loader, keys, message):
    config = dict(test_dataloader=loader(**keys))
    if message is None:
        return check_test_draws(config, 'it')
    with pytest.raises(BadInput, match=f"it: 'test_dataloader' .*{message}|it: {message}"):
        check_test_draws(config, 'it')


@pytest.mark.parametrize(
    'loop, keys, message',
    [
        (STEPS, dict(sampler=ENDLESS), None),
        (STEPS, dict(sampler=ENDLESS, batch_size=20, drop_last=True), None),  # batches go over the end of a pass
        (EPOCHS, dict(sampler=IN_ORDER), None),
        (dict(by_epoch=True, max_epochs=2), dict(sampler=IN_ORDER), None),
        (EPOCHS, dict(sampler=ENDLESS), r"an epoch of 'train_cfg' .* never ends. Give .*max_iters, of which 3 go"),
        (EPOCHS, dict(sampler=dict(type='PairedSampler', infinite=True)), 'never ends'),
        (dict(by_epoch=True, max_epochs=2), dict(sampler=ENDLESS), 'never ends'),
        (
            EPOCHS,
            dict(sampler=IN_ORDER, batch_size=7, drop_last=True),
            'gives no batch: 6 images are less than .* of 7',
        ),
        (STEPS, dict(sampler=IN_ORDER, batch_size=7, drop_last=True), 'batch_size to 6 at most, or drop_last=False'),
    ],
)
def test_a_training_has_batches_and_its_epochs_end(loader, loop, keys, message):
    config = dict(train_dataloader=loader(**keys), train_cfg=loop)
    if message is None:
        return check_training_draws(config, 'it')
    with pytest.raises(BadInput, match=f"it: 'train_dataloader' .*{message}"):
        check_training_draws(config, 'it')


@pytest.mark.parametrize('value, kind', [(0, 'not a whole number'), (-3, 'not a'), (1.5, 'not a'), ('12', 'a text')])
@pytest.mark.parametrize('key', ['max_iters', 'max_epochs'])
def test_a_training_without_length_is_refused_by_its_key(key, value, kind):
    refuse_no_length({key: 3})
    with pytest.raises(BadInput, match=f"'train_cfg.{key}' is {value!r}, {kind}"):
        refuse_no_length({key: value})


@pytest.mark.parametrize(
    'images, keys, norm, warned',
    [
        (8, dict(batch_size=7), 'BN', True),
        (9, dict(batch_size=2), 'SyncBN', True),
        (9, dict(batch_size=2), 'GN', False),
        (8, dict(batch_size=2), 'BN', False),
        (8, dict(batch_size=7, drop_last=True), 'BN', False),
        (8, dict(batch_size=7, sampler=dict(type='PairedSampler', infinite=True)), 'BN', False),
        (8, dict(batch_size=1), 'BN', False),
        (None, dict(batch_size=7), 'BN', False),
    ],
)
def test_a_last_batch_of_one_image_under_batch_norm_is_a_warning(images, keys, norm, warned):
    loader = dict(sampler=dict(type='PairedSampler', infinite=False)) | keys
    model = dict(decode_head=dict(norm_cfg=dict(type=norm)))
    text = lone_image_warning(dict(train_dataloader=loader, model=model), images)
    assert bool(text) == warned and (not warned or f'({images} images' in text and 'drop_last=True' in text)
