"""A server on this machine that speaks S3 (moto), in a process of its own, so that it can be killed."""

import os
import subprocess
import sys
from contextlib import contextmanager
from importlib.util import find_spec

BUCKET = 'bucket'
PACKAGES = ('s3fs', 'moto', 'flask', 'flask_cors')


@contextmanager
def s3_server():
    """Start the server; without its packages skip the test, and fail it in CI.

    Yields:
        Its process, and the variables of the environment by which s3fs finds it.
    """
    from needed_programs import missing  # here, because the server's own process needs nothing of the tests

    absent = [package for package in PACKAGES if find_spec(package) is None]
    if absent:
        missing(f"{', '.join(absent)} not installed: pip install -c constraints.txt -e '.[test]'")
    process = subprocess.Popen([sys.executable, __file__], stdout=subprocess.PIPE, text=True)
    try:
        address = process.stdout.readline().strip()
        assert address, 'the server has not started'
        yield process, _environment(address)
    finally:
        process.kill()
        process.wait()
        process.stdout.close()


def _environment(address):
    return dict(
        AWS_ENDPOINT_URL=address,
        AWS_ACCESS_KEY_ID='somebody',
        AWS_SECRET_ACCESS_KEY='a-secret-key-40217',
        AWS_DEFAULT_REGION='us-east-1',
        AWS_MAX_ATTEMPTS='1',
    )


def _serve():
    import logging
    import threading

    import boto3
    from moto.server import ThreadedMotoServer

    logging.getLogger('werkzeug').setLevel(logging.ERROR)
    server = ThreadedMotoServer(ip_address='127.0.0.1', port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    os.environ |= _environment(f'http://{host}:{port}')
    boto3.client('s3').create_bucket(Bucket=BUCKET)
    print(f'http://{host}:{port}', flush=True)
    threading.Event().wait()


if __name__ == '__main__':
    _serve()
