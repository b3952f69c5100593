"""Programs that run in forks of a warm process: what they see, and how they end."""

import os
import signal
import time

import pytest

pytestmark = pytest.mark.slow
SHOWS = """
import os, sys
print(sys.argv[1:], os.getcwd(), os.environ['NAME'], sys.path[0], sys.path[1], sep='|')
print('torch' in sys.modules, any(name.partition('.')[0] in ('benchmarks', 'plugins') for name in sys.modules))
print('to the errors', file=sys.stderr)
sys.exit(3)
"""
SERVES = """
import multiprocessing, sys

def answer(queue):
    queue.put('torch' in sys.modules)

if __name__ == '__main__':
    context = multiprocessing.get_context('forkserver')
    queue = context.SimpleQueue()
    process = context.Process(target=answer, args=(queue,))
    process.start()
    print(queue.get())
    process.join()
"""


@pytest.fixture
def ended(warm_python, tmp_path):
    """Runs the text of a program; gives its exit status, output and errors."""

    def run(text, *arguments, **options):
        script = tmp_path / 'script' / 'program.py'
        script.parent.mkdir(exist_ok=True)
        script.write_text(text)
        environment = {**os.environ, 'NAME': 'value', 'PYTHONPATH': '/from/the/environment'}
        process = warm_python.start([script, *arguments], environment, tmp_path, **options)
        stdout, stderr = process.communicate(timeout=300)
        return process.returncode, stdout, stderr

    return run


def test_a_program_has_its_own_arguments_folder_environment_and_path(ended, tmp_path):
    status, stdout, stderr = ended(SHOWS, 'a b')
    seen, imported = stdout.splitlines()
    assert seen == f"['a b']|{tmp_path}|value|{tmp_path / 'script'}|/from/the/environment"
    assert imported == 'True False'  # torch, and nothing of this project
    assert (status, stderr) == (3, 'to the errors\n')
    assert ended(SHOWS, joined=True)[1].endswith('to the errors\n')


def test_programs_end_as_others_do(ended, warm_python, tmp_path):
    assert ended('') == (0, '', '')
    assert ended('import sys; sys.exit("why")') == (1, '', 'why\n')
    status, _, stderr = ended('raise ValueError("why")')
    assert status == 1 and stderr.endswith('ValueError: why\n')
    (tmp_path / 'sleeps.py').write_text('import time; time.sleep(600)')
    process = warm_python.start([tmp_path / 'sleeps.py'], os.environ, tmp_path)
    deadline = time.monotonic() + 60  # its process is there before it has begun a session of its own
    while os.getsid(process.pid) != process.pid and time.monotonic() < deadline:
        time.sleep(0.01)
    assert process.poll() is None and os.getsid(process.pid) == process.pid
    process.kill()
    process.communicate(timeout=300)
    assert process.poll() == process.returncode == -signal.SIGKILL


def test_a_server_of_multiprocessing_is_warm_too(ended):
    assert ended(SERVES) == (0, 'True\n', '')
