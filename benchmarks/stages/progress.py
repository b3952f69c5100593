"""What a running stage says of itself while it runs: one small file, replaced whole."""
import json
import time
from pathlib import Path

INTERVAL_S = 0.5


class Progress:
    """Write ``progress.json`` into a stage's working folder, at most every half second.

    Args:
        folder: The stage's working folder.
        total: Steps to do.
    """

    def __init__(self, folder: Path, total: int) -> None:
        self.path, self.total = folder / 'progress.json', total
        self.start = time.monotonic()
        self.written = -INTERVAL_S
        self.step = 0

    def advance(self, loss: float | None = None) -> None:
        """Count one step; ``loss`` is shown beside it."""
        self.step += 1
        now = time.monotonic()
        if now - self.written < INTERVAL_S and self.step < self.total:
            return
        self.written = now
        seconds = now - self.start
        content = dict(step=self.step, total=self.total, loss=loss,
                       eta_s=seconds / self.step * (self.total - self.step))
        temporary = self.path.with_suffix('.tmp')
        temporary.write_text(json.dumps(content))
        temporary.replace(self.path)
