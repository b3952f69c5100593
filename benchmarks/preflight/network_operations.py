"""How many operations the network of an arm needs for a test image: counted before the run, without computing them.

The network runs on torch's fake tensors, which have a shape, a type and a device, and no values. So neither the size of
the network nor that of the image costs much time or memory. The count leaves out what a technique declares by setting
it: windows (``model.test_cfg``), views and refinements (``inference``), and the further members of an ensemble.
"""

import copy
from dataclasses import dataclass


@dataclass(frozen=True)
class Inference:
    """A network, and the data set whose first image it predicts; it can be sent to another process.

    Args:
        model: The config of the network.
        dataset: The config of the test data set.
    """

    model: dict
    dataset: dict


def network_operations(inference: Inference) -> int | None:
    """The operations of one pass over a whole test image, by the count that a profile has, too.

    None for a network that cannot run so: one whose code asks for the values of its features, or that is built of
    kernels of its own, of which torch does not know the shape of the result.
    """
    from mmengine.config import ConfigDict
    from mmengine.registry import DefaultScope
    from mmseg.registry import DATASETS, MODELS
    from torch._subclasses import FakeTensorMode

    from benchmarks.probes.complexity import flops

    whole = dict(inference.model.get('test_cfg') or {}, mode='whole')
    try:
        with DefaultScope.overwrite_default_scope('mmseg'):
            sample = DATASETS.build(copy.deepcopy(inference.dataset))[0]
            network = MODELS.build(ConfigDict(copy.deepcopy(inference.model), test_cfg=whole)).eval()
        data = dict(inputs=[sample['inputs']], data_samples=[sample['data_samples']])
        image = network.data_preprocessor(data, training=False)['inputs']
        with FakeTensorMode(allow_non_fake_inputs=True) as fake:  # the weights of the network are real
            inputs = fake.from_tensor(image)
            return flops(lambda: network.predict(inputs))
    except Exception:  # a fault of the network is told by the trials; here it means that nothing is known
        return None
