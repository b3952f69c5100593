title = 'photometric augmentation'
description = 'Brightness, contrast, saturation and hue of training images changed at random, as in mmseg.'
use_when = 'When lighting, camera or stain varies in use; not where grey levels are calibrated, as in MRI maps or CT.'
paper = 'Liu et al., SSD: Single Shot MultiBox Detector, ECCV 2016'
overlay = dict(
    train_dataloader=dict(
        dataset=dict(pipeline=dict(_insert_=[dict(type='PhotoMetricDistortion')], _before_='PackSegInputs'))
    )
)
