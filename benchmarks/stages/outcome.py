"""How a stage ends."""


class Diverged(Exception):
    """The loss is no longer a number; going on would only burn time."""


def classify(error: BaseException) -> tuple[str, str]:
    """The status and the one-line reason of a stage that raised ``error``."""
    reason = ' '.join(f'{type(error).__name__}: {error}'.split())[:500]
    if isinstance(error, Diverged):
        return 'diverged', str(error)
    if isinstance(error, MemoryError) or type(error).__name__ == 'OutOfMemoryError' or 'out of memory' in reason.lower():
        return 'out_of_memory', reason
    return 'failed', reason
