# This source file is part of ZProc for Swift.
# SPDX-License-Identifier: Apache-2.0
"""What the peer scripts share: the protocol, the workloads, the measuring, and the end of everything started.

`python3 peer.py --check NAME...` compares every workload of a peer with the plain sequential one.
"""

import collections
import contextlib
import ctypes
import json
import multiprocessing
import multiprocessing.connection
import os
import platform
import resource
import select
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time

PYTHON = f"{platform.python_implementation()} {platform.python_version()}"
WORKLOADS = ("counter", "transfers", "wordcount", "mandelbrot", "pipeline")
ACCOUNTS = 100
OPENING_BALANCE = 1000
WORDS_PER_DOCUMENT = 1000
IN_FLIGHT = 64
PATIENCE = 60  # seconds without any progress after which a run is given up
GRACE = 3  # seconds a process gets between SIGTERM and SIGKILL


# The workloads


def share(worker, workers, size):
    """The numbers of range(size) that one of the workers does."""
    return range(worker, size, workers)


def transfer(i):
    """Transfer i: from which account, to which, and how much."""
    return i * 7 % ACCOUNTS, (i * 13 + 5) % ACCOUNTS, i % 10 + 1


def checksum(balances):
    """The result of the transfers."""
    return sum(balance * (k + 1) for k, balance in enumerate(balances))


