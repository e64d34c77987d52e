package store

import "slices"

// Status is where a document is on its way into the index. The names are LightRAG's.
type Status string

// The statuses. Pending, parsing and processing are taken up again after a restart, whatever ended the process.
const (
	Pending    Status = "pending"    // acknowledged, not looked at
	Parsing    Status = "parsing"    // its text is being extracted and indexed; chunks may be there in part
	Processing Status = "processing" // all chunks are there and are searched by their words; vectors are there in part
	Processed  Status = "processed"  // everything is there
	Failed     Status = "failed"     // its error says why
)

// Statuses is every status, in the order of a document's life.
func Statuses() []Status { return []Status{Pending, Parsing, Processing, Processed, Failed} }

// Unfinished are the statuses that the pipeline takes up.
func Unfinished() []Status { return []Status{Pending, Parsing, Processing} }

// next is the state machine: what may follow each status.
var next = map[Status][]Status{
	Pending:    {Parsing, Failed},
	Parsing:    {Parsing, Processing, Failed},
	Processing: {Processed, Failed},
	Processed:  {Processing}, // another embedding model
	Failed:     {Pending},
}

// MayBecome says whether a document in status s can go to t.
func (s Status) MayBecome(t Status) bool { return slices.Contains(next[s], t) }
