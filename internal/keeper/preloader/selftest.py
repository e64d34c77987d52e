"""Says what a process of this installation finds when its program begins, and waits to be ended.

usage: selftest.py REPORT

It is run twice, executed and forked from a preloader, and the two must say the same but for what is a launch's own. What is
tried here is what a worker must not be able to do, beside what it is given.
"""

import ctypes
import errno
import gc
import json
import locale
import os
import resource
import signal
import socket
import sys
import threading
import time

libc = ctypes.CDLL(None, use_errno=True)
STATUS = ("Uid", "Gid", "Groups", "Threads", "SigQ", "SigBlk", "SigIgn", "SigCgt", "CapInh", "CapPrm", "CapEff", "CapBnd",
          "CapAmb", "NoNewPrivs", "Seccomp", "CoreDumping", "Umask", "Speculation_Store_Bypass")


def status():
    found = {}
    with open("/proc/self/status") as file:
        for line in file:
            name, _, value = line.partition(":")
            if name in STATUS and name != "SigQ":
                found[name] = value.split()
    return found


def read(path):
    with open(path, "rb") as file:
        return file.read().rstrip(b"\0\n").decode(errors="replace")


def files():
    """What is open, by what it is: the pipes of two processes have other numbers."""
    found = {}
    for name in sorted(os.listdir("/proc/self/fd"), key=int):
        try:
            found[name] = os.readlink("/proc/self/fd/" + name).partition(":")[0]
        except OSError:
            pass  # that of the listing
    return found


def attempt(action):
    try:
        action()
    except OSError as error:
        return errno.errorcode.get(error.errno, str(error.errno))
    except ValueError as error:
        return "ValueError"
    return "done"


def call(function, *arguments):
    def action():
        if function(*arguments) < 0:
            raise OSError(ctypes.get_errno(), "")
    return attempt(action)


def connect(port):
    with socket.socket() as s:
        s.settimeout(1)
        s.connect(("127.0.0.1", port))


def bind():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))


def multipath():
    socket.socket(socket.AF_INET, socket.SOCK_STREAM, 262).close()


def attempts():
    above = os.path.dirname(os.getcwd())
    return {
        "list the run directories": attempt(lambda: os.listdir(above)),
        "list the data directory": attempt(lambda: os.listdir(os.path.dirname(above))),
        "read the keeper's token": attempt(lambda: open(os.path.join(os.path.dirname(above), "keeper.token")).close()),
        "read accounts": attempt(lambda: open("/etc/shadow").close()),
        "write elsewhere": attempt(lambda: open("/var/tmp/selftest", "w").close()),
        "write here": attempt(lambda: open("selftest", "w").close()),
        "remove here": attempt(lambda: os.unlink("selftest")),
        "make a device": attempt(lambda: os.mknod("device", 0o20600, os.makedev(1, 3))),
        "signal the parent": attempt(lambda: os.kill(os.getppid(), 0)) if os.getppid() > 1 else "it is the first",
        "raise the limit of files": attempt(lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (1 << 19, 1 << 19))),
        "become root": attempt(lambda: os.setuid(0)),
        "connect": attempt(lambda: connect(9)),
        "bind to any port": attempt(bind),
        "speak MPTCP": attempt(multipath),
        "trace the parent": call(libc.ptrace, ctypes.c_long(16), ctypes.c_long(os.getppid()), None, None),
        "mount": call(libc.mount, b"none", b"/proc", b"tmpfs", ctypes.c_ulong(0), None),
        "leave the namespaces": call(libc.unshare, ctypes.c_int(0x00020000)),
    }


def handlers():
    found = {}
    for number in signal.valid_signals():
        handler = signal.getsignal(number)
        found[str(int(number))] = getattr(handler, "__name__", str(handler))
    return found


def interpreter():
    main = sys.modules["__main__"]
    return {
        "argv": sys.argv, "orig_argv": sys.orig_argv, "executable": sys.executable, "prefix": sys.prefix, "base": sys.base_prefix,
        "path": sys.path, "flags": str(sys.flags), "warnings": sys.warnoptions, "x": {k: str(v) for k, v in sys._xoptions.items()},
        "version": sys.version, "encodings": [sys.getdefaultencoding(), sys.getfilesystemencoding(), locale.setlocale(locale.LC_ALL)],
        "streams": [[s.encoding, s.errors, s.line_buffering, s.write_through] for s in (sys.stdin, sys.stdout, sys.stderr)],
        "main": [main.__name__, main.__file__, main.__dict__ is globals(), main.__spec__ is None, type(main.__loader__).__name__],
        "thread": [threading.current_thread() is threading.main_thread(), threading.active_count(), threading.get_native_id() == os.getpid()],
        "gc": [gc.isenabled(), gc.get_threshold()], "recursion": sys.getrecursionlimit(), "switch": sys.getswitchinterval(),
        "zone": list(time.tzname), "bytecode": sys.dont_write_bytecode, "tracing": [sys.gettrace() is None, sys.getprofile() is None],
        "handlers": handlers(),
    }


def process():
    return {
        "environment": {name: value for name, value in os.environ.items() if name != "WORKSPACE_ROUTER_LAUNCH"},
        "environment of C": {name: (libc_getenv(name.encode()) or b"").decode(errors="replace") for name in os.environ if name != "WORKSPACE_ROUTER_LAUNCH"},
        "shown environment": sorted(v.partition("=")[0] for v in read("/proc/self/environ").split("\0")),
        "shown arguments": read("/proc/self/cmdline").split("\0"), "name": read("/proc/self/comm"),
        "directory": os.getcwd(), "root": os.readlink("/proc/self/root"), "status": status(), "files": files(),
        "limits": {str(n): resource.getrlimit(n) for n in range(16) if n != 10},
        "leads": [os.getsid(0) == os.getpid(), os.getpgid(0) == os.getpid()],
        "processes": sum(name.isdigit() for name in os.listdir("/proc")) if os.getppid() <= 1 else "the machine's",
        "dumpable": libc.prctl(3, 0, 0, 0, 0), "subreaper": subreaper(), "death": death(), "slack": libc.prctl(30, 0, 0, 0, 0),
        "securebits": libc.prctl(27, 0, 0, 0, 0), "personality": libc.personality(0xFFFFFFFF), "nice": os.nice(0),
        "affinity": sorted(os.sched_getaffinity(0)), "policy": os.sched_getscheduler(0), "kill score": read("/proc/self/oom_score_adj"),
    }


def death():
    value = ctypes.c_int()
    libc.prctl(2, ctypes.byref(value), 0, 0, 0)
    return value.value


def subreaper():
    value = ctypes.c_int()
    libc.prctl(37, ctypes.byref(value), 0, 0, 0)
    return value.value


libc_getenv = libc.getenv
libc_getenv.restype = ctypes.c_char_p


def report(path):
    found = {"process": process(), "interpreter": interpreter(), "attempts": attempts()}
    with open(path + ".new", "w") as file:
        json.dump(found, file)
    os.rename(path + ".new", path)


if __name__ == "__main__":
    report(sys.argv[1])
    while True:
        time.sleep(3600)
