"""Processes that take themselves for those of other hosts, on which ``flock`` locks nobody out; short leases."""

import faulthandler
import fcntl
import multiprocessing
import os
import signal
import sys
import time
import traceback

from benchmarks.store import heartbeat, holder, leases, observer, store

CONTEXT = multiprocessing.get_context('fork')
PATIENCE_S = 30
TRACE_S = 1.0  # to write where a silent process stands
# A lease may end too early where its holder is stopped or killed anyway. One whose holder must keep it is longer: the
# disk of a busy machine may not answer for a second.
LEASE_S, LONG_LEASE_S, BEAT_S = 0.2, 3.0, 0.02


def be_quick(patch):
    """Make leases short, and heartbeats faster still."""
    patch.setattr(observer, 'LEASE_S', LEASE_S)
    patch.setattr(heartbeat, 'BEAT_S', BEAT_S)
    patch.setattr(heartbeat, '_heart', heartbeat._Heart())
    patch.setattr(leases, 'LONGEST_PAUSE_S', 0.02)
    patch.setattr(store, 'LOOK_S', 0.02)


class OtherHost:
    """A process of another host.

    Args:
        act: Called there with ``say``, which sends a value here.
        name: The name of the host.
        arrive: Called there first.
    """

    def __init__(self, act, name='far', arrive=lambda: None):
        self.receiver, sender = CONTEXT.Pipe(duplex=False)
        self.process = CONTEXT.Process(target=_act, args=(act, name, arrive, sender))
        self.process.start()
        sender.close()

    def heard(self, patience_s=PATIENCE_S):
        """The next value that the process sends."""
        if not self.receiver.poll(patience_s):
            os.kill(self.process.pid, signal.SIGUSR1)
            time.sleep(TRACE_S)
            raise AssertionError(f'it is silent for {patience_s} s; its standard error says where it stands')
        return self.receiver.recv()

    def stop(self):
        """Stop it, as a pause of its host would."""
        os.kill(self.process.pid, signal.SIGSTOP)
        self.await_stop()

    def await_stop(self):
        """Wait until it stands still."""
        assert os.WIFSTOPPED(os.waitpid(self.process.pid, os.WUNTRACED)[1])

    def go_on(self):
        os.kill(self.process.pid, signal.SIGCONT)

    def kill(self):
        self.process.kill()
        self.process.join()


def _act(act, name, arrive, sender):
    holder.this_host = lambda: f'{name}.{name}'
    fcntl.flock = lambda *_: None
    faulthandler.register(signal.SIGUSR1, sys.__stderr__)  # a test may have replaced the other one
    try:
        arrive()
        act(sender.send)
    except Exception as error:
        traceback.print_exc()
        sender.send(error)
