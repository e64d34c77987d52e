"""Uses a Chroma server at BASE with Chroma's own client, with the headers HEADERS, as its users do, and prints what it
was told: the same of every server that nobody has used before. ASYNC=1 uses the asynchronous client."""

import asyncio
import inspect
import json
import os

import chromadb
from chromadb.config import Settings

VECTORS = [[1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]]
ARGUMENTS = {
    "host": os.environ["BASE"],
    "port": int(os.environ.get("PORT", "1")),
    "headers": json.loads(os.environ["HEADERS"]),
    "settings": Settings(anonymized_telemetry=False),
}


async def told(value):
    """Waits where the client is asynchronous."""
    return await value if inspect.isawaitable(value) else value


def plain(answer):
    """What of an answer can be compared, without the arrays that a client makes of vectors."""
    return {key: answer[key] for key in ("ids", "documents", "metadatas", "distances") if answer.get(key) is not None}


async def use(client):
    said = {}
    assert await told(client.heartbeat()) > 0
    said["version"] = await told(client.get_version())
    said["batch"] = await told(client.get_max_batch_size())
    notes = await told(client.create_collection("notes", metadata={"of": "me"}, embedding_function=None))
    await told(
        notes.add(
            ids=["a", "b", "c"],
            embeddings=VECTORS,
            documents=["says " + word for word in ("one", "two", "three")],
            metadatas=[{"n": 1, "odd": True}, {"n": 2, "odd": False}, {"n": 3, "odd": True}],
        )
    )
    said["count"] = await told(notes.count())
    said["get"] = plain(await told(notes.get(ids=["c", "a"])))
    said["where"] = plain(await told(notes.get(where={"$and": [{"odd": True}, {"n": {"$gt": 1}}]})))
    said["contains"] = plain(await told(notes.get(where_document={"$contains": "two"})))
    said["query"] = plain(await told(notes.query(query_embeddings=[[0.9, 0.1, 0.0]], n_results=2)))
    await told(notes.update(ids=["b"], embeddings=[[0.0, 0.9, 0.1]], documents=["says second"]))
    await told(notes.upsert(ids=["d"], embeddings=[[0.5, 0.5, 0.0]], documents=["says four"]))
    await told(notes.delete(ids=["a"]))
    said["left"] = plain(await told(notes.get()))
    await told(notes.modify(name="memos"))
    said["collections"] = [one.name for one in await told(client.list_collections())]
    said["again"] = plain(await told((await told(client.get_collection("memos", embedding_function=None))).peek(2)))
    try:
        await told(client.get_collection("notes", embedding_function=None))
    except Exception as failed:  # what kind of failure a user's code sees is the point
        said["missing"] = [type(failed).__name__, str(failed)]
    await told((await told(client.create_collection("spare", embedding_function=None))).add(ids=["x"], embeddings=[[1.0]]))
    await told(client.delete_collection("spare"))
    said["collections_count"] = await told(client.count_collections())
    return said


async def inside():
    """A tenant and a database of Chroma's own, inside of the workspace."""
    if os.environ.get("ASYNC"):
        return {}
    admin = chromadb.AdminClient(
        Settings(
            chroma_api_impl="chromadb.api.fastapi.FastAPI",
            chroma_server_host=ARGUMENTS["host"],
            chroma_server_http_port=ARGUMENTS["port"],
            chroma_server_headers=ARGUMENTS["headers"],
            anonymized_telemetry=False,
        )
    )
    admin.create_tenant("team")
    admin.create_database("books", "team")
    client = chromadb.HttpClient(tenant="team", database="books", **ARGUMENTS)
    client.create_collection("shelf", embedding_function=None).add(ids=["x"], embeddings=[[1.0]])
    said = {"inside": [one.name for one in client.list_collections()], "databases": [one["name"] for one in admin.list_databases(10, 0, "team")]}
    admin.delete_database("books", "team")
    return said


async def main():
    client = await chromadb.AsyncHttpClient(**ARGUMENTS) if os.environ.get("ASYNC") else chromadb.HttpClient(**ARGUMENTS)
    print(json.dumps({**await use(client), **await inside()}))


asyncio.run(main())
