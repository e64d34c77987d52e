"""Tests of the client against the project API at CHROMA_TEST_HOST and CHROMA_TEST_PORT, with the key CHROMA_TEST_KEY if it
is given: CHROMA_TEST_PORT=7100 python -m unittest discover examples/python"""

import os
import unittest
import uuid

from multi_tenant_client import ChromaProjectError, MultiTenantChromaClient, ProjectCollection

HOST, PORT, KEY = os.environ.get("CHROMA_TEST_HOST", "localhost"), int(os.environ.get("CHROMA_TEST_PORT", "7100")), os.environ.get("CHROMA_TEST_KEY")
EMBEDDINGS = [[0.1, 0.2, 0.3], [0.4, 0.5, 0.6]]


class TestClient(unittest.TestCase):
    def setUp(self) -> None:
        self.client = MultiTenantChromaClient(host=HOST, port=PORT, api_key=KEY)
        self.project = "project-" + uuid.uuid4().hex[:8]
        self.client.create_collection(name="my_collection", metadata={"description": "My documents"}, project_name=self.project)
        self.client.add(
            collection_name="my_collection",
            documents=["Document 1", "Document 2"],
            embeddings=EMBEDDINGS,
            ids=["doc1", "doc2"],
            metadatas=[{"category": "technology", "difficulty": "beginner"}, {"category": "technology", "difficulty": "expert"}],
            project_name=self.project,
        )

    def test_server(self) -> None:
        self.assertEqual(self.client.heartbeat()["status"], "ok")
        self.assertRegex(self.client.version(), r"^\d+\.\d+\.\d+")
        self.assertIn(self.project, self.client.list_projects())

    def test_collections(self) -> None:
        self.assertEqual(self.client.get_collection("my_collection", self.project)["metadata"], {"description": "My documents"})
        self.client.create_collection("other", project_name=self.project)
        self.assertEqual({c["name"] for c in self.client.list_collections(self.project)}, {"my_collection", "other"})
        with self.assertRaises(ChromaProjectError) as twice:
            self.client.create_collection("other", project_name=self.project)
        self.assertEqual(twice.exception.status, 409)
        self.client.create_collection("other", project_name=self.project, get_or_create=True)
        self.client.delete_collection("other", self.project)
        with self.assertRaises(ChromaProjectError) as gone:
            self.client.count("other", self.project)
        self.assertEqual(gone.exception.status, 404)
        self.assertIn("other", gone.exception.detail)

    def test_query(self) -> None:
        results = self.client.query(
            collection_name="my_collection", query_embeddings=[[0.1, 0.2, 0.3]], n_results=5, project_name=self.project
        )
        self.assertEqual(results["ids"], [["doc1", "doc2"]])
        results = self.client.query(
            collection_name="my_collection",
            query_embeddings=[[0.1, 0.2, 0.3]],
            where={"category": "technology", "difficulty": "expert"},
            n_results=5,
            project_name=self.project,
        )
        self.assertEqual(results["documents"], [["Document 2"]])

    def test_helper(self) -> None:
        collection = ProjectCollection(self.client, self.project, "my_collection")
        collection.add(documents=["New document"], embeddings=[[0.5, 0.6, 0.7]], ids=["doc3"])
        self.assertEqual(collection.count(), 3)
        self.assertEqual(collection.query(query_embeddings=[[0.5, 0.6, 0.7]], n_results=1)["ids"], [["doc3"]])
        self.assertEqual(collection.get(ids=["doc3"])["documents"], ["New document"])
        self.assertEqual(collection.get(where={"difficulty": "beginner"}, limit=1)["ids"], ["doc1"])
        collection.delete(ids=["doc3"])
        self.assertEqual(collection.count(), 2)
        with self.assertRaises(ValueError):
            collection.delete()

    def test_writes(self) -> None:
        self.client.upsert("my_collection", ["Second"], [[0.4, 0.5, 0.6]], ["doc2"], project_name=self.project)
        self.client.update("my_collection", documents=["First"], embeddings=[[0.1, 0.2, 0.3]], ids=["doc1"], project_name=self.project)
        self.assertEqual(sorted(self.client.get("my_collection", project_name=self.project)["documents"]), ["First", "Second"])

    def test_stale_name(self) -> None:
        """A collection that is deleted and made anew is another one, of the same name."""
        self.client.delete_collection("my_collection", self.project)
        self.client.create_collection("my_collection", project_name=self.project)
        self.assertEqual(self.client.count("my_collection", self.project), 0)

    def test_refused(self) -> None:
        with self.assertRaises(ChromaProjectError) as wrong:
            self.client.add("my_collection", documents=["no embedding"], ids=["x"], project_name=self.project)
        self.assertIn(wrong.exception.status, (400, 422))
        if KEY:
            with self.assertRaises(ChromaProjectError) as stranger:
                MultiTenantChromaClient(host=HOST, port=PORT, api_key="wrong").list_projects()
            self.assertEqual(stranger.exception.status, 401)


if __name__ == "__main__":
    unittest.main()
