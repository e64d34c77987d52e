package main

import (
	"fmt"
	"os"
	"strconv"
	"strings"
)

// readStatus gives the lines of a process's /proc/PID/status by their names: of several values the first, and of numbers
// in hexadecimal those without zeros before them, or "0".
func readStatus(pid int) (map[string]string, error) {
	text, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/status")
	if err != nil {
		return nil, fmt.Errorf("cannot look at the process: %w", err)
	}
	status := map[string]string{}
	for line := range strings.Lines(string(text)) {
		name, rest, found := strings.Cut(line, ":")
		fields := strings.Fields(rest)
		if !found || len(fields) == 0 {
			continue
		}
		value := fields[0]
		if strings.HasPrefix(name, "Cap") {
			if value = strings.TrimLeft(value, "0"); value == "" {
				value = "0"
			}
		}
		status[name] = value
	}
	return status, nil
}
