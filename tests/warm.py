"""Processes of ours that begin warm: forked from one that has the heavy imports behind it.

A command that indexes spends five of its six seconds of CPU on importing openai, chromadb and numpy, in itself and in
its children, and a suite of thousands of such starts spends most of its time on them. Here `subprocess` is taught to
begin `python -m batch_manager…` as a fork of a process that has imported them already. Everything after that is as it
would be: a process with a pid, pipes, signals, an environment and an end of its own, and a child of who asked for it.
What isn't the same is what the kernel tells of its beginning (command line and first environment), and which modules
it has; tests about those are marked `cold`, and `COLD=1` begins all processes of all tests as users do. Only Linux lets
a process take over a grandchild, so elsewhere all of them begin so.
"""

from __future__ import annotations

import atexit
import ctypes
import fcntl
import gc
import importlib.util
import os
import pickle
import runpy
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any, NoReturn

MODULES = (
    "batch_manager",
    "batch_manager.vectors.worker",
    "batch_manager.rehearsal",
    "batch_manager.embedding.local_model",
)
"""What may begin warm, as `-m` names it."""

IMPORTS = (
    "batch_manager.cli.actions.index",
    "batch_manager.cli.opening",
    "batch_manager.cli.report",
    "batch_manager.embedding.openai_api",
    "batch_manager.rehearsal.server",
    "batch_manager.rehearsal.service",
    "batch_manager.vectors.index",
    "batch_manager.workspace",
    "chromadb",
    "openai",
    "wordllama",
)

# Variables that Python or an import reads once; with others than the parent has, a process begins cold.
_PYTHONS = ("PYTHON", "LC_", "LANG", "TIKTOKEN", "DATA_GYM")
_PLAIN = {"", "C.UTF-8"}
_SIGNALS = (
    signal.SIGHUP,
    signal.SIGINT,
    signal.SIGQUIT,
    signal.SIGTERM,
    signal.SIGTSTP,
    signal.SIGUSR1,
    signal.SIGUSR2,
)
"""What a parent may ignore, and its child then does."""

_HIGH = 200
"""From here on there is room for descriptors that are on their way to their numbers."""

_PR_SET_CHILD_SUBREAPER = 36

_cold_ones = subprocess.Popen._execute_child  # type: ignore[attr-defined]


class Warm:
    """A process that forks itself on demand, and this end of the line to it."""

    def __init__(self) -> None:
        self._line: socket.socket | None = None
        self._lock = threading.Lock()
        self.off = False

    def take(self, line: socket.socket) -> None:
        """Use the one that waits at the other end of this line."""
        self._line = line

    def begin(self, order: Mapping[str, Any], descriptors: list[int]) -> int:
        """Have a process begin; its pid. It is a child of this process."""
        with self._lock:
            if self._line is None:
                self._line = _start()
            # The fork's parent ends at once, and the fork comes to the nearest ancestor that says so: this process.
            prctl = ctypes.CDLL(None).prctl
            prctl(_PR_SET_CHILD_SUBREAPER, 1)
            try:
                data = pickle.dumps(dict(order))
                socket.send_fds(self._line, [len(data).to_bytes(8, "big")], descriptors)
                self._line.sendall(data)
                pid = int.from_bytes(_exactly(self._line, 8), "big")
            finally:
                prctl(_PR_SET_CHILD_SUBREAPER, 0)
        return pid


warm = Warm()


def install() -> None:
    """From here on what `subprocess` begins in this process begins warm, where it can."""
    if sys.platform == "linux" and "COLD" not in os.environ:
        subprocess.Popen._execute_child = _execute_child  # type: ignore[attr-defined]


