#!/usr/bin/env bash
# The project API of Chroma by curl: a collection, two documents, a question. KEY is a key, where the router asks for one.
# usage: projects.sh [URL]
set -euo pipefail
url=${1:-http://localhost:7100}
ask() { curl --silent --show-error --fail-with-body ${KEY:+--header "X-API-Key: $KEY"} "$@"; echo; }

ask "$url/api/v1/heartbeat"

# Create collection
ask -X POST "$url/api/v1/my-project/collections" \
	-H "Content-Type: application/json" \
	-d '{"name": "test_collection", "metadata": {"type": "demo"}}'

# Add documents
ask -X POST "$url/api/v1/my-project/collections/test_collection/add" \
	-H "Content-Type: application/json" \
	-d '{
		"documents": ["Hello world", "ChromaDB is great"],
		"embeddings": [[0.1, 0.2, 0.3], [0.4, 0.5, 0.6]],
		"ids": ["doc1", "doc2"]
	}'

# Query documents
ask -X POST "$url/api/v1/my-project/collections/test_collection/query" \
	-H "Content-Type: application/json" \
	-d '{
		"query_embeddings": [[0.1, 0.2, 0.3]],
		"n_results": 2
	}'

ask "$url/api/v1/my-project/collections/test_collection/get?ids=doc2"
ask "$url/api/v1/projects"
