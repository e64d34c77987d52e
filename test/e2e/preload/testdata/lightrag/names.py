"""Prints each environment variable that LightRAG's own code names, with a value that is not its default, as JSON."""

import ast
import json
import pathlib
import sys

import lightrag
from lightrag.llm import binding_options

READERS = {"get_env_value", "getenv", "get"}
# Of these only some values are taken, and others end the program.
CHOSEN = {
    "LLM_BINDING": "openai", "EMBEDDING_BINDING": "openai", "RERANK_BINDING": "cohere", "LOG_LEVEL": "DEBUG",
    "JWT_ALGORITHM": "HS384", "AUTH_ACCOUNTS": "one:two", "LIGHTRAG_DEFAULT_UI": "workspace", "KG_CHUNK_PICK_METHOD": "WEIGHT",
}
# The launch's own, and what decides where code and data are found.
LEFT_OUT = {"PATH", "HOME", "WORKING_DIR", "INPUT_DIR", "LOG_DIR", "PROMPT_DIR", "TIKTOKEN_CACHE_DIR", "PYTHONPATH"}


def constant(node):
    return node.value if isinstance(node, ast.Constant) else None


def reads(tree):
    """Gives name, kind and default of each reading of a variable."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            function = node.func
            name = function.attr if isinstance(function, ast.Attribute) else getattr(function, "id", "")
            if name == "get" and ast.unparse(function) != "os.environ.get":
                continue
            if name in READERS and node.args and isinstance(constant(node.args[0]), str):
                kind = node.args[2].id if len(node.args) > 2 and isinstance(node.args[2], ast.Name) else ""
                yield constant(node.args[0]), kind, constant(node.args[1]) if len(node.args) > 1 else None
        elif isinstance(node, ast.Subscript) and ast.unparse(node.value) == "os.environ" and isinstance(constant(node.slice), str):
            yield constant(node.slice), "", None


def value(name, kind, default):
    if name in CHOSEN:
        return CHOSEN[name]
    text = str(default).lower()
    if kind == "bool" or isinstance(default, bool) or text in ("true", "false"):
        return "false" if text == "true" else "true"
    if kind == "list":
        return '["one", "two"]'
    number = kind in ("int", "float") or isinstance(default, (int, float)) or text.replace(".", "", 1).isdigit()
    if number:
        return "0.53" if kind == "float" or isinstance(default, float) or "." in text else "53"
    return "value-of-" + name.lower()


found = {}
for path in pathlib.Path(lightrag.__file__).parent.rglob("*.py"):
    for name, kind, default in reads(ast.parse(path.read_text())):
        if name.isupper() and name not in LEFT_OUT and (name not in found or kind):
            found[name] = value(name, kind, default)
for options in vars(binding_options).values():
    if isinstance(options, type) and issubclass(options, binding_options.BindingOptions) and options is not binding_options.BindingOptions:
        for option in options.args_env_name_type_value():
            kind = getattr(option["type"], "__name__", "")
            if kind in ("int", "float", "bool", "str"):
                found[option["env_name"]] = value(option["env_name"], kind, option["default"])
json.dump(found, sys.stdout, indent=1, sort_keys=True)
