# This source file is part of ZProc for Swift.
# SPDX-License-Identifier: Apache-2.0
"""The peer `multiprocessing-manager`: the dictionary and the lock of a multiprocessing.Manager."""

import multiprocessing

import peer


def increment(state, lock, indices):
    """A worker of `counter`."""
    for _ in indices:
        with lock:
            state["count"] += 1


def move(state, lock, indices):
    """A worker of `transfers`."""
    for i in indices:
        source, target, amount = peer.transfer(i)
        with lock:
            state[source] -= amount
            state[target] += amount


class Manager(peer.Peer):
    """See the module."""

    name = f"multiprocessing.Manager ({peer.PYTHON})"
    unsupported = {
        workload: "the same as multiprocessing, without shared state"
        for workload in ("wordcount", "mandelbrot", "pipeline")
    }
    manager = None

    def start(self, directory):
        self.manager = multiprocessing.Manager()

    def counter(self, stack, workers, size):
        state, lock = self.manager.dict(count=0), self.manager.Lock()
        peer.Workers(stack, increment, [(state, lock, peer.share(w, workers, size)) for w in range(workers)]).join()
        return state["count"]

    def transfers(self, stack, workers, size):
        state, lock = self.manager.dict(dict.fromkeys(range(peer.ACCOUNTS), peer.OPENING_BALANCE)), self.manager.Lock()
        peer.Workers(stack, move, [(state, lock, peer.share(w, workers, size)) for w in range(workers)]).join()
        balances = state.copy()
        return peer.checksum(balances[k] for k in range(peer.ACCOUNTS))

    def stop(self):
        if self.manager:
            self.manager.shutdown()


if __name__ == "__main__":
    peer.serve(Manager())
