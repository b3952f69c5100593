title = 'torch.compile (inference)'
description = 'Networks compiled for inference by inductor (on a CPU: needs a C++ compiler, takes minutes).'
use_when = 'For serving at one image size; not when sizes vary, as each new one may compile again.'
paper = (
    'Ansel et al., PyTorch 2: Faster Machine Learning Through Dynamic Python Bytecode Transformation and Graph '
    'Compilation, ASPLOS 2024'
)
imports = ['plugins.hooks.compile_inference']
overlay = dict(custom_hooks=dict(_insert_=[dict(type='CompileInferenceHook')]))
