"""Asks BASE by requests and httpx, with the headers that HEADERS holds as JSON, and uploads a file called FILE."""

import json
import os

import httpx
import requests

base, headers = os.environ["BASE"], json.loads(os.environ["HEADERS"])
question = {"query": os.environ["QUESTION"], "mode": "naive"}

session = requests.Session()
session.headers.update(headers)
upload = session.post(base + "/documents/upload", files={"file": (os.environ["FILE"], os.environ["FILE"].encode(), "text/plain")}, timeout=60)
query = session.post(base + "/query", json=question, timeout=60)

with httpx.Client(base_url=base, headers=headers, timeout=60) as client:
    with client.stream("POST", "/query/stream", json=question) as response:
        parts = [json.loads(line).get("response", "") for line in response.iter_lines() if line]

print(json.dumps({
    "upload": upload.json(), "query": query.json()["response"], "workspace": query.headers.get("LIGHTRAG-WORKSPACE"),
    "stream": "".join(parts),
}))
