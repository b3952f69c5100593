"""Remote places: of this process, in a folder, and on a server that speaks S3."""

import uuid

import fsspec
import pytest
from s3_server import BUCKET, s3_server

from benchmarks.store.remote.place import RemotePlace


@pytest.fixture(scope='session')
def s3():
    """The variables of the environment that name a server of S3."""
    with s3_server() as (_, environment):
        yield environment


@pytest.fixture(params=['memory', 'file', pytest.param('s3', marks=pytest.mark.slow)])
def place(request, tmp_path, monkeypatch):
    """A new place."""
    if request.param == 'file':
        return RemotePlace(f'file://{tmp_path}/a place')
    if request.param == 'memory':
        return RemotePlace(f'memory://{uuid.uuid4().hex}')
    for name, value in request.getfixturevalue('s3').items():
        monkeypatch.setenv(name, value)
    fsspec.get_filesystem_class('s3').clear_instance_cache()
    return RemotePlace(f's3://{BUCKET}/{uuid.uuid4().hex}/results')
