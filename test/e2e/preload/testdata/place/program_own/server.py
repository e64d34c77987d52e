import http.server
import json
import os
import signal
import socketserver
import sys
import threading

import slow_library

from . import settings


class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        if self.headers.get("X-API-Key") != settings.SECRET:
            self.send_error(403)
            return
        if self.path == "/crash":
            os.kill(os.getpid(), signal.SIGSEGV)
        if self.path == "/exit":
            threading.Timer(0, os._exit, [7]).start()
        answer = json.dumps({
            "instance": os.environ["WORKER_INSTANCE"], "workspace": os.environ["WORKSPACE"], "setting": settings.SETTING,
            "imported_by": slow_library.IMPORTED_BY, "pid": os.getpid(), "busy": False, "argv": sys.argv,
            "key": slow_library.key().hex(), "random": slow_library.number(),
        }).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    def address_string(self):
        return "router"

    def log_message(self, form, *arguments):
        print(form % arguments, flush=True)


class Server(socketserver.ThreadingMixIn, socketserver.UnixStreamServer):
    daemon_threads = True


def main():
    if os.environ.get("PROGRAM_FAILS_FORKED") and slow_library.IMPORTED_BY != os.getpid():
        raise RuntimeError("this program cannot be forked")
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    print("program serves", flush=True)
    with Server(os.environ["WORKER_SOCKET"], Handler) as server:
        server.serve_forever()
