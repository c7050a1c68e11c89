# This source file is part of ZProc for Swift.
# SPDX-License-Identifier: Apache-2.0
"""A client of a ZProc hub: its state, watches of it, and tasks by name. See Docs/Protocol.md."""

from __future__ import annotations

import functools
import os
import random
import time
from typing import Any, Iterator, NamedTuple

import msgpack
import zmq
from zmq.utils.monitor import recv_monitor_message

HELLO, WELCOME, REFUSED, CALL, SUCCESS, FAILURE, CANCEL, PROBE = range(8)
_unpack = functools.partial(msgpack.unpackb, strict_map_key=False)
_ENDS = zmq.EVENT_DISCONNECTED | zmq.EVENT_CLOSED | zmq.EVENT_HANDSHAKE_FAILED_AUTH


class HubError(Exception):
    """A call failed: `code` is a word for programs, `details` what an error that was thrown in the hub holds."""
    def __init__(self, code: str, message: str, details: Any = None) -> None:
        super().__init__(f"{code}: {message}")
        self.code, self.message, self.details = code, message, details


class _Lost(Exception): ...


class Change(NamedTuple):
    """One transaction. `time`: microseconds since 1970; `writes`: `[key, [before], [after]]`, `[]` for no value."""
    revision: int
    time: int
    origin: int
    writes: list[list[Any]]


def read_keys(path: str) -> dict[str, str]:
    """The words `secret`, `public` and `hub` of a file of keys, each with a key of 40 characters."""
    if os.stat(path).st_mode & 0o077:
        raise ValueError(f"{path} can be read by others, and has a secret in it; run 'chmod 600 {path}'")
    with open(path, encoding="utf-8") as file:
        return {line.split()[0]: line.split()[1] for line in file if line.split() and line[0] not in "#a"}


