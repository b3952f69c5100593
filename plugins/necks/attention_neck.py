"""A neck with attention blocks, between any backbone and any head."""

# N images, C channels, H×W pixels
from collections.abc import Sequence

from mmengine.model import BaseModule, ModuleDict
from mmseg.registry import MODELS
from torch import Tensor

from plugins.arguments import check_wholes


@MODELS.register_module()
class AttentionNeck(BaseModule):
    """One attention block for each chosen level of the backbone, or of the model's original neck.

    Other levels are passed on unchanged.

    Args:
        block: Config, without ``channels``, of a block that maps (N, C, H, W) to the same shape.
        in_channels: Number of channels of each level before the heads, chosen or not; those of ``neck`` if it is given.
        levels: Indices into ``in_channels`` of the levels with a block; negative indices count from the end. None means
            all levels.
        neck: Config of the original neck of the model, which runs first; None if there was none.

    Raises:
        ValueError: ``block`` has ``channels``; or ``levels`` is empty, repeats a level, or names a level that does not
            exist.
    """

    wraps = 'neck'  # the inner neck's parameters get the same initial values as without this neck

    def __init__(
        self, block: dict, in_channels: Sequence[int], levels: Sequence[int] | None = None, neck: dict | None = None
    ) -> None:
        super().__init__()
        if 'channels' in block:
            raise ValueError(f"block={dict(block)}: leave 'channels' out, each block gets its level's from in_channels")
        check_wholes('in_channels', in_channels, least=1)
        if levels is not None and len(levels):
            check_wholes('levels', levels)
        self.in_channels = list(in_channels)
        self.neck = MODELS.build(neck) if neck else None
        self.blocks = ModuleDict(
            {
                str(level): MODELS.build(dict(block, channels=self.in_channels[level]))
                for level in _chosen(levels, len(self.in_channels))
            }
        )

    def forward(self, inputs: Sequence[Tensor]) -> list[Tensor] | tuple[Tensor, ...]:
        """The levels after attention, in the same number and shapes, as a list or tuple like the input.

        Raises:
            ValueError: The number of levels differs from that of ``in_channels``, or a chosen level does not have the
                shape (N, C, H, W) with its C.
        """
        features = inputs if self.neck is None else self.neck(inputs)
        if not isinstance(features, (list, tuple)) or len(features) != len(self.in_channels):
            found = f'{len(features)} levels' if isinstance(features, (list, tuple)) else type(features).__name__
            raise ValueError(
                f'AttentionNeck got {found} from {self._source()}, but in_channels={self.in_channels} '
                f'names {len(self.in_channels)} levels: set in_channels to one number for each'
            )
        attended = [self._attend(level, feature) for level, feature in enumerate(features)]
        return attended if isinstance(features, list) else tuple(attended)

    def _attend(self, level: int, feature: Tensor) -> Tensor:
        if str(level) not in self.blocks:
            return feature
        shape = tuple(feature.shape) if isinstance(feature, Tensor) else None
        if shape is None or len(shape) != 4:
            raise ValueError(
                f'level {level} from {self._source()} is {shape or type(feature).__name__}, not a feature '
                f'map (N, C, H, W): leave {level} out of levels'
            )
        if shape[1] != self.in_channels[level]:
            raise ValueError(
                f'level {level} from {self._source()} has {shape[1]} channels, but '
                f'in_channels[{level}]={self.in_channels[level]}: set it to {shape[1]}'
            )
        return self.blocks[str(level)](feature)

    def _source(self) -> str:
        return 'the backbone' if self.neck is None else f"the neck '{type(self.neck).__name__}'"


def _chosen(levels: Sequence[int] | None, count: int) -> list[int]:
    """The chosen levels as indices from 0, sorted."""
    if levels is None:
        return list(range(count))
    wrong = [level for level in levels if not -count <= level < count]
    if wrong:
        raise ValueError(f'levels={list(levels)}: there is no level {wrong[0]}, in_channels names 0 to {count - 1}')
    chosen = sorted({level % count for level in levels})
    if not chosen or len(chosen) < len(levels):
        raise ValueError(f'levels={list(levels)}: name one level or more, each once')
    return chosen
