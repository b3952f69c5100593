# mmseg's SegFormer for a CPU: half the width of B0, one layer per stage, random initial weights.
_base_ = './segformer_b0.py'
model = dict(
    backbone=dict(
        init_cfg=None,
        embed_dims=16,
        num_layers=[1, 1, 1, 1],
        num_heads=[1, 2, 4, 8],
        sr_ratios=[4, 2, 1, 1],
        patch_sizes=[7, 3, 3, 3],
        drop_path_rate=0.0,
    ),
    decode_head=dict(in_channels=[16, 32, 64, 128], channels=32),
)