def _execute_child(self: Any, args: Any, executable: Any, preexec_fn: Any, *rest: Any) -> None:
    (
        _close_fds, pass_fds, cwd, env, _startupinfo, _creationflags, shell,
        p2cread, p2cwrite, c2pread, c2pwrite, errread, errwrite,
        restore_signals, gid, gids, uid, umask, start_new_session, process_group,
    ) = rest  # fmt: skip
    environment = dict(os.environ if env is None else env)
    odd = shell or executable or preexec_fn or pass_fds or umask != -1 or process_group != -1 or not restore_signals
    if odd or warm.off or (gid, gids, uid) != (None, None, None) or not _may_be_warm(args, environment):
        _cold_ones(self, args, executable, preexec_fn, *rest)
        return
    order = {
        "argv": list(map(os.fspath, args)),
        "cwd": os.fspath(cwd or Path.cwd()),
        "environment": environment,
        "ignored": [one for one in _SIGNALS if signal.getsignal(one) is signal.SIG_IGN],
        "session": start_new_session,
    }
    self.pid = warm.begin(order, [own if own != -1 else at for at, own in enumerate((p2cread, c2pwrite, errwrite))])
    self._child_created = True
    self._close_pipe_fds(p2cread, p2cwrite, c2pread, c2pwrite, errread, errwrite)


def _may_be_warm(args: Any, environment: Mapping[str, str]) -> bool:
    if isinstance(args, (str, bytes)) or not args or args[0] != sys.executable:
        return False
    args = list(args)
    options = args[1:3] if args[1:2] == ["-m"] else args[2:4] if args[1:3] == ["-P", "-m"] else []
    if options[1:] == [] or options[1] not in MODULES or _of_python(environment) != _of_python(os.environ):
        return False
    return {one for one in environment.get("PYTHONPATH", "").split(os.pathsep) if one} <= {*sys.path, _home()}


@lru_cache(maxsize=1)
def _home() -> str:
    spec = importlib.util.find_spec("batch_manager")
    assert spec is not None and spec.origin is not None
    return str(Path(spec.origin).parents[1])


def _of_python(environment: Mapping[str, str]) -> dict[str, str]:
    plain = {name: value for name, value in environment.items() if name.startswith(_PYTHONS)}
    for name in ("PYTHONPATH", "PYTHONUNBUFFERED"):  # what these ask for is done
        plain.pop(name, None)
    return {name: value for name, value in plain.items() if not (name in ("LANG", "LC_CTYPE") and value in _PLAIN)}


def _start() -> socket.socket:
    ours, theirs = socket.socketpair()
    environment = {**os.environ, "LANG": "C.UTF-8", "ANONYMIZED_TELEMETRY": "False", "OTEL_SDK_DISABLED": "true"}
    environment["PYTHONPATH"] = os.pathsep.join(
        filter(None, [str(Path(__file__).parent), os.environ.get("PYTHONPATH")])
    )
    command = [sys.executable, "-P", "-c", f"import warm; warm.main({theirs.fileno()})"]
    process = subprocess.Popen(command, env=environment, pass_fds=[theirs.fileno()], stdin=subprocess.DEVNULL)
    process.returncode = 0  # it ends when this process does, and nobody waits for it
    theirs.close()
    return ours


def main(line: int) -> NoReturn:
    """What the warm process does: import, and wait for orders."""
    gc.disable()
    from batch_manager.tokens import encoding

    for module in IMPORTS:
        importlib.import_module(module)
    encoding()
    gc.freeze()
    gc.enable()
    install()
    _serve(socket.socket(fileno=line))


def _serve(line: socket.socket) -> NoReturn:
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    while True:
        head, descriptors, _, _ = socket.recv_fds(line, 8, 3)
        if not head:
            os._exit(0)
        order = pickle.loads(_exactly(line, int.from_bytes(head, "big")))
        waits, goes = os.pipe()
        told, tells = os.pipe()
        middle = os.fork()
        if not middle:
            pid = os.fork()
            if pid:
                os.write(tells, pid.to_bytes(8, "big"))
                os._exit(0)
            os.close(goes)
            os.read(waits, 1)  # until the one in the middle is gone, and this one has its real parent
            line.close()
            for one in (waits, told, tells):
                os.close(one)
            _become(order, descriptors)
        for one in (*descriptors, tells, waits):
            os.close(one)
        os.waitpid(middle, 0)
        line.sendall(os.read(told, 8))
        os.close(told)
        os.close(goes)


