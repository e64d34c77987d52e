"""A client for the project API of Chroma behind the workspace router. It needs nothing beyond Python's own library.

    client = MultiTenantChromaClient(host="localhost", port=7100)
    client.create_collection(name="notes", metadata={"of": "me"}, project_name="my_project")
    notes = ProjectCollection(client, "my_project", "notes")
    notes.add(documents=["One"], embeddings=[[0.1, 0.2]], ids=["doc1"])
    notes.query(query_embeddings=[[0.1, 0.2]], n_results=1)

The first use of a project makes it, where the key may. Embeddings are made by the caller: the server makes none.
"""

from __future__ import annotations

import json
import urllib.error
import urllib.parse
import urllib.request
from typing import Any, Mapping, Optional, Sequence, Union

Embedding = Sequence[float]
Metadata = Mapping[str, Union[str, int, float, bool]]
Filter = Mapping[str, Any]


class ChromaProjectError(Exception):
    """What the server refused. `status` is HTTP's, `detail` what it said, `retry_after` the seconds after which another try
    may do better, if the server named some."""

    def __init__(self, status: int, detail: Any, retry_after: Optional[float] = None) -> None:
        super().__init__(f"{status}: {detail}")
        self.status, self.detail, self.retry_after = status, detail, retry_after


class MultiTenantChromaClient:
    """Talks to the project API at one host and port. It keeps no state between calls, so threads may share it."""

    def __init__(
        self, host: str = "localhost", port: int = 7100, api_key: Optional[str] = None, timeout: float = 60.0, ssl: bool = False
    ) -> None:
        self._base = f"{'https' if ssl else 'http'}://{host}:{port}"
        self._headers = {"Accept": "application/json", "Content-Type": "application/json"}
        if api_key:
            self._headers["X-API-Key"] = api_key
        self._timeout = timeout

    # The server.

    def heartbeat(self) -> dict[str, Any]:
        return self._ask("GET", "/api/v1/heartbeat")

    def version(self) -> str:
        return self._ask("GET", "/api/v1/version")["version"]

    def list_projects(self) -> list[str]:
        return self._ask("GET", "/api/v1/projects")["projects"]

    # The collections of a project.

    def list_collections(self, project_name: str) -> list[dict[str, Any]]:
        return self._ask("GET", _path(project_name))

    def create_collection(
        self, name: str, metadata: Optional[Metadata] = None, project_name: str = "default", get_or_create: bool = False
    ) -> dict[str, Any]:
        return self._ask("POST", _path(project_name), _given(name=name, metadata=metadata, get_or_create=get_or_create or None))

    def get_collection(self, collection_name: str, project_name: str = "default") -> dict[str, Any]:
        return self._ask("GET", _path(project_name, collection_name))

    def delete_collection(self, collection_name: str, project_name: str = "default") -> None:
        self._ask("DELETE", _path(project_name, collection_name))

    # The documents of a collection.

    def add(
        self,
        collection_name: str,
        documents: Optional[Sequence[str]] = None,
        embeddings: Optional[Sequence[Embedding]] = None,
        ids: Optional[Sequence[str]] = None,
        metadatas: Optional[Sequence[Optional[Metadata]]] = None,
        project_name: str = "default",
    ) -> None:
        self._write("add", collection_name, documents, embeddings, ids, metadatas, project_name)

    def upsert(
        self,
        collection_name: str,
        documents: Optional[Sequence[str]] = None,
        embeddings: Optional[Sequence[Embedding]] = None,
        ids: Optional[Sequence[str]] = None,
        metadatas: Optional[Sequence[Optional[Metadata]]] = None,
        project_name: str = "default",
    ) -> None:
        self._write("upsert", collection_name, documents, embeddings, ids, metadatas, project_name)

    def update(
        self,
        collection_name: str,
        documents: Optional[Sequence[str]] = None,
        embeddings: Optional[Sequence[Embedding]] = None,
        ids: Optional[Sequence[str]] = None,
        metadatas: Optional[Sequence[Optional[Metadata]]] = None,
        project_name: str = "default",
    ) -> None:
        self._write("update", collection_name, documents, embeddings, ids, metadatas, project_name)

    def query(
        self,
        collection_name: str,
        query_embeddings: Sequence[Embedding],
        n_results: int = 10,
        where: Optional[Filter] = None,
        where_document: Optional[Filter] = None,
        include: Optional[Sequence[str]] = None,
        project_name: str = "default",
    ) -> dict[str, Any]:
        """The documents nearest to each of the embeddings. Several keys of `where` have to hold together."""
        body = _given(query_embeddings=query_embeddings, n_results=n_results, where=where, where_document=where_document, include=include)
        return self._ask("POST", _path(project_name, collection_name, "query"), body)

    def get(
        self,
        collection_name: str,
        ids: Optional[Sequence[str]] = None,
        where: Optional[Filter] = None,
        where_document: Optional[Filter] = None,
        limit: Optional[int] = None,
        offset: Optional[int] = None,
        include: Optional[Sequence[str]] = None,
        project_name: str = "default",
    ) -> dict[str, Any]:
        body = _given(ids=ids, where=where, where_document=where_document, limit=limit, offset=offset, include=include)
        return self._ask("POST", _path(project_name, collection_name, "get"), body)

    def count(self, collection_name: str, project_name: str = "default") -> int:
        return self._ask("GET", _path(project_name, collection_name, "count"))

    def delete(
        self,
        collection_name: str,
        ids: Optional[Sequence[str]] = None,
        where: Optional[Filter] = None,
        where_document: Optional[Filter] = None,
        project_name: str = "default",
    ) -> None:
        """Deletes the documents that are named, or that a filter finds; one of the three must be given."""
        body = _given(ids=ids, where=where, where_document=where_document)
        if not body:
            raise ValueError("delete needs ids, where or where_document; delete_collection deletes everything")
        self._ask("POST", _path(project_name, collection_name, "delete"), body)

    def _write(
        self,
        operation: str,
        collection_name: str,
        documents: Optional[Sequence[str]],
        embeddings: Optional[Sequence[Embedding]],
        ids: Optional[Sequence[str]],
        metadatas: Optional[Sequence[Optional[Metadata]]],
        project_name: str,
    ) -> None:
        body = _given(documents=documents, embeddings=embeddings, ids=ids, metadatas=metadatas)
        self._ask("POST", _path(project_name, collection_name, operation), body)

    def _ask(self, method: str, path: str, body: Optional[Mapping[str, Any]] = None) -> Any:
        content = None if body is None else json.dumps(body, default=_plain).encode()
        request = urllib.request.Request(self._base + path, data=content, headers=self._headers, method=method)
        try:
            with urllib.request.urlopen(request, timeout=self._timeout) as response:
                text = response.read()
        except urllib.error.HTTPError as failed:
            with failed:
                raise _refused(failed) from None
        return json.loads(text) if text else None


