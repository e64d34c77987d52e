#!/usr/bin/env bash
# From nothing to two isolated answers. Run it, or paste its lines, in the folder of the repository, beside a router that
# was started by "ROUTER_POOL_MAX_WORKERS=2 make run". The README shows the same lines; CI runs them.
set -eu

KEY=$(cat data/admin.key) URL=${URL:-http://127.0.0.1:9621}
put() { curl -sS --fail-with-body -H "X-API-Key: $KEY" -F "file=@$2" "$URL/w/$1/documents/upload"; echo; }
ask() { curl -sS --fail-with-body -H "X-API-Key: $KEY" -H 'Content-Type: application/json' -d "{\"query\": \"$2\", \"chunk_top_k\": 1}" "$URL/w/$1/query" | sed 's/\\n/\n/g'; }
indexed() { for _ in {1..100}; do curl -sS -H "X-API-Key: $KEY" "$URL/w/$1/documents/status_counts" | grep -q '"processed":1' && return; sleep 0.2; done; false; }

# Two documents, each into a workspace of its own. The first request for a workspace makes it and starts its worker.
put alpha examples/documents/debian-history.pdf
put beta examples/documents/puzzles.html
indexed alpha && indexed beta

# Each answers from its own document, with the passage and where it stands ...
ask alpha "In which release did apt appear?"
ask beta "How do you win at Flood?"

# ... and finds nothing of the other's.
ask alpha "How do you win at Flood?"
ask beta "In which release did apt appear?"

# Two workers run. A third workspace pushes the one out that was used longest ago, once that has been there for a second.
bin/router worker list
sleep 1
put gamma README.md
indexed gamma
bin/router worker list
bin/router worker explain alpha

# Asked again, it comes back with its data.
ask alpha "In which release did apt appear?"
