package main

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"workspace-router/internal/keeper"
	"workspace-router/internal/keeper/proc"
)

// record is what a keeper writes of a live launch for the keeper that comes after it.
type record struct {
	Version    int       `json:"version"`
	Launch     string    `json:"launch"`
	Generation string    `json:"generation"`
	Workspace  string    `json:"workspace"`
	Nonce      string    `json:"nonce"`
	Boot       string    `json:"boot"`
	PID        int       `json:"pid,omitempty"` // 0 until the fork is done
	Start      uint64    `json:"start,omitempty"`
	At         time.Time `json:"at"`
	Group      string    `json:"group,omitempty"` // the path of its control group
}

func (r record) id() proc.ID { return proc.ID{PID: r.PID, Start: r.Start} }

// recordOf gives the record of a launch as it is now.
func (h *holder) recordOf(l *launch) record {
	s := l.start
	return record{
		Version: keeper.Version, Launch: s.Launch, Generation: s.Generation, Workspace: s.Workspace, Nonce: s.Nonce,
		Boot: h.boot, PID: l.root.PID, Start: l.root.Start, At: h.now().UTC(), Group: l.group.Path,
	}
}

// record writes down which process is the launch's root.
func (h *holder) record(l *launch) {
	if err := h.recordOf(l).write(h.data, h.storage); err != nil {
		h.log.Printf("launch %s: %v; its processes are known by their marks alone", l.start.Launch, err)
	}
}

// write puts the record in place.
func (r record) write(data keeper.Data, to storage) error {
	text, err := json.Marshal(r)
	if err != nil {
		return fmt.Errorf("cannot encode the launch record: %w", err)
	}
	if err := to.place(data.Record(r.Launch), append(text, '\n')); err != nil {
		return fmt.Errorf("cannot write the launch record: %w", err)
	}
	return nil
}

// readRecords gives the records that can be read, by launch. One that cannot is passed over: the marks of its
// processes are found without it.
func readRecords(data keeper.Data) (map[string]record, error) {
	entries, err := os.ReadDir(data.Records())
	if err != nil {
		return nil, fmt.Errorf("cannot read the launch records: %w", err)
	}
	records := map[string]record{}
	for _, entry := range entries {
		launch, isRecord := strings.CutSuffix(entry.Name(), ".json")
		if !isRecord || !keeper.ValidLaunch(launch) {
			continue
		}
		text, err := os.ReadFile(filepath.Join(data.Records(), entry.Name()))
		if err != nil {
			continue
		}
		var r record
		if json.Unmarshal(text, &r) == nil && r.Version == keeper.Version && r.Launch == launch {
			records[launch] = r
		}
	}
	return records, nil
}
