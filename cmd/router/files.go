package main

import "os"

// openFiles counts this process's descriptors; 0 where the machine does not tell.
func openFiles() int {
	dir, err := os.Open("/proc/self/fd")
	if err != nil {
		return 0
	}
	defer dir.Close()
	names, _ := dir.Readdirnames(-1) // as far as it was read
	return max(0, len(names)-1)      // without the one that it is read by
}
