import multiprocessing
import os
import random
import time

if os.environ.get("LIBRARY_STARTS_THREAD"):
    import threading
    threading.Thread(target=time.sleep, args=[3600], daemon=True).start()

MODE = os.environ.get("LIBRARY_MODE", "")
IMPORTED_BY = os.getpid()
BALLAST = [str(n) for n in range(200000)]
until = time.process_time() + 0.2
while time.process_time() < until:
    pass


def key():
    return bytes(multiprocessing.current_process().authkey)


def number():
    return random.random()
