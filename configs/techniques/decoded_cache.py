title = 'decoded cache'
description = 'Training images and masks are decoded once and kept in memory (4 GiB at most): the same samples, sooner.'
use_when = (
    'When decoding limits training and the decoded images fit into memory (4 GiB here); the samples stay the same.'
)
imports = ['plugins.datasets.decoded_cache']
overlay = dict(train_dataloader=dict(dataset=dict(_wrap_='dataset', type='DecodedCache', max_gib=4.0)))
