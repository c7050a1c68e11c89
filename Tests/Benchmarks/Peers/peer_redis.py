# This source file is part of ZProc for Swift.
# SPDX-License-Identifier: Apache-2.0
"""The peer `redis`: a redis-server of its own on a Unix socket holds state, jobs and queues; workers are processes."""

import os
import pickle
import shutil
import subprocess
import time

import peer

try:
    import redis
except ImportError as reason:
    peer.absent(reason, "pip install redis hiredis")

try:
    import hiredis
except ImportError:
    hiredis = None

MOVE = """
redis.call('HINCRBY', KEYS[1], ARGV[1], -ARGV[3])
redis.call('HINCRBY', KEYS[1], ARGV[2], ARGV[3])
"""
END = b""


def connect(path):
    """A client of the server."""
    return redis.Redis(unix_socket_path=path, socket_timeout=None)


def increment(path, indices):
    """A worker of `counter`."""
    client = connect(path)
    for _ in indices:
        client.incr("count")


def move(path, indices):
    """A worker of `transfers`."""
    client = connect(path)
    script = client.register_script(MOVE)
    for i in indices:
        script(keys=["accounts"], args=peer.transfer(i))


def work(path, function, *arguments):
    """A worker that does jobs until there are none left."""
    client = connect(path)
    while (job := client.blpop("jobs")[1]) != END:
        client.rpush("results", pickle.dumps(function(job, *arguments)))


def count_words(job):
    """A job of `wordcount`."""
    return peer.count_words(job.decode())


def mandelbrot_row(job, size):
    """A job of `mandelbrot`."""
    return peer.mandelbrot_row(int(job), size)


def compute(path, function, source, target):
    """The process of a stage of the pipeline that hands its values on."""
    client = connect(path)
    while (value := client.blpop(source)[1]) != END:
        client.rpush(target, function(int(value)))
    client.rpush(target, END)


def add(path, source):
    """The process of the last stage of a lane."""
    client = connect(path)
    total = 0
    while (value := client.blpop(source)[1]) != END:
        total += int(value)
        client.rpush("done", 1)
    client.rpush("sums", total)


class Redis(peer.Peer):
    """See the module."""

    path = ""
    client = None

    def start(self, directory):
        program = shutil.which("redis-server")
        if not program:
            raise peer.Absent("no redis-server; apt-get install redis-server")
        self.path = os.path.join(directory, "redis.sock")
        server = subprocess.Popen(
            [program, "--port", "0", "--unixsocket", self.path, "--dir", directory, "--save", "", "--appendonly", "no",
             "--daemonize", "no", "--loglevel", "warning"], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
        self.client = connect(self.path)
        deadline = time.monotonic() + 10
        while True:
            try:
                self.client.ping()
                break
            except redis.ConnectionError:
                if server.poll() is not None or time.monotonic() > deadline:
                    raise peer.Absent("redis-server does not start") from None
                time.sleep(0.01)
        version = self.client.info("server")["redis_version"]
        parser = f"hiredis {hiredis.__version__}" if hiredis else "no hiredis"
        self.name = f"redis {version} (redis-py {redis.__version__}, {parser}, {peer.PYTHON})"

    def prepare(self, stack):
        self.client.flushall()

    def counter(self, stack, workers, size):
        peer.Workers(stack, increment, [(self.path, peer.share(w, workers, size)) for w in range(workers)]).join()
        return self.client.get("count")

    def transfers(self, stack, workers, size):
        self.client.hset("accounts", mapping=dict.fromkeys(range(peer.ACCOUNTS), peer.OPENING_BALANCE))
        peer.Workers(stack, move, [(self.path, peer.share(w, workers, size)) for w in range(workers)]).join()
        return peer.checksum(map(int, self.client.hmget("accounts", range(peer.ACCOUNTS))))

    def wordcount(self, stack, workers, texts):
        return peer.merge(self.run(stack, workers, texts, count_words))

    def mandelbrot(self, stack, workers, size):
        return sum(self.run(stack, workers, range(size), mandelbrot_row, size))

    def run(self, stack, workers, jobs, function, *arguments):
        """The results of all jobs, as they come."""
        peer.Workers(stack, work, [(self.path, function, *arguments)] * workers)
        self.client.rpush("jobs", *jobs, *[END] * workers)
        for _ in jobs:
            yield pickle.loads(self.receive("results"))

    def pipeline(self, stack, workers, size):
        lanes = range(workers)
        peer.Workers(stack, compute, [(self.path, peer.stage_a, f"a{lane}", f"b{lane}") for lane in lanes])
        peer.Workers(stack, compute, [(self.path, peer.stage_b, f"b{lane}", f"c{lane}") for lane in lanes])
        peer.Workers(stack, add, [(self.path, f"c{lane}") for lane in lanes])
        for i in range(size):
            if i >= peer.IN_FLIGHT:
                self.receive("done")
            self.client.rpush(f"a{i % workers}", i)
        for lane in lanes:
            self.client.rpush(f"a{lane}", END)
        return sum(int(self.receive("sums")) for _ in lanes)

    def receive(self, key):
        """The next value of a list."""
        answer = self.client.blpop(key, timeout=peer.PATIENCE)
        if answer is None:
            raise TimeoutError(f"nothing came in the list {key}")
        return answer[1]


if __name__ == "__main__":
    peer.serve(Redis())
