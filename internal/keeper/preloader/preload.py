"""The preloader: imports what a program uses, once, and becomes the program by fork at the keeper's order.

usage: preload.py SETUP BLANKS    with the keeper's end of a socket pair as descriptor 5

It never imports the program's own modules, which read their settings when they are imported. Each order is another
socket; what comes from it is in internal/keeper/preloader (preloader.go). The process that becomes the program is set up
by the same steps, in the same order, as the keeper's exec step would (cmd/keeper/step.go); one that cannot do a step says
so and ends, and the exec step goes on as if there were no preloader. It needs CPython 3.10 or later on Linux, and nothing
beyond the standard library.
"""

import base64
import ctypes
import gc
import importlib
import importlib.machinery
import json
import os
import resource
import select
import socket
import sys
import time
import types

VERSION = 1
CONTROL = 5          # the descriptor on which the keeper sends orders
PATIENCE = 10.0      # seconds that a process may wait for its order, or for its parent to end
GO_PATIENCE = 60.0   # seconds from there to the word that it may run
RLIMIT_LOCKS = 10    # the brand of a launch; see internal/keeper/mark.go
LAST_CAPABILITY = 63
HIGHEST_FILE = 1 << 16

PR_SET_PDEATHSIG = 1
PR_SET_DUMPABLE = 4
PR_SET_NAME = 15
PR_SET_SECCOMP = 22
PR_CAPBSET_DROP = 24
PR_SET_NO_NEW_PRIVS = 38
PR_CAP_AMBIENT = 47
PR_CAP_AMBIENT_CLEAR_ALL = 4
SECCOMP_MODE_FILTER = 2
CAPABILITY_VERSION = 0x20080522
EPERM, EINVAL = 1, 22

libc = ctypes.CDLL(None, use_errno=True)


class Refused(Exception):
    """Says why something cannot be done here as it would be done by executing the program."""


def checked(result, what):
    if result < 0:
        raise Refused("cannot %s: %s" % (what, os.strerror(ctypes.get_errno())))


def prctl(what, option, value=0):
    numbers = [ctypes.c_ulong(n) for n in (value, 0, 0, 0)]
    checked(libc.prctl(ctypes.c_int(option), *numbers), what)


# What is imported.


class Recorder(os._Environ):
    """Notes which variables are asked for. What was read by an import is frozen in every process that is forked."""

    names = set()

    def __getitem__(self, name):
        Recorder.names.add(str(name))
        return super().__getitem__(name)

    def __iter__(self):
        Recorder.names.add("*")
        return super().__iter__()

    def items(self):
        Recorder.names.add("*")
        return {self.decodekey(name): self.decodevalue(value) for name, value in self._data.items()}.items()


def belongs(name, own):
    return name.partition(".")[0] in own


def find_modules(setup):
    """Imports the program's modules in a process of their own, and gives the others that it came to have, in order."""
    read, write = os.pipe()
    pid = os.fork()
    if pid == 0:
        status = 1
        try:
            os.close(read)
            before = set(sys.modules)
            sys.argv = [setup["program"]]
            for name in setup["probe"]:
                importlib.import_module(name)
            found = [name for name in sys.modules if name not in before and not belongs(name, setup["own"])]
            with os.fdopen(write, "w") as pipe:
                json.dump(found, pipe)
            status = 0
        except BaseException as error:  # whatever it is, it is this process's end
            print("preload: cannot import the program's modules: %r" % (error,), file=sys.stderr, flush=True)
        os._exit(status)
    os.close(write)
    with os.fdopen(read) as pipe:
        text = pipe.read()
    _, status = os.waitpid(pid, 0)
    if status != 0 or not text:
        raise Refused("cannot find out which modules the program uses")
    return json.loads(text)


