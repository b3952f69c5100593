"""A folder of a runner that is gone: the loggers of the process go on."""

import logging

import pytest
from mmengine.logging import MMLogger, print_log

from benchmarks.stages.scratch import scratch_folder


@pytest.mark.parametrize('is_closed', [False, True])
def test_a_process_logs_on_when_the_folder_is_gone(tmp_path, is_closed):
    kept = MMLogger.get_instance(f'kept {is_closed}', log_file=str(tmp_path / 'kept.log'))
    with scratch_folder('scratch_') as folder:
        logger = MMLogger.get_instance(f'gone {is_closed}', log_file=str(folder / 'run.log'))
        (handler,) = [one for one in logger.handlers if isinstance(one, logging.FileHandler)]
        if is_closed:  # as logging.config does when a library sets its own loggers up
            handler.close()
    assert not folder.exists()
    print_log('on', logger)
    print_log('kept on', kept)
    assert any(isinstance(one, logging.FileHandler) for one in kept.handlers)
    assert 'kept on' in (tmp_path / 'kept.log').read_text()
