# What the field `folds` of a grid puts in the place of the data sets for training and test.
custom_imports = dict(imports=['plugins.datasets.merged_splits'])
merged_splits = dict(type='MergedSplits')