def import_all(names, own):
    """Imports what can be imported. Some names are of modules that are made, not found, when others are imported."""
    skipped = []
    for name in names:
        if name in sys.modules:
            continue
        try:
            importlib.import_module(name)
        except Exception:
            skipped.append(name)
    strangers = sorted(name for name in sys.modules if belongs(name, own))
    if strangers:
        raise Refused("an import has brought the program's own %s" % strangers[0])
    return skipped


def warm(calls):
    for call in calls:
        module, _, name = call["call"].rpartition(".")
        getattr(importlib.import_module(module), name)(*call.get("args", []))


def assert_forkable():
    """Only what a fork copies may be there: one thread, and no open file that processes would share."""
    threads = len(os.listdir("/proc/self/task"))
    if threads != 1:
        raise Refused("its modules have started %d threads, want none beside the first" % (threads - 1))
    for name in os.listdir("/proc/self/fd"):
        if int(name) > 2 and int(name) != CONTROL:
            try:
                leads = os.readlink("/proc/self/fd/" + name)
            except OSError:
                continue  # that of the listing itself
            raise Refused("its modules keep %s open, which all would share" % leads)
    with open("/proc/self/maps") as maps:
        for line in maps:
            fields = line.split(None, 5)
            if "w" in fields[1] and "s" in fields[1]:
                raise Refused("its modules share memory, %s, which all would write" % fields[-1].strip())


def prepare(setup):
    """Imports all that there is to import, and gives what is to be said of it."""
    began = time.process_time()
    os.environ.__class__ = Recorder
    gc.disable()
    names = find_modules(setup)
    Recorder.names.clear()
    skipped = import_all(names, setup["own"])
    reads = sorted(Recorder.names)
    warm(setup["warm"])
    os.environ.__class__ = os._Environ
    assert_forkable()
    gc.collect()
    gc.freeze()
    gc.enable()
    return {
        "version": VERSION, "modules": len(names) - len(skipped), "skipped": skipped[:20], "reads": reads,
        "cpu": time.process_time() - began,
    }


def report(path, answer):
    with open(path + ".new", "w") as file:
        json.dump(answer, file)
    os.rename(path + ".new", path)


# Where the kernel shows a process's arguments and environment. The marks of a launch are looked for there.


def shown():
    with open("/proc/self/stat", "rb") as file:
        fields = file.read().rpartition(b")")[2].split()
    return [int(n) for n in fields[45:49]]  # arg_start, arg_end, env_start, env_end


def show(start, end, texts):
    """Puts texts into the place, as far as there is room, each whole."""
    room, block = end - start, b""
    for text in texts:
        encoded = os.fsencode(text) + b"\0"
        if len(block) + len(encoded) > room:
            break
        block += encoded
    ctypes.memmove(start, block + bytes(room - len(block)), room)


# What a process becomes.


def receive(channel):
    channel.settimeout(PATIENCE)
    word, files, _, _ = socket.recv_fds(channel, 1, 16)
    if not word:
        os._exit(0)  # the launch was given up
    with os.fdopen(files[0], "rb") as file:
        order = json.load(file)
    if order["version"] != VERSION:
        raise Refused("the order is of version %s, want %d" % (order["version"], VERSION))
    return order, files[1:]


def enter(namespaces):
    for file in namespaces:
        checked(libc.setns(file, 0), "enter a namespace of the launch")
        os.close(file)


def await_parent(parent):
    """The parent-death signal must be the keeper's, or the launch's own first process's, not the preloader's."""
    until = time.monotonic() + PATIENCE
    while os.getppid() != parent:
        if time.monotonic() > until:
            raise Refused("its parent is process %d, want %d" % (os.getppid(), parent))
        time.sleep(0.0002)