def texts(size):
    """The documents of a word count over `size` words."""
    documents = []
    for document in range(-(-size // WORDS_PER_DOCUMENT)):
        x = document * 2654435761 % 2**31
        words = []
        for _ in range(min(WORDS_PER_DOCUMENT, size - document * WORDS_PER_DOCUMENT)):
            x = (x * 1103515245 + 12345) % 2**31
            words.append("w%d" % ((x >> 16) % 1000))
        documents.append(" ".join(words))
    return documents


def count_words(text):
    """How often each word is in one document: what a worker does."""
    return dict(collections.Counter(text.split(" ")))


def merge(dictionaries):
    """The result of a word count, from the dictionaries of all documents."""
    total = collections.Counter()
    for dictionary in dictionaries:
        total.update(dictionary)
    return sum(count**2 for count in total.values())


def mandelbrot_row(row, size):
    """The steps of all pixels of a row: what a worker does."""
    cy = -1.25 + (2.5 * (row + 0.5)) / size
    steps = 0
    for col in range(size):
        cx = -2.0 + (2.5 * (col + 0.5)) / size
        x = y = 0.0
        n = 0
        while n < 200 and x * x + y * y <= 4.0:
            x, y = x * x - y * y + cx, 2.0 * x * y + cy
            n += 1
        steps += n
    return steps


def stage_a(x):
    """The first stage of the pipeline."""
    return x * 3 + 1


def stage_b(v):
    """The second stage of the pipeline; the third one adds up."""
    return v ^ (v >> 3)


def sequential(workload, size):
    """What every peer's result must be equal to."""
    if workload == "counter":
        return size
    if workload == "transfers":
        balances = [OPENING_BALANCE] * ACCOUNTS
        for i in range(size):
            source, target, amount = transfer(i)
            balances[source] -= amount
            balances[target] += amount
        return checksum(balances)
    if workload == "wordcount":
        return merge(map(count_words, texts(size)))
    if workload == "mandelbrot":
        return sum(mandelbrot_row(row, size) for row in range(size))
    if workload == "pipeline":
        return sum(stage_b(stage_a(x)) for x in range(size))
    raise ValueError(f"no workload {workload!r}")


class Peer:
    """One library: a subclass has a method for each workload that the library can do.

    Such a method gets an ExitStack, for what is to be closed after the clock has stopped, the number of workers, and
    the size (the texts for `wordcount`), and returns the result.
    """

    name = ""
    unsupported = {}  # why there is no method for a workload
    has_threads = False  # whether it has threads of its own, which may still use its files after stop()
    forgets_ended = False  # whether its processes do not wait for those that they start

    def start(self, directory):
        """Make the library ready; `directory` is for its files, and goes away at the end."""

    def prepare(self, stack):
        """What a run needs before its clock starts."""

    def stop(self):
        """End the library, as far as ending its processes does not do that."""


class Absent(Exception):
    """The library cannot be used here."""


def absent(reason, remedy):
    """Say that the library of this script is not here, and exit."""
    print(json.dumps({"absent": one_line(f"{reason}; {remedy}")}), flush=True)
    sys.exit(0)


class Workers:
    """The worker processes of a run, one for each tuple of arguments; started at once, ended when closed."""

    def __init__(self, stack, target, arguments):
        stack.callback(self.close)
        self.processes = []
        for these in arguments:
            process = multiprocessing.Process(target=target, args=these)
            process.start()
            self.processes.append(process)

    def join(self):
        """Wait until all are done, or one has failed."""
        running = {process.sentinel: process for process in self.processes}
        while running:
            for sentinel in multiprocessing.connection.wait(running):
                process = running.pop(sentinel)
                process.join()
                if process.exitcode:
                    raise RuntimeError(f"a worker ended with {process.exitcode}")

    def close(self):
        """End those that still run."""
        for process in self.processes:
            process.kill()
        for process in self.processes:
            process.join()


# Processes and their time


def processes():
    """Parent, state and seconds of each process of this machine; the seconds are None where there is no /proc."""
    found = {}
    if not os.path.isdir("/proc/self"):
        with subprocess.Popen(["ps", "-axo", "pid=,ppid=,stat="], stdout=subprocess.PIPE, text=True) as ps:
            for line in ps.stdout:
                pid, parent, state = line.split()[:3]
                found[int(pid)] = int(parent), state[0], None
        found.pop(ps.pid, None)
        return found
    tick = os.sysconf("SC_CLK_TCK")
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            with open(f"/proc/{pid}/stat", encoding="utf-8", errors="replace") as file:
                fields = file.read().rpartition(")")[2].split()
        except OSError:  # it has ended meanwhile
            continue
        found[int(pid)] = int(fields[1]), fields[0], sum(map(int, fields[11:15])) / tick
    return found


def descendants(found):
    """Which of these processes were started by this one, or by those that it started."""
    children = collections.defaultdict(list)
    for pid, (parent, _, _) in found.items():
        children[parent].append(pid)
    tree = []
    pending = [os.getpid()]
    while pending:
        more = children[pending.pop()]
        tree += more
        pending += more
    return tree


class CPU:
    """The seconds used so far by this process and by all that it started."""

    def __init__(self):
        found = processes()
        ours = resource.getrusage(resource.RUSAGE_SELF), resource.getrusage(resource.RUSAGE_CHILDREN)
        self.ours = sum(usage.ru_utime + usage.ru_stime for usage in ours)
        self.theirs = {pid: found[pid][2] for pid in descendants(found)}

    def since(self, start, forgotten=False):
        """Those used since then, or None if that cannot be known.

        The time of a process that has ended is in that of the one that waited for it; `forgotten`: it is lost.
        """
        if None in self.theirs.values() or not os.path.isdir("/proc/self"):
            return None
        counted = {pid: used for pid, used in start.theirs.items() if pid in self.theirs or not forgotten}
        return round(self.ours - start.ours + sum(self.theirs.values()) - sum(counted.values()), 3)


def adopt_orphans():
    """Have what loses its parent become a child of this process, so that it is found and ended (Linux only)."""
    with contextlib.suppress(AttributeError, OSError):
        ctypes.CDLL(None).prctl(36, 1, 0, 0, 0)  # PR_SET_CHILD_SUBREAPER


def end_descendants(grace=GRACE):
    """End all processes that this one started, and those that they started."""
    deadline = time.monotonic() + grace
    asked = set()
    while True:
        found = processes()
        tree = descendants(found)
        running = [pid for pid in tree if found[pid][1] != "Z"]
        if not running:
            break
        late = time.monotonic() > deadline
        for pid in running:
            if late or pid not in asked:
                asked.add(pid)
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL if late else signal.SIGTERM)
        time.sleep(0.01)
    multiprocessing.active_children()  # takes note of those of its own that have ended
    for pid in tree:
        with contextlib.suppress(ChildProcessError):
            os.waitpid(pid, os.WNOHANG)


def wait_until_quiet():
    """Wait, a few seconds at most, until what was started does nothing any more."""
    for _ in range(50):
        before = CPU()
        time.sleep(0.1)
        after = CPU()
        if before.theirs.keys() == after.theirs.keys() and (after.since(before) or 0) < 0.05:
            break


# The protocol


def one_line(text):
    """A text fit for one line of an answer."""
    return " ".join(str(text).split())[:500]


class Server:
    """Answers the lines of standard input with one peer."""

    def __init__(self, peer):
        self.peer = peer
        # Nothing but answers may get to standard output, whatever a library or its processes print.
        self.requests = os.fdopen(os.dup(0), encoding="utf-8")
        self.answers = os.dup(1)
        nothing = os.open(os.devnull, os.O_RDONLY)
        os.dup2(nothing, 0)
        os.close(nothing)
        os.dup2(2, 1)
        # All temporary files go there; a short path, as those of sockets must be.
        self.directory = tempfile.mkdtemp(prefix="peer-", dir="/tmp")
        tempfile.tempdir = os.environ["TMPDIR"] = self.directory

    def serve(self):
        """Answer until standard input ends, or SIGTERM comes."""
        adopt_orphans()
        os.register_at_fork(after_in_child=forget_signals)
        try:
            self.catch_signals()
            threading.Thread(target=self.watch_reader, daemon=True).start()
            try:
                self.peer.start(self.directory)
            except Absent as reason:
                self.answer({"absent": one_line(reason)})
                return
            except Exception as failure:
                self.answer({"absent": one_line(f"{type(failure).__name__}: {failure}")})
                return
            self.catch_signals()  # again, as some libraries set their own
            self.answer({"ready": self.peer.name})
            for line in self.requests:
                if line.strip():
                    self.answer(self.respond(line))
        except BrokenPipeError:
            pass
        except Exception as failure:
            print(f"{self.peer.name}: {failure}", file=sys.stderr)
        finally:
            self.end()

    def respond(self, line):
        """The answer to a request."""
        try:
            request = json.loads(line)
            if not isinstance(request, dict):
                raise ValueError("a request is an object")
            workload, workers, size = (request.get(key) for key in ("workload", "workers", "size"))
            if workload not in WORKLOADS:
                raise ValueError(f"no workload {workload!r}")
            for name, value in (("workers", workers), ("size", size)):
                if type(value) is not int or value < 1:
                    raise ValueError(f"{name} must be a whole number from 1 on, not {value!r}")
            if workload in self.peer.unsupported:
                return {"unsupported": self.peer.unsupported[workload]}
            return self.measure(workload, workers, size)
        except Exception as failure:
            return {"error": one_line(f"{type(failure).__name__}: {failure}")}

    def measure(self, workload, workers, size):
        """Do a workload once."""
        work = getattr(self.peer, workload)
        argument = texts(size) if workload == "wordcount" else size
        with contextlib.ExitStack() as stack:
            self.peer.prepare(stack)
            start = CPU()
            begin = time.perf_counter()
            result = work(stack, workers, argument)
            seconds = time.perf_counter() - begin
            cpu = CPU().since(start, self.peer.forgets_ended)
        return {"seconds": round(seconds, 6), "cpu": cpu, "result": int(result)}

    def answer(self, answer):
        """Write a line."""
        data = (json.dumps(answer) + "\n").encode()
        while data:
            data = data[os.write(self.answers, data):]

    def watch_reader(self):
        """Stop, also in the middle of a run, when nobody is left to read the answers."""
        poll = select.poll()
        poll.register(self.answers, 0)
        poll.poll()
        os.kill(os.getpid(), signal.SIGTERM)

    def catch_signals(self):
        """Stop at a signal; at once if stopping in good order takes too long."""
        def stop(*_):
            signal.signal(signal.SIGTERM, signal.SIG_IGN)
            signal.signal(signal.SIGINT, signal.SIG_IGN)
            signal.alarm(5)
            sys.exit()

        def stop_at_once(*_):
            end_descendants(grace=0)
            shutil.rmtree(self.directory, ignore_errors=True)
            os._exit(0)

        signal.signal(signal.SIGALRM, stop_at_once)
        signal.signal(signal.SIGTERM, stop)
        signal.signal(signal.SIGINT, stop)

    def end(self):
        """End the library and all processes, and exit."""
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        signal.alarm(10)
        try:
            self.peer.stop()
        except Exception as failure:
            print(f"{self.peer.name}: {failure}", file=sys.stderr)
        if not self.peer.has_threads:
            # Helpers such as multiprocessing's resource tracker heed no signal, but end when their pipes are closed.
            os.closerange(3, 4096)
        end_descendants()
        shutil.rmtree(self.directory, ignore_errors=True)
        os._exit(0)


def forget_signals():
    """Have processes forked from this one end at a signal as any other does."""
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, signal.SIG_DFL)


