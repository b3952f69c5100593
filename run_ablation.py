#!/usr/bin/env python
"""Ablation grids for semantic segmentation: flags → plan → run → report."""

import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent
# Modules named in configs (`plugins.…`) must be this checkout's, whatever else is installed or in the current folder.
sys.path.insert(0, str(ROOT))

from benchmarks.cli import main  # noqa: E402

if __name__ == '__main__':
    sys.exit(main(sys.argv[1:], ROOT))
