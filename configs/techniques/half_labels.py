title = 'half of the labels'
description = 'Trains on half of the training images, chosen by whole groups: what pseudo_labels has true masks of.'
use_when = 'As the control for pseudo_labels, or to ask what half of the annotation effort would have given.'
paper = 'Lee, Pseudo-Label: The Simple and Efficient Semi-Supervised Learning Method for Deep Neural Networks, 2013'
imports = ['plugins.datasets.carved']
overlay = dict(train_dataloader=dict(dataset=dict(_wrap_='dataset', type='LabelledPart', fraction=0.5)))
