# This source file is part of ZProc for Swift.
# SPDX-License-Identifier: Apache-2.0
"""Goes through all that the client can do, against a hub: python3 check.py ADDRESS [FILE-OF-KEYS]

Uses the namespaces `python` and `meeting`. With `--meet`, a Swift program is at the hub too: it has registered tasks,
and answers in `meeting`. Exits with 0 when everything was as it should be.
"""

import signal
import sys
import threading
import time

import zmq

from zproc_client import Client, HubError, read_keys


def check(what: str, is_so: bool) -> None:
    if not is_so:
        sys.exit(f"FAILED: {what}")
    print(f"ok: {what}", flush=True)


def fails(code: str, call, *arguments) -> bool:
    try:
        call(*arguments)
    except HubError as error:
        return error.code == code
    return False


def check_state(hub: Client) -> None:
    for key in hub.keys():
        hub.remove(key)
    values = {
        **{"nil": None, "yes": True, "small": -1, "large": 2**64 - 1, "real": 0.5, "text": "kekse 🍪"},
        **{"bytes": b"\x00\xff", "list": [1, "two", [3.0]], "map": {"a": {"b": None}, "l": []}, "long": "x" * 100_000},
    }
    for key, value in values.items():
        hub.set(key, value)
    check("values of every kind come back as they went", {key: hub.get(key) for key in values} == values)
    check("keys", sorted(hub.keys()) == sorted(values))
    check("what is not there is a default", hub.get("none", 7) == 7 and hub.remove("none") is None)
    check("nil is a value, and no default", hub.get("nil", 7) is None)
    check("snapshot", hub.snapshot()[1] == values)
    check("remove", hub.remove("text") == values.pop("text") and "text" not in hub.keys())
    before = hub.snapshot()[0]
    hub.merge({"a": 1, "b": 2})
    check("merge is one change", hub.snapshot()[0] == before + 1 and hub.get("b") == 2)
    check("increment", (hub.increment("count"), hub.increment("count", 4), hub.increment("half", 0.5)) == (1, 5, 0.5))
    check("append", (hub.append("log", "a"), hub.append("log", "b", "c"), hub.get("log")) == (1, 3, ["a", "b", "c"]))
    check("compare and set of what is there", hub.compare_and_set("a", [1], [10]) and hub.get("a") == 10)
    check("compare and set of what is not there", not hub.compare_and_set("a", [1], [11]))
    check("compare and set of no value", hub.compare_and_set("new", [], [1]) and hub.compare_and_set("new", [1], []))
    check("compare and set to no value", "new" not in hub.keys())
    check("the past", hub.snapshot(at=before)[1] == values)
    check("history", [change.writes[0][2] for change in hub.history("count")][-2:] == [[1], [5]])
    check("a wrong type is an error with a code", fails("typeMismatch", hub.increment, "list"))
    check("a key too long is an error with a code", fails("keyTooLong", hub.set, "k" * 481, 1))
    check("a method that is not there is an error", fails("methodNotFound", hub.call, "state", "fly", []))
    check("a service that is not there is an error", fails("noService", hub.call, "sky", "fly", []))
    check("arguments that are none are an error", fails("badArguments", hub.call, "state", "get", [1, 2]))
    check("a revision that is not there is an error", fails("compacted", hub.snapshot, 2**40))


def check_watch(hub: Client, other: Client) -> None:
    watch, count = hub.watch(), 500
    for number in range(count):
        other.increment("watched") if number % 2 else other.merge({"watched": number, "beside": number})
    seen = [next(watch) for _ in range(count)]
    first = seen[0].revision
    check("a watch misses nothing", [change.revision for change in seen] == list(range(first, first + count)))
    check("a change is whole", sorted(write[0] for write in seen[0].writes) == ["beside", "watched"])
    check("changes say through whom", {change.origin for change in seen} == {other.origin})
    check("time is near", abs(seen[-1].time / 1e6 - time.time()) < 60)
    again = hub.watch(after=seen[9].revision)
    check("a watch goes on after a revision", [next(again) for _ in range(50)] == seen[10:60])
    timer = threading.Timer(0.3, other.set, ("late", 1))
    timer.start()
    check("a watch waits", next(watch).writes == [["late", [], [1]]])
    timer.join()


def check_again(hub: Client) -> None:
    """What a client does that has lost the answer to a change."""
    hub.set("once", 0)
    number = hub._number = hub._number + 1
    arguments = [hub.namespace, hub.origin, "once", 1]
    request = [hub.client, number, number]
    hub.call("state", "increment", arguments, request)
    hub.close()
    answer = hub.call("state", "increment", arguments, request)
    check("a change that is asked for again is answered, and made once", answer == [1] and hub.get("once") == 1)
    hub.close()
    check("a client connects again by itself", hub.increment("once") == 2)
    absent = Client("tcp://127.0.0.1:1", patience=0.5)
    check("a hub that is not there is an error", fails("notSent", absent.get, "key"))


def check_meeting(hub: Client) -> None:
    """Together with a program in Swift; see Tests/ZProcTests/PythonClientTests.swift."""
    check("tasks", {"double", "fail", "greet", "wait"} <= set(hub.tasks()))
    check("a task runs", hub.run("double", 21) == 42 and hub.run("greet", "Ada", 3) == "Ada Ada Ada")
    check("an unknown task is an error", fails("methodNotFound", hub.run, "fly"))
    check("wrong arguments are an error", fails("badArguments", hub.run, "double", "x"))
    check("too many arguments are an error", fails("badArguments", hub.run, "double", 1, 2))
    check("what a task throws is an error", fails("thrown", hub.run, "fail"))
    signal.signal(signal.SIGALRM, signal.default_int_handler)
    signal.setitimer(signal.ITIMER_REAL, 0.5)
    try:
        hub.run("wait")
    except KeyboardInterrupt:
        pass
    meeting = Client(hub.address, hub._keys, namespace="meeting")
    while not meeting.get("wait was cancelled"):
        time.sleep(0.01)
    check("an interrupt cancels the task", True)
    watch = meeting.watch()
    meeting.set("from python", {"numbers": [1, 2, 3]})
    for number in range(100):
        meeting.append("questions", number)
    answers = []
    for change in watch:
        answers += [after[0] for key, _, after in change.writes if key == "answer"]
        if len(answers) == 100:
            break
    check("Swift answers, and Python sees it", answers == [number * number for number in range(100)])


def main() -> None:
    arguments = [argument for argument in sys.argv[1:] if argument != "--meet"]
    if not arguments:
        sys.exit(__doc__)
    keys = read_keys(arguments[1]) if len(arguments) > 1 else {}
    hub, other = (Client(arguments[0], keys, namespace="python") for _ in range(2))
    info = hub.ping()
    check(f"ping: version {info['version']}, protocol {info['protocolVersion']}", info["clients"] >= 1)
    if keys:
        public, secret = (key.decode() for key in zmq.curve_keypair())
        stranger = Client(arguments[0], {**keys, "public": public, "secret": secret}, patience=3)
        check("a key that is not in the list is refused", fails("refused", stranger.ping))
    check_state(hub)
    check_watch(hub, other)
    check_again(hub)
    if "--meet" in sys.argv:
        check_meeting(hub)
    hub.close()
    other.close()


if __name__ == "__main__":
    main()
