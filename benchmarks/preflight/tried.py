"""Tries out attempts in a process that is ready for them, and says what is wrong with each."""

import tempfile
import time

from benchmarks.preflight.attempt import Attempt, Fault, Unshown
from benchmarks.preflight.culprit import describe
from benchmarks.preflight.image_choice import IMAGES_IN_A_BATCH
from benchmarks.preflight.trial import FailedOnImage, try_inference, try_training
from benchmarks.stacks.contained import EndsTheProgram, contained
from benchmarks.stages.outcome import classify
from benchmarks.stages.process_state import state_restored
from benchmarks.stages.worker import MUST_RETURN

LONGEST_RETRY_S = 15.0


def fault_of(attempt: Attempt) -> Fault | Unshown | None:
    """Try, and say what is wrong; None if it works. What the attempt changes in this process is put back."""
    tempfile.tempdir = attempt.folder
    loader = 'test_dataloader' if attempt.training else 'train_dataloader'
    config = {key: value for key, value in attempt.config.items() if key != loader}  # that cannot be the culprit
    try:
        with state_restored(), contained(MUST_RETURN):
            if attempt.training:
                _train(attempt)
            else:
                try_inference(attempt.config, attempt.images, attempt.num_classes, attempt.ignore_index)
    except (Exception, SystemExit) as error:
        image = error.index if isinstance(error, FailedOnImage) else None
        cause = error.__cause__ if isinstance(error, FailedOnImage) and error.__cause__ else error
        if isinstance(cause, EndsTheProgram) and cause.__cause__ is not None:
            cause = cause.__cause__  # its traceback ends in the culprit
        if classify(cause)[0] == 'out_of_memory':
            return Unshown('had too little memory')
        return Fault(describe(cause, config, attempt.techniques), image)
    return None


def _train(attempt: Attempt) -> None:
    """Take a step with a small batch; if that fails, with a batch as the config has it, because a loss may need it."""
    images = [index for index, _ in attempt.images]
    start = time.perf_counter()
    try:
        try_training(attempt.config, images)
    except (Exception, SystemExit):
        more = attempt.config['train_dataloader'].get('batch_size', 0) / IMAGES_IN_A_BATCH
        if more <= 1 or more * (time.perf_counter() - start) > LONGEST_RETRY_S:
            raise
        try_training(attempt.config, images, batch_size=None)
