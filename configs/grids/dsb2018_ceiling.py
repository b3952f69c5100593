# How far the small U-Net lies below what more compute gives on nuclei.
title = 'Nuclei (2018 Data Science Bowl): baseline and ceiling'
baseline = '../baselines/unet_small_dsb2018.py'
designs = [dict(type='each_alone', techniques=['ceiling_nuclei'])]
technique_folders = ['nuclei']
seeds = 3
baseline_seeds = 3
