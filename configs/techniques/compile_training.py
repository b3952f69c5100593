title = 'torch.compile (training)'
description = 'Networks compiled for training by inductor (on a CPU: needs a C++ compiler, takes minutes).'
use_when = 'For long trainings of fixed image size; the minutes of compiling pay only after many steps.'
paper = (
    'Ansel et al., PyTorch 2: Faster Machine Learning Through Dynamic Python Bytecode Transformation and Graph '
    'Compilation, ASPLOS 2024'
)
imports = ['plugins.hooks.compile_training']
overlay = dict(custom_hooks=dict(_insert_=[dict(type='CompileTrainingHook')]))
