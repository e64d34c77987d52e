package keeper

import (
	"fmt"
	"path/filepath"
)

// maxSocketPath is the longest path that a Unix socket's address holds: 108 bytes with the closing zero.
const maxSocketPath = 107

const recordsName = "launches"

// Data is a data directory's absolute path; its methods give the names within.
type Data string

// KeeperLock is held by the keeper for life; its pid is inside.
func (d Data) KeeperLock() string { return filepath.Join(string(d), "locks", "keeper") }

// GenerationLock is held by the keeper while anything lives that a launch of the generation started.
func (d Data) GenerationLock(generation string) string {
	return filepath.Join(string(d), "locks", generation)
}

// KeeperLog is where the keeper writes what its operator should know. Its name has an end that no Log has, so that it
// is not the log of a workspace "keeper" as well, whose operator would read in it of everybody.
func (d Data) KeeperLog() string { return filepath.Join(string(d), "logs", "keeper.own") }

// PreloadLog is the log of a kind's preloaders, likewise.
func (d Data) PreloadLog(kind string) string {
	return filepath.Join(string(d), "logs", "preload-"+kind+".own")
}

// Log is a workspace's log; name is its written form.
func (d Data) Log(name string) string { return filepath.Join(string(d), "logs", name+".log") }

// Run holds the run directories and the records of live launches. All of it may be lost.
func (d Data) Run() string { return filepath.Join(string(d), "run") }

// RunDir is a launch's own directory.
func (d Data) RunDir(launch string) string { return filepath.Join(d.Run(), launch) }

// Socket is where a launch listens.
func (d Data) Socket(launch string) string { return filepath.Join(d.RunDir(launch), "s") }

// KeeperSocket is where a router finds a keeper that another router started. Its name is none that a launch can have.
func (d Data) KeeperSocket() string { return filepath.Join(d.Run(), "keeper.sock") }

// KeeperToken is what a router must know that attaches: the keeper's own secret, which it makes anew whenever one starts.
func (d Data) KeeperToken() string { return filepath.Join(string(d), "keeper.token") }

// Records holds one record per live launch.
func (d Data) Records() string { return filepath.Join(d.Run(), recordsName) }

// Record is the record of one live launch.
func (d Data) Record(launch string) string { return filepath.Join(d.Records(), launch+".json") }

// Check reports whether launches can have sockets below the data directory.
func (d Data) Check() error {
	if !filepath.IsAbs(string(d)) {
		return fmt.Errorf("cannot use the data directory %q: the path is not absolute", string(d))
	}
	if length := max(len(d.Socket("00000000")), len(d.KeeperSocket())); length > maxSocketPath {
		return fmt.Errorf("cannot use the data directory %q: the path is too long: its sockets would have %d bytes, the system's limit is %d; shorten it by %d",
			string(d), length, maxSocketPath, length-maxSocketPath)
	}
	return nil
}
