# Compare it with half_labels, which trains on the same true masks. With the same seed, half_labels is its teacher.
title = 'half of the labels + pseudo-labels'
description = 'Half of the training images with their masks, the others with the labels of a teacher where it is sure.'
use_when = (
    'When many images lack masks and a teacher is good; compare with half_labels; a weak teacher teaches its errors.'
)
paper = 'Lee, Pseudo-Label: The Simple and Efficient Semi-Supervised Learning Method for Deep Neural Networks, 2013'
imports = ['plugins.datasets.carved']
overlay = dict(
    train_dataloader=dict(dataset=dict(_wrap_='dataset', type='PseudoLabelled', fraction=0.5, label_dir='')),
    teacher=dict(data='LabelledPart', unlabelled='UnlabelledPart', confidence=0.9),
)
