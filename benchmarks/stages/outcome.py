"""How a stage ends."""


class Diverged(Exception):
    """The loss is no longer a number; going on would only burn time."""


def classify(error: BaseException) -> tuple[str, str]:
    """The status and the one-line reason of a stage that raised ``error``."""
    reason = ' '.join(f'{type(error).__name__}: {error}'.split())[:500]
    if isinstance(error, Diverged):
        return 'diverged', str(error)
    # CUDA's libraries have words of their own for it: CUBLAS_STATUS_ALLOC_FAILED, CUDNN_STATUS_ALLOC_FAILED.
    if (
        isinstance(error, MemoryError)
        or type(error).__name__ == 'OutOfMemoryError'
        or any(words in reason.lower() for words in ('out of memory', 'status_alloc_failed'))
    ):
        return 'out_of_memory', reason
    return 'failed', reason
