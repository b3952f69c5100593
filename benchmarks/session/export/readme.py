"""The README of an exported stack: what it is, and the commands that use it."""

import shlex
from collections.abc import Mapping
from pathlib import Path
from typing import Any

TEST_PY = '$(python -c "import mmseg, pathlib; print(pathlib.Path(mmseg.__file__).parent / \'.mim/tools/test.py\')")'
TEXT = """# {stack}, as it was tested

The cell `{cell}` of the grid "{title}" ({grid}), trained on {dataset}. Its classes: {classes}.
It is {seed}, as the grid has trained it: no score has chosen it.

| file | content |
|---|---|
| `config.py` | the resolved config, with all views and refinements of the inference hook |
| `checkpoint.pth` | the weights alone; `torch.load(…, weights_only=True)` reads them |
{more_files}| `metafile.yaml` | the entry of a model zoo in OpenMMLab's format, with the scores of this cell |
| `manifest.json` | keys, seeds, sha256 of each file, and the record that this comes from |

All commands need the package `plugins` of segmentation-ablation: install it, or put its checkout on `PYTHONPATH`.

## Segment new images

```bash
python -m plugins.tools.segment_folder {folder} IMAGES --out SEGMENTED
```

`SEGMENTED/labels/` gets a PNG of each image, with the index of the class of each pixel. `--probabilities` and
`--overlays` write more. New images should be like those of the training in size, colours and contrast.

## mmsegmentation's own tools

```bash
{path}python "{test_py}" {folder}/config.py {folder}/checkpoint.pth --work-dir tested
```

tests on the test images of the grid. Paths of data in the config are those of the grid's run; change them with
`--cfg-options test_dataloader.dataset.data_root=DATA`. In Python:

```python
from mmengine.config import Config
from mmengine.runner import Runner

config = Config.fromfile({folder_text!r} + '/config.py')
config.load_from, config.work_dir = {folder_text!r} + '/checkpoint.pth', 'tested'
Runner.from_cfg(config).test()
```

## ONNX

{network}
"""


def readme(manifest: Mapping[str, Any], folder: Path) -> str:
    """The text of ``README.md``.

    Args:
        manifest: The content of ``manifest.json``.
        folder: The exported folder, as its user has named it.
    """
    files = manifest['files']
    more = ''
    if any(name.startswith('modules/') for name in files):
        more += '| `modules/` | modules of your own that the config imports |\n'
    if 'network.onnx' in files:
        more += '| `network.onnx` | the network without views and refinements |\n'
    own = f'PYTHONPATH={shlex.quote(str(folder / "modules"))}:$PYTHONPATH ' if 'modules/' in more else ''
    seed = f'seed {manifest["seed"]}' + ('' if manifest['fold'] is None else f', fold {manifest["fold"]}')
    return TEXT.format(
        stack=_plain(manifest['stack']),
        cell=manifest['cell'],
        title=_plain(manifest['source']['title']),
        grid=_plain(manifest['source']['grid']),
        dataset=_plain(manifest['source']['dataset']),
        classes=', '.join(f'{number} {_plain(name)}' for number, name in enumerate(manifest['classes'])),
        seed=seed,
        more_files=more,
        folder=shlex.quote(str(folder)),
        folder_text=str(folder),
        path=own,
        test_py=TEST_PY,
        network=manifest['network']['said'] + '.',
    )


def _plain(text: str) -> str:
    """A name from a user, which Markdown shows as it is written."""
    return ''.join(f'\\{sign}' if sign in '\\`*_{}[]<>()#+-.!|&~' else sign for sign in ' '.join(text.split()))
