"""Says what LightRAG's own code has made of its settings, on a Unix socket."""

import dataclasses
import http.server
import importlib
import json
import os
import socketserver
import sys

MODULES = ["lightrag.api.config", "lightrag.api.auth", "lightrag.api.utils_api", "lightrag.api.lightrag_server", "lightrag.lightrag",
           "lightrag.base", "lightrag.operate", "lightrag.llm.openai", "lightrag.kg.json_kv_impl", "lightrag.kg.networkx_impl"]
SIMPLE = (str, int, float, bool, type(None), list, tuple, dict, set, frozenset)


def plain(value):
    """A form that says the same for the same values in two processes."""
    if isinstance(value, dict):
        return {str(name): plain(one) for name, one in value.items()}
    if isinstance(value, (set, frozenset)):
        return sorted(map(str, value))
    if isinstance(value, (list, tuple)):
        return [plain(one) for one in value]
    if isinstance(value, SIMPLE):
        return str(value)
    return type(value).__name__


def defaults(kind):
    found = {}
    for field in dataclasses.fields(kind):
        if field.default is not dataclasses.MISSING:
            found[field.name] = plain(field.default)
        elif field.default_factory is not dataclasses.MISSING:
            found[field.name] = plain(field.default_factory())
    return found


def report():
    for name in MODULES:
        importlib.import_module(name)
    from lightrag.api import config
    found = {"arguments": {}, "defaults": {}, "modules": {}, "environment": dict(os.environ)}
    for name in sorted(vars(config.parse_args())):
        found["arguments"][name] = plain(getattr(config.global_args, name))
    for name, module in sorted(sys.modules.items()):
        if name.partition(".")[0] != "lightrag":
            continue
        for attribute, value in vars(module).items():
            if isinstance(value, type) and dataclasses.is_dataclass(value):
                found["defaults"][value.__module__ + "." + attribute] = defaults(value)
            elif isinstance(value, SIMPLE) and not attribute.startswith("__"):
                found["modules"][name + "." + attribute] = plain(value)
    return found


class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        found = ANSWER if self.path == "/report" else {"instance": os.environ["WORKER_INSTANCE"], "workspace": os.environ["WORKER_NAME"]}
        body = json.dumps(found).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def address_string(self):
        return "router"


class Server(socketserver.ThreadingMixIn, socketserver.UnixStreamServer):
    daemon_threads = True


if __name__ == "__main__":
    ANSWER = report()
    with Server(os.environ["WORKER_SOCKET"], Handler) as server:
        server.serve_forever()