class Client:
    """For one thread, and one call at a time; a thread that watches makes a client of its own.
    Calls wait up to `patience` seconds for a hub that is away, and are then made again, each change once.
    """

    def __init__(self, address: str, keys: dict = {}, namespace: str = "default", patience: float = 30) -> None:
        self.address, self.namespace, self.patience = address, namespace, patience
        self.origin, self.client = random.getrandbits(63) + 1, random.getrandbits(63) + 1
        self.hub = None  # which run of the hub has greeted last
        self._keys, self._socket, self._number, self._id = keys, None, 0, 0

    def get(self, key: str, default: Any = None) -> Any:
        return (self._read("get", key) or [default])[0]

    def keys(self) -> list[str]:
        return self._read("keys")

    def snapshot(self, at: int | None = None) -> tuple[int, dict[str, Any]]:
        return tuple(self._read("snapshot") if at is None else self._read("snapshotAt", at))

    def history(self, key: str) -> list[Change]:
        return [Change(*change) for change in self._read("history", key)]

    def set(self, key: str, value: Any) -> None:
        self._write("set", key, value)

    def remove(self, key: str, default: Any = None) -> Any:
        return (self._write("remove", key) or [default])[0]

    def merge(self, values: dict[str, Any]) -> None:
        self._write("merge", values)

    def increment(self, key: str, by: float = 1) -> float:
        return self._write("increment", key, by)[0]

    def append(self, key: str, *elements: Any) -> int:
        return self._write("append", key, elements)[0]

    def compare_and_set(self, key: str, expected: list[Any], new: list[Any]) -> bool:
        """Writes `new` where `expected` is; each is `[value]`, or `[]` for no value."""
        return self._write("compareAndSet", key, expected, new)[0]

    def watch(self, after: int | None = None) -> Iterator[Change]:
        """Every change once and in order: from now on, or those after the last revision that was seen before."""
        return self._changes(self._read("span")["newest"] if after is None else after)

    def _changes(self, seen: int) -> Iterator[Change]:
        hub = None
        while True:
            if hub != self.hub and self._read("span")["newest"] < seen:
                raise HubError("unavailable", f"the hub has lost what led to revision {seen}; watch again from now")
            hub = self.hub
            for change in self._read("nextRecords", seen, 1024):  # none when nothing has happened for 30 s
                seen = change[0]
                yield Change(*change)

    def ping(self) -> dict[str, Any]:
        return self.call("hub", "ping", [])

    def tasks(self) -> list[str]:
        return self.call("task", "list", [])

    def run(self, task: str, *arguments: Any) -> Any:
        """Runs a task of the hub's program; not again when it was sent and got no answer."""
        return self.call("task", "run", [task, arguments], repeat=False)

    def _read(self, method: str, *arguments: Any) -> Any:
        return self.call("state", method, [self.namespace, *arguments])

    def _write(self, method: str, *arguments: Any) -> Any:
        self._number += 1  # one call at a time: there is an answer to every earlier number
        return self.call("state", method, [self.namespace, self.origin, *arguments], [self.client] + [self._number] * 2)

    def call(self, service: str, method: str, arguments: list, request: list[int] = [], repeat: bool = True) -> Any:
        packed, away_since, losses, pause = msgpack.packb(arguments), None, 0, 0.01
        while True:
            was_sent = False
            try:
                if self._socket is None or self._monitor.poll(0):
                    self._connect()
                self._id, was_sent, away_since = self._id + 1, True, None
                self._send([CALL, self._id, service, method, packed, *request])
                return self._answer()
            except _Lost as error:
                self.close()
                losses, away_since = losses + was_sent, away_since or time.monotonic()
                if (was_sent and not repeat) or losses == 5 or time.monotonic() - away_since > self.patience:
                    code = "unknown" if losses else "notSent"  # whether it may have been carried out
                    raise HubError(code, f"{service}.{method} got no answer from {self.address}: {error}") from None
                time.sleep(pause * random.uniform(0.5, 1))
                pause = min(pause * 2, 1)

    def _answer(self) -> Any:
        try:
            while True:
                kind, number, *rest = self._receive()
                if number == self._id and kind == SUCCESS:
                    return _unpack(rest[0]) if rest[0] else None
                if number == self._id and kind == FAILURE:
                    raise _error(*rest)
        except KeyboardInterrupt:
            self._send([CANCEL, self._id])  # nobody waits any more
            raise

    def _connect(self) -> None:
        self.close()
        self._socket = socket = zmq.Context.instance().socket(zmq.DEALER)
        socket.linger, socket.handshake_ivl, socket.reconnect_ivl = 100, 5_000, 3_600_000  # a socket for each link
        socket.heartbeat_ivl, socket.heartbeat_timeout, socket.heartbeat_ttl = 2_000, 6_000, 6_000
        if self._keys:
            secret, public, socket.curve_serverkey = (self._keys[word].encode() for word in ("secret", "public", "hub"))
            socket.curve_secretkey, socket.curve_publickey = secret, public
        self._monitor = socket.get_monitor_socket(_ENDS)
        socket.connect(self.address)
        self._send([HELLO, "zproc", 1, "python", random.getrandbits(63) + 1, os.getpid()])
        kind, *rest = self._receive(within=5)
        if kind != WELCOME:
            self.close()
            raise HubError("refused", rest[0])
        self.hub = rest[2]

    def _send(self, message: list[Any]) -> None:
        self._socket.send(msgpack.packb(message))

    def _receive(self, within: float | None = None) -> list[Any]:
        """The next message. The hub may take its time: libzmq's heartbeats tell when it has gone."""
        while ready := zmq.select([self._socket, self._monitor], [], [], within)[0]:
            if self._socket in ready:
                message = _unpack(self._socket.recv())
                if message[0] == REFUSED and within is None:
                    raise _Lost(message[1])
                if message[0] != PROBE:
                    return message
            elif recv_monitor_message(self._monitor)["event"] == zmq.EVENT_HANDSHAKE_FAILED_AUTH:
                raise HubError("refused", f"{self.address} does not let this key in")
            else:
                raise _Lost("the link has ended")
        raise _Lost("nobody greets")

    def close(self) -> None:
        if self._socket is not None:
            self._socket.disable_monitor()
            self._socket.close()
            self._socket = None


def _error(code: str, text: str, _: bytes, payload: bytes) -> HubError:
    """Errors of the state and of calls have their own code in the payload: `{code: {kind}, message, …}`."""
    details = _unpack(payload) if payload else None
    if isinstance(details, dict) and isinstance(details.get("code"), dict) and "kind" in details["code"]:
        return HubError(details["code"]["kind"], details.get("message", text), details)
    return HubError(code, text, details)