def _become(order: Mapping[str, Any], descriptors: list[int]) -> NoReturn:
    """Turn this fork into the process that was asked for, and be it to its end."""
    high = [fcntl.fcntl(one, fcntl.F_DUPFD_CLOEXEC, _HIGH) for one in descriptors]
    for number, one in enumerate(high):
        os.dup2(one, number)
    for one in (*descriptors, *high):
        if one > 2:
            os.close(one)
    for number in _SIGNALS:
        usual = signal.default_int_handler if number == signal.SIGINT else signal.SIG_DFL
        signal.signal(number, signal.SIG_IGN if number in order["ignored"] else usual)
    if order["session"]:
        os.setsid()
    os.chdir(order["cwd"])
    argv = order["argv"]
    safe = argv[1] == "-P"
    module, rest = (argv[3], argv[4:]) if safe else (argv[2], argv[3:])
    lent = os.environ.get("PYTHONPATH", "").split(os.pathsep)
    os.environ.clear()
    os.environ.update(order["environment"])
    time.tzset()
    own = [one for one in os.environ.get("PYTHONPATH", "").split(os.pathsep) if one]
    sys.path[:] = [*([] if safe else [order["cwd"]]), *own, *(one for one in sys.path if one not in lent)]
    sys.argv = [module, *rest]
    sys.orig_argv = list(argv)
    _open_streams()
    if module == "batch_manager":
        warm.take(_one_of_its_own())
    _end(_run(module))


def _run(module: str) -> int:
    try:
        runpy.run_module(module, run_name="__main__", alter_sys=True)
    except SystemExit as error:
        if error.code is None or isinstance(error.code, int):
            return error.code or 0
        print(error.code, file=sys.stderr)
        return 1
    except BaseException as error:
        sys.excepthook(type(error), error, error.__traceback__)
        return -signal.SIGINT if isinstance(error, KeyboardInterrupt) else 1
    return 0


def _end(code: int) -> NoReturn:
    """End as Python does, but for taking all modules apart: that would take longer than most calls."""
    threading._shutdown()  # type: ignore[attr-defined]
    atexit._run_exitfuncs()
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except (OSError, ValueError):  # nobody reads any more, or it was closed
            code = code or (120 if stream is sys.stdout else 0)
    if code < 0:
        signal.signal(-code, signal.SIG_DFL)
        os.kill(os.getpid(), -code)
    os._exit(code)


def _open_streams() -> None:
    for name, number, mode in (("stdin", 0, "r"), ("stdout", 1, "w"), ("stderr", 2, "w")):
        old = getattr(sys, name)
        new = open(number, mode, encoding=old.encoding, errors=old.errors, closefd=False)  # noqa: SIM115 - to the end
        at_once = bool(os.environ.get("PYTHONUNBUFFERED"))
        new.reconfigure(line_buffering=number == 2 or os.isatty(number), write_through=at_once)
        setattr(sys, name, new)
        setattr(sys, f"__{name}__", new)


def _one_of_its_own() -> socket.socket:
    """A fork that waits for what this process will begin: later it has threads, and can't be forked any more."""
    ours, theirs = socket.socketpair()
    if os.fork():
        theirs.close()
        return ours
    ours.close()
    nothing = os.open(os.devnull, os.O_RDWR)
    for number in range(3):
        os.dup2(nothing, number)
    _serve(theirs)


def _exactly(line: socket.socket, size: int) -> bytes:
    data = bytearray()
    while len(data) < size:
        more = line.recv(size - len(data))
        if not more:
            raise ConnectionError("the warm process is gone")
        data += more
    return bytes(data)