def limit(order):
    try:
        resource.setrlimit(RLIMIT_LOCKS, (order["brand"], order["brand"]))
    except (ValueError, OSError):
        pass  # a lower limit is in force; the marks of the environment must do
    if order["files"]:
        resource.setrlimit(resource.RLIMIT_NOFILE, (order["files"], order["files"]))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def drop_bounding(kept):
    for number in range(LAST_CAPABILITY + 1):
        if kept >> number & 1:
            continue
        zeros = [ctypes.c_ulong(0)] * 3
        if libc.prctl(ctypes.c_int(PR_CAPBSET_DROP), ctypes.c_ulong(number), *zeros) < 0:
            if ctypes.get_errno() in (EINVAL, EPERM):  # there are no more; or it never had any
                return
            checked(-1, "drop capability %d" % number)


class CapabilityHeader(ctypes.Structure):
    _fields_ = [("version", ctypes.c_uint32), ("pid", ctypes.c_int)]


class CapabilitySet(ctypes.Structure):
    _fields_ = [("effective", ctypes.c_uint32), ("permitted", ctypes.c_uint32), ("inheritable", ctypes.c_uint32)]


def drop_capabilities(kept):
    numbers = [ctypes.c_ulong(n) for n in (PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0)]
    if libc.prctl(ctypes.c_int(PR_CAP_AMBIENT), *numbers) < 0 and ctypes.get_errno() != EINVAL:
        checked(-1, "clear the ambient capabilities")
    drop_bounding(kept)
    header, sets = CapabilityHeader(CAPABILITY_VERSION, 0), (CapabilitySet * 2)()
    checked(libc.capget(ctypes.byref(header), sets), "read the capabilities")
    for i, one in enumerate(sets):
        mask = kept >> 32 * i & 0xFFFFFFFF
        one.effective, one.permitted, one.inheritable = one.effective & mask, one.permitted & mask, 0
    checked(libc.capset(ctypes.byref(header), sets), "lower the capabilities")


class Filter(ctypes.Structure):
    _fields_ = [("length", ctypes.c_ushort), ("list", ctypes.c_char_p)]


