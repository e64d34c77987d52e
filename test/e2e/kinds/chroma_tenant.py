"""Uses Chroma at PORT with Chroma's own client, which names the workspace by its tenant TENANT and says nothing else."""

import json
import os

import chromadb
from chromadb.config import Settings

client = chromadb.HttpClient(port=int(os.environ["PORT"]), tenant=os.environ["TENANT"], settings=Settings(anonymized_telemetry=False))
assert client.heartbeat() > 0
notes = client.get_or_create_collection("notes", embedding_function=None)
notes.add(ids=["a"], embeddings=[[1.0, 0.0]], documents=[os.environ["TENANT"] + " says"])
print(json.dumps({"documents": notes.get()["documents"], "count": client.count_collections()}))
