# How far the small U-Net lies below what more compute gives on the simulated people, and how far its seeds differ.
title = 'Simulated people: baseline and ceiling'
baseline = '../baselines/unet_small_people.py'
designs = [dict(type='each_alone', techniques=['ceiling_small'])]
technique_folders = ['people']
seeds = 3
baseline_seeds = 3