class ProjectCollection:
    """One collection of one project: a client whose calls leave out the names of both."""

    def __init__(self, client: MultiTenantChromaClient, project_name: str, collection_name: str) -> None:
        self._client, self.project_name, self.collection_name = client, project_name, collection_name

    def add(
        self,
        documents: Optional[Sequence[str]] = None,
        embeddings: Optional[Sequence[Embedding]] = None,
        ids: Optional[Sequence[str]] = None,
        metadatas: Optional[Sequence[Optional[Metadata]]] = None,
    ) -> None:
        self._client.add(self.collection_name, documents, embeddings, ids, metadatas, self.project_name)

    def query(
        self,
        query_embeddings: Sequence[Embedding],
        n_results: int = 10,
        where: Optional[Filter] = None,
        where_document: Optional[Filter] = None,
        include: Optional[Sequence[str]] = None,
    ) -> dict[str, Any]:
        return self._client.query(self.collection_name, query_embeddings, n_results, where, where_document, include, self.project_name)

    def get(
        self,
        ids: Optional[Sequence[str]] = None,
        where: Optional[Filter] = None,
        where_document: Optional[Filter] = None,
        limit: Optional[int] = None,
        offset: Optional[int] = None,
        include: Optional[Sequence[str]] = None,
    ) -> dict[str, Any]:
        return self._client.get(self.collection_name, ids, where, where_document, limit, offset, include, self.project_name)

    def count(self) -> int:
        return self._client.count(self.collection_name, self.project_name)

    def delete(
        self, ids: Optional[Sequence[str]] = None, where: Optional[Filter] = None, where_document: Optional[Filter] = None
    ) -> None:
        self._client.delete(self.collection_name, ids, where, where_document, self.project_name)


def _path(project: str, *below: str) -> str:
    return "/api/v1/" + "/".join(urllib.parse.quote(part, safe="") for part in (project, "collections", *below))


def _given(**fields: Any) -> dict[str, Any]:
    return {name: value for name, value in fields.items() if value is not None}


def _plain(value: Any) -> Any:
    """Arrays of NumPy, as models make them, are lists to the server."""
    if hasattr(value, "tolist"):
        return value.tolist()
    raise TypeError(f"cannot send a {type(value).__name__}")


def _refused(failed: urllib.error.HTTPError) -> ChromaProjectError:
    text = failed.read().decode(errors="replace")
    try:
        detail = json.loads(text)["detail"]
    except (ValueError, KeyError, TypeError):
        detail = text or failed.reason
    try:
        retry_after = float(failed.headers.get("Retry-After", ""))
    except ValueError:
        retry_after = None
    return ChromaProjectError(failed.code, detail, retry_after)
