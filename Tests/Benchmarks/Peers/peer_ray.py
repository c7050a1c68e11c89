# This source file is part of ZProc for Swift.
# SPDX-License-Identifier: Apache-2.0
"""The peer `ray`: actors hold state and are the stages of the pipeline, tasks are the workers."""

import logging
import os

import peer

os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
# On every system this has it listen at the loopback address only; `_node_ip_address` does not.
os.environ["RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER"] = "0"

try:
    import ray
except ImportError as reason:
    peer.absent(reason, "pip install ray")

# How many processes ray has ready and keeps; tasks and actors here ask for no CPU, so that it is no limit to them.
READY = max(4, os.cpu_count() or 1)


@ray.remote(num_cpus=0)
class Counter:
    """The state of `counter`."""

    def __init__(self):
        self.count = 0

    def increment(self):
        self.count += 1

    def result(self):
        return self.count


@ray.remote(num_cpus=0)
class Accounts:
    """The state of `transfers`."""

    def __init__(self):
        self.balances = [peer.OPENING_BALANCE] * peer.ACCOUNTS

    def move(self, source, target, amount):
        self.balances[source] -= amount
        self.balances[target] += amount

    def result(self):
        return peer.checksum(self.balances)


@ray.remote(num_cpus=0)
def increment(counter, indices):
    """A worker of `counter`."""
    for _ in indices:
        ray.get(counter.increment.remote())


@ray.remote(num_cpus=0)
def move(accounts, indices):
    """A worker of `transfers`."""
    for i in indices:
        ray.get(accounts.move.remote(*peer.transfer(i)))


@ray.remote(num_cpus=0)
def count_words(texts):
    """A worker of `wordcount`."""
    return [peer.count_words(text) for text in texts]


@ray.remote(num_cpus=0)
def mandelbrot_rows(rows, size):
    """A worker of `mandelbrot`."""
    return [peer.mandelbrot_row(row, size) for row in rows]


@ray.remote(num_cpus=0)
class Stage:
    """A stage of a lane of the pipeline."""

    def __init__(self):
        self.sum = 0

    def a(self, x):
        return peer.stage_a(x)

    def b(self, v):
        return peer.stage_b(v)

    def add(self, v):
        self.sum += v

    def result(self):
        return self.sum


class Ray(peer.Peer):
    """See the module."""

    name = f"ray {ray.__version__} ({peer.PYTHON})"
    has_threads = True
    forgets_ended = True

    def start(self, directory):
        ray.init(
            num_cpus=READY, num_gpus=0, include_dashboard=False, log_to_driver=False, logging_level=logging.ERROR,
            object_store_memory=256 * 2**20, _temp_dir=directory)

    def prepare(self, stack):
        # The actors of the run before are still ending, and processes starting in their place.
        peer.wait_until_quiet()

    def actor(self, stack, kind):
        """An actor for one run."""
        actor = kind.remote()
        stack.callback(ray.kill, actor)
        return actor

    def counter(self, stack, workers, size):
        counter = self.actor(stack, Counter)
        ray.get([increment.remote(counter, peer.share(w, workers, size)) for w in range(workers)])
        return ray.get(counter.result.remote())

    def transfers(self, stack, workers, size):
        accounts = self.actor(stack, Accounts)
        ray.get([move.remote(accounts, peer.share(w, workers, size)) for w in range(workers)])
        return ray.get(accounts.result.remote())

    def wordcount(self, stack, workers, texts):
        batches = ray.get([count_words.remote(texts[w::workers]) for w in range(workers)])
        return peer.merge(counts for batch in batches for counts in batch)

    def mandelbrot(self, stack, workers, size):
        batches = ray.get([mandelbrot_rows.remote(peer.share(w, workers, size), size) for w in range(workers)])
        return sum(map(sum, batches))

    def pipeline(self, stack, workers, size):
        lanes = [[self.actor(stack, Stage) for _ in "abc"] for _ in range(workers)]
        pending = []
        for i in range(size):
            if len(pending) == peer.IN_FLIGHT:
                done, pending = ray.wait(pending, timeout=peer.PATIENCE)
                if not done:
                    raise TimeoutError("the pipeline has stopped")
                ray.get(done)
            a, b, c = lanes[i % workers]
            pending.append(c.add.remote(b.b.remote(a.a.remote(i))))
        ray.get(pending)
        return sum(ray.get([c.result.remote() for _, _, c in lanes]))

    def stop(self):
        ray.shutdown()


if __name__ == "__main__":
    peer.serve(Ray())