def serve(peer):
    """Answer the lines of standard input with a peer; does not return."""
    Server(peer).serve()


# The check


def check(name, sizes):
    """Compare the results of the peer of that name with the sequential ones; whether all are equal."""
    script = os.path.join(os.path.dirname(os.path.abspath(__file__)), f"peer_{name.replace('-', '_')}.py")
    if not os.path.exists(script):
        print(f"{name}: no such peer")
        return False
    child = subprocess.Popen(
        [sys.executable, script], stdin=subprocess.PIPE, stdout=subprocess.PIPE, encoding="utf-8")
    good = True
    with child:
        def ask(request):
            child.stdin.write(request + "\n")
            child.stdin.flush()
            line = child.stdout.readline()
            return json.loads(line) if line else {"error": "it has ended"}

        first = json.loads(child.stdout.readline() or '{"absent": "it has ended"}')
        print(f"{name}: {first}")
        if "absent" in first:
            return False
        for workload, size in sizes.items():
            expected = sequential(workload, size)
            for workers in (1, 2, 4):
                answer = ask(json.dumps({"workload": workload, "workers": workers, "size": size}))
                equal = "unsupported" in answer or answer.get("result") == expected
                good = good and equal
                print(f"  {workload}, {workers} workers, size {size}: {answer}" + ("" if equal else f" != {expected}"))
        for request in ('{"workload": "none", "workers": 1, "size": 1}', "[]", "no JSON",
                        '{"workload": "counter", "workers": 0, "size": 1}',
                        '{"workload": "counter", "workers": 1, "size": 0}'):
            answer = ask(request)
            good = good and "error" in answer
            print(f"  {request}: {answer}" + ("" if "error" in answer else " is no error"))
    return good and child.returncode == 0


def main():
    """The command line."""
    if len(sys.argv) < 3 or sys.argv[1] != "--check":
        sys.exit(f"usage: {sys.argv[0]} --check NAME...")
    small = {"counter": 101, "transfers": 103, "wordcount": 4321, "mandelbrot": 9, "pipeline": 211}
    tiny = {"counter": 1, "transfers": 1, "wordcount": 1, "mandelbrot": 1, "pipeline": 1}
    # A list, so that all are checked.
    sys.exit(0 if all([check(name, sizes) for name in sys.argv[2:] for sizes in (small, tiny)]) else 1)


if __name__ == "__main__":
    main()
