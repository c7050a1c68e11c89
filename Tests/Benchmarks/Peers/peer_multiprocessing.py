# This source file is part of ZProc for Swift.
# SPDX-License-Identifier: Apache-2.0
"""The peer `multiprocessing`: raw shared memory with a lock, pools and queues of Python's standard library."""

import functools
import multiprocessing

import peer


def increment(shared, indices):
    """A worker of `counter`."""
    lock, number = shared.get_lock(), shared.get_obj()
    for _ in indices:
        with lock:
            number.value += 1


def move(shared, indices):
    """A worker of `transfers`."""
    lock, balances = shared.get_lock(), shared.get_obj()
    for i in indices:
        source, target, amount = peer.transfer(i)
        with lock:
            balances[source] -= amount
            balances[target] += amount


def compute(function, source, target):
    """The process of a stage of the pipeline that hands its values on."""
    while (value := source.get()) is not None:
        target.put(function(value))
    target.put(None)


def add(source, free, sums, lane):
    """The process of the last stage of a lane."""
    total = 0
    while (value := source.get()) is not None:
        total += value
        free.release()
    sums[lane] = total


class Multiprocessing(peer.Peer):
    """See the module."""

    name = f"multiprocessing ({peer.PYTHON})"

    def counter(self, stack, workers, size):
        shared = multiprocessing.Value("q", 0)
        peer.Workers(stack, increment, [(shared, peer.share(w, workers, size)) for w in range(workers)]).join()
        return shared.value

    def transfers(self, stack, workers, size):
        shared = multiprocessing.Array("q", [peer.OPENING_BALANCE] * peer.ACCOUNTS)
        peer.Workers(stack, move, [(shared, peer.share(w, workers, size)) for w in range(workers)]).join()
        return peer.checksum(shared)

    def wordcount(self, stack, workers, texts):
        pool = stack.enter_context(multiprocessing.Pool(workers))
        return peer.merge(pool.map(peer.count_words, texts))

    def mandelbrot(self, stack, workers, size):
        pool = stack.enter_context(multiprocessing.Pool(workers))
        return sum(pool.map(functools.partial(peer.mandelbrot_row, size=size), range(size)))

    def pipeline(self, stack, workers, size):
        free = multiprocessing.Semaphore(peer.IN_FLIGHT)
        sums = multiprocessing.Array("q", workers, lock=False)
        first, second, third = ([multiprocessing.SimpleQueue() for _ in range(workers)] for _ in "abc")
        stages = [
            peer.Workers(stack, compute, [(peer.stage_a, first[lane], second[lane]) for lane in range(workers)]),
            peer.Workers(stack, compute, [(peer.stage_b, second[lane], third[lane]) for lane in range(workers)]),
            peer.Workers(stack, add, [(third[lane], free, sums, lane) for lane in range(workers)]),
        ]
        for i in range(size):
            if not free.acquire(timeout=peer.PATIENCE):
                raise TimeoutError("the pipeline has stopped")
            first[i % workers].put(i)
        for queue in first:
            queue.put(None)
        for stage in stages:
            stage.join()
        return sum(sums)


if __name__ == "__main__":
    peer.serve(Multiprocessing())
