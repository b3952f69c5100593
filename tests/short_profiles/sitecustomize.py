"""Shortens the stage ``profile`` in processes that have this folder on their path: ten samples instead of two seconds.

Tests of whole runs ask what is stored, and never how precisely a latency is measured. With ``INTERIM_AT_ONCE`` in the
environment, the first report of what is finished comes at once, and not after half a minute. ``NETWORK_LOG`` names a
file to which each process writes the hosts that it asks for, after a line that says that it is watched.
"""

import importlib.abc
import importlib.util
import os
import sys

SETTINGS = {'benchmarks.stages.profile': dict(BUDGET_S=0, TRIES=1)}
if os.environ.get('INTERIM_AT_ONCE'):
    SETTINGS['benchmarks.session.interim'] = dict(LEAST_S=0, SHARE=1)


class Shortened(importlib.abc.MetaPathFinder):
    """Sets constants of a module when it is imported."""

    def __init__(self, module, constants):
        self.module, self.constants = module, constants

    def find_spec(self, fullname, path=None, target=None):
        if fullname != self.module:
            return None
        sys.meta_path.remove(self)
        spec = importlib.util.find_spec(fullname)
        execute = spec.loader.exec_module

        def exec_module(module):
            execute(module)
            for name, value in self.constants.items():
                assert getattr(module, name) > 0
                setattr(module, name, value)

        spec.loader.exec_module = exec_module
        return spec


for module, constants in SETTINGS.items():
    sys.meta_path.insert(0, Shortened(module, constants))


def note_network(event, arguments):
    """Write the hosts that this process asks for to the log; a path is a socket of this machine."""
    if event in ('socket.getaddrinfo', 'socket.connect', 'socket.sendto', 'urllib.Request'):
        asked = arguments[0] if event in ('socket.getaddrinfo', 'urllib.Request') else arguments[1]
        if not (event == 'socket.connect' and isinstance(asked, (str, bytes))):
            note(f'{event} {asked}')


def note(line):
    with open(os.environ['NETWORK_LOG'], 'a') as stream:
        stream.write(line + '\n')


if os.environ.get('NETWORK_LOG'):
    note('watched')
    sys.addaudithook(note_network)
