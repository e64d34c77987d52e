"""Writes to and asks workspaces of Chroma at BASE at the same time, ROUNDS times each by each of its clients, with Chroma's
own client. All workspaces have the same collection, ids and vectors, and contradict each other in what they say. Prints
what was answered wrong, and how many answers were looked at."""

import json
import os
import threading

import chromadb
from chromadb.config import Settings

WRONG, LOOKED = [], [0]
LOCK = threading.Lock()


def check(workspace, what, texts):
    with LOCK:
        LOOKED[0] += 1
        if not texts or any(not text.startswith(workspace + " ") for text in texts):
            WRONG.append([workspace, what, texts])


def work(workspace, number):
    try:
        client = chromadb.HttpClient(
            host=os.environ["BASE"] + "/w/" + workspace,
            port=1,
            headers={"X-Chroma-Token": os.environ["KEY"]},
            settings=Settings(anonymized_telemetry=False),
        )
        collection = client.get_or_create_collection("facts", embedding_function=None)
        for turn in range(int(os.environ["ROUNDS"])):
            name, vector = f"{number}-{turn}", [float(number), float(turn), 1.0]
            collection.add(ids=[name], embeddings=[vector], documents=[f"{workspace} says {name}"])
            check(workspace, "get " + name, collection.get(ids=[name])["documents"])
            check(workspace, "query " + name, collection.query(query_embeddings=[vector], n_results=3)["documents"][0])
        if collection.count() < int(os.environ["ROUNDS"]):
            WRONG.append([workspace, "count", []])
    except Exception as failed:
        with LOCK:
            WRONG.append([workspace, repr(failed), []])


threads = [threading.Thread(target=work, args=(w, n)) for w in os.environ["WORKSPACES"].split() for n in range(int(os.environ["CLIENTS"]))]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
print(json.dumps({"wrong": WRONG, "looked": LOOKED[0]}))
