# This source file is part of ZProc for Swift.
# SPDX-License-Identifier: Apache-2.0
"""The peer `python-zproc`: the state, atomic functions, processes and swarm of zproc for Python."""

import collections
import collections.abc
import functools
import pathlib
import time

import peer

# zproc 0.9 takes names from `collections` that since Python 3.10 are only in `collections.abc`.
for _name in ("Callable", "Iterable"):
    if not hasattr(collections, _name):
        setattr(collections, _name, getattr(collections.abc, _name))

try:
    import zproc
except ImportError as reason:
    peer.absent(reason, "pip install zproc")

END = -1


@zproc.atomic
def increment(state):
    """One step of `counter`."""
    state["count"] += 1


@zproc.atomic
def move(state, source, target, amount):
    """One transfer."""
    state[source] -= amount
    state[target] += amount


@zproc.atomic
def take(state):
    """The first value of a queue, or None."""
    return state["values"].pop(0) if state["values"] else None


@zproc.atomic
def put(state, value):
    """Append a value to a queue."""
    state["values"].append(value)


def count(ctx, indices):
    """A worker of `counter`."""
    state = ctx.create_state()
    for _ in indices:
        increment(state)


def transfer(ctx, indices):
    """A worker of `transfers`."""
    state = ctx.create_state()
    for i in indices:
        move(state, *peer.transfer(i))


def receive(state):
    """The next value of a queue, once there is one."""
    while True:
        before = time.time()
        value = take(state)
        if value is not None:
            return value
        next(state.when_change(start_time=before, timeout=peer.PATIENCE))


def compute(ctx, function, source, target):
    """The process of a stage of the pipeline that hands its values on."""
    source, target = ctx.create_state(namespace=source), ctx.create_state(namespace=target)
    while (value := receive(source)) != END:
        put(target, function(value))
    put(target, END)


def add(ctx, source):
    """The process of the last stage of a lane."""
    source, done, sums = (ctx.create_state(namespace=name) for name in (source, "done", "sums"))
    total = 0
    while (value := receive(source)) != END:
        total += value
        put(done, 1)
    put(sums, total)


class PythonZProc(peer.Peer):
    """See the module."""

    name = f"zproc {zproc.__version__} ({peer.PYTHON})"
    directory = None
    context = None
    runs = 0

    def start(self, directory):
        # Its sockets would stay in a folder of the home directory.
        zproc.util.IPC_BASE_DIR = self.directory = pathlib.Path(directory)

    def prepare(self, stack):
        # A server for each run, as it keeps a copy of the state from before and after each change for as long as it
        # runs. It has a process of its own for the results and one for the tasks of swarms, and ends neither.
        stack.callback(peer.end_descendants)
        self.runs += 1
        self.context = zproc.Context(f"ipc://{self.directory}/server-{self.runs}", cleanup=False)

    def counter(self, stack, workers, size):
        state = self.context.create_state({"count": 0})
        self.context.spawn_map(count, [peer.share(w, workers, size) for w in range(workers)]).wait()
        return state["count"]

    def transfers(self, stack, workers, size):
        state = self.context.create_state(dict.fromkeys(range(peer.ACCOUNTS), peer.OPENING_BALANCE))
        self.context.spawn_map(transfer, [peer.share(w, workers, size) for w in range(workers)]).wait()
        balances = state.copy()
        return peer.checksum(balances[k] for k in range(peer.ACCOUNTS))

    def wordcount(self, stack, workers, texts):
        return peer.merge(self.map(workers, peer.count_words, texts))

    def mandelbrot(self, stack, workers, size):
        return sum(self.map(workers, functools.partial(peer.mandelbrot_row, size=size), range(size)))

    def map(self, workers, function, arguments):
        """The results of a swarm."""
        # A swarm wants fewer chunks than arguments, so at least two of these.
        if len(arguments) == 1:
            return [function(arguments[0])]
        swarm = self.context.create_swarm(workers)
        return swarm.map(function, arguments, num_chunks=min(4 * workers, len(arguments) - 1))

    def queue(self, name):
        """A state with a list in a namespace of its own, so that watchers see no other changes."""
        return self.context.create_state({"values": []}, namespace=name)

    def pipeline(self, stack, workers, size):
        queues = {f"{stage}{lane}": self.queue(f"{stage}{lane}") for stage in "abc" for lane in range(workers)}
        done, sums = self.queue("done"), self.queue("sums")
        for lane in range(workers):
            self.context.spawn(compute, args=(peer.stage_a, f"a{lane}", f"b{lane}"))
            self.context.spawn(compute, args=(peer.stage_b, f"b{lane}", f"c{lane}"))
            self.context.spawn(add, args=(f"c{lane}",))
        for i in range(size):
            if i >= peer.IN_FLIGHT:
                receive(done)
            put(queues[f"a{i % workers}"], i)
        for lane in range(workers):
            put(queues[f"a{lane}"], END)
        return sum(receive(sums) for _ in range(workers))


if __name__ == "__main__":
    peer.serve(PythonZProc())
