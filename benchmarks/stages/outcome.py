"""The status of a stage that ended with an error."""

# CUDA's libraries name it differently: CUBLAS_STATUS_ALLOC_FAILED, CUDNN_STATUS_ALLOC_FAILED. C++ on a CPU: bad_alloc.
WANT_OF_MEMORY = ('out of memory', 'status_alloc_failed', "can't allocate memory", 'std::bad_alloc')


class Diverged(Exception):
    """The loss is NaN or infinite, so that the training cannot recover."""


class Classified(Exception):
    """An error of another process, which has classified it.

    Args:
        status: The status of the stage.
        reason: The reason on one line.
    """

    def __init__(self, status: str, reason: str) -> None:
        super().__init__(reason)
        self.status = status


def classify(error: BaseException) -> tuple[str, str]:
    """The status of a stage that raised ``error``, and the reason on one line.

    Example:
        >>> classify(MemoryError('no room'))
        ('out_of_memory', 'MemoryError: no room')
    """
    reason = ' '.join(f'{type(error).__name__}: {error}'.split())[:500]
    if isinstance(error, Classified):
        return error.status, str(error)
    if isinstance(error, Diverged):
        return 'diverged', str(error)
    if (
        isinstance(error, MemoryError)
        or type(error).__name__ == 'OutOfMemoryError'
        or any(words in reason.lower() for words in WANT_OF_MEMORY)
    ):
        return 'out_of_memory', reason
    return 'failed', reason
