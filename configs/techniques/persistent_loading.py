title = 'persistent loading'
description = 'Two processes load ahead and stay for the whole training, into pinned memory where there is a GPU.'
use_when = 'When the device waits for data; costs two processes; the samples stay the same.'
imports = ['plugins.hooks.prefetched_batches']
overlay = dict(
    train_dataloader=dict(num_workers=2, persistent_workers=True, pin_memory=True),
    custom_hooks=dict(_insert_=[dict(type='PrefetchedBatchesHook')]),
)