def restrict(order, landlock):
    if landlock >= 0:
        checked(libc.syscall(ctypes.c_long(order["restrict_self"]), ctypes.c_int(landlock), ctypes.c_uint(0)),
                "enter the Landlock domain")
        os.close(landlock)
    if order["filter"]:
        program = base64.b64decode(order["filter"])
        calls = Filter(len(program) // 8, program)
        numbers = [ctypes.c_ulong(SECCOMP_MODE_FILTER), ctypes.byref(calls), ctypes.c_ulong(0), ctypes.c_ulong(0)]
        checked(libc.prctl(ctypes.c_int(PR_SET_SECCOMP), *numbers), "filter system calls")


def become_user(user, processes):
    if processes:
        resource.setrlimit(resource.RLIMIT_NPROC, (processes, processes))
    drop_bounding(0)
    os.setgroups([])
    os.setresgid(user, user, user)
    os.setresuid(user, user, user)


def set_up(order, standard, rules):
    """Does what the exec step does, in its order."""
    landlock = rules[0] if order["landlock"] else -1
    os.setsid()
    limit(order)
    for number, file in enumerate(standard):
        os.dup2(file, number)
        os.close(file)
    os.umask(0o077)
    os.chdir(order["dir"])
    prctl("forbid new privileges", PR_SET_NO_NEW_PRIVS, 1)
    restrict(order, landlock)
    if order["user"]:
        become_user(order["user"], order["processes"])
    drop_capabilities(order["kept"])
    prctl("be looked at by its own user", PR_SET_DUMPABLE, 1)
    if order["death"]:
        prctl("arm the parent-death signal", PR_SET_PDEATHSIG, order["death"])
    if os.getppid() != order["parent"]:
        raise Refused("the keeper has died")


def close_others(kept):
    os.closerange(3, kept)
    os.closerange(kept + 1, HIGHEST_FILE)


def forget(order, places):
    """Ends what this process has in common with its siblings, beyond what its environment class says."""
    argument_start, argument_end, environment_start, environment_end = places
    show(environment_start, environment_end, order["env"])
    show(argument_start, argument_end, order["original"])
    name = ctypes.create_string_buffer(os.fsencode(os.path.basename(order["args"][0]))[:15])
    libc.prctl(ctypes.c_int(PR_SET_NAME), name)
    os.environ.clear()
    for variable in order["env"]:
        name, _, value = variable.partition("=")
        os.environ[name] = value
    time.tzset()
    loaded = sys.modules
    if "random" in loaded:
        loaded["random"].seed()
    if "numpy.random" in loaded:
        loaded["numpy.random"].seed()
    if "tempfile" in loaded:
        loaded["tempfile"].tempdir = None
    if "multiprocessing.process" in loaded:  # it holds a key that its children know it by
        module = loaded["multiprocessing.process"]
        module._current_process = type(module._current_process)()


def fork_for(channel, places):
    """The life of the process that an order makes; gives the order in the one that becomes the program."""
    order, files = receive(channel)
    standard, rest = files[:3], files[3:]
    count = order["namespaces"]
    enter(rest[:count])
    if order["contained"]:  # only children are born into a PID namespace that was entered
        first = os.fork()
        if first != 0:
            os.waitpid(first, 0)
            os._exit(0)
    if os.fork() != 0:
        os._exit(0)
    await_parent(order["parent"])
    set_up(order, standard, rest[count:])
    close_others(channel.fileno())
    forget(order, places)
    channel.settimeout(GO_PATIENCE)
    channel.sendall(json.dumps({"pid": os.getpid()}).encode())
    if not channel.recv(1):
        os._exit(0)
    channel.close()
    return order


def follow(channel, places):
    try:
        return fork_for(channel, places)
    except BaseException as error:  # the exec step does it instead
        try:
            channel.sendall(json.dumps({"error": str(error) or repr(error)}).encode())
        finally:
            os._exit(1)


def reap():
    try:
        while os.waitpid(-1, os.WNOHANG)[0] != 0:
            pass
    except ChildProcessError:
        return False
    return True


def serve(places):
    """Takes orders until the keeper closes its end; gives the order in a process that is to become a program."""
    control = socket.socket(fileno=CONTROL)
    poll = select.poll()
    poll.register(control, select.POLLIN)
    waits = False
    while True:
        ready = poll.poll(200 if waits else None)
        waits = reap()
        if not ready:
            continue
        word, files, _, _ = socket.recv_fds(control, 1, 1)
        if not word:
            sys.exit(0)
        for file in files:
            sys.stdout.flush()
            sys.stderr.flush()
            if os.fork() == 0:
                control.close()
                return follow(socket.socket(fileno=file), places)
            os.close(file)
            waits = True


def main_of(order):
    """Makes the module that the program's script runs as, and gives its code."""
    script = order["args"][0]
    sys.argv = list(order["args"])
    sys.orig_argv = list(order["original"])
    if not sealed():
        sys.path[0] = os.path.dirname(os.path.realpath(script))
    with open(script, "rb") as file:
        code = compile(file.read(), script, "exec", dont_inherit=True)
    main = types.ModuleType("__main__")
    main.__file__ = script
    main.__loader__ = importlib.machinery.SourceFileLoader("__main__", script)
    main.__builtins__ = sys.modules["builtins"]
    sys.modules["__main__"] = main
    return code, main.__dict__


def sealed():
    """Reports whether the interpreter leaves the script's folder out of its path."""
    return sys.flags.isolated or getattr(sys.flags, "safe_path", False)


def begin():
    """Gives code and name space of the program, in each process that becomes it."""
    with open(sys.argv[1]) as file:
        setup = json.load(file)
    if not sealed():
        sys.path[0] = os.path.dirname(os.path.realpath(setup["program"]))
    places = shown()
    try:
        answer = prepare(setup)
    except Refused as error:
        report(setup["ready"], {"version": VERSION, "refused": str(error)})
        sys.exit(1)
    report(setup["ready"], answer)
    return main_of(serve(places))


if __name__ == "__main__":
    exec(*begin())
