package configs

import (
	"os"
	"path/filepath"
	"testing"

	"workspace-router/internal/kind"
)

func TestMachine_MemoryIsTheLeastThatBinds(t *testing.T) {
	t.Parallel()
	const gib = 1 << 30
	meminfo := "MemTotal:       16777216 kB\nMemFree:         100 kB\n" // 16 GiB
	tests := map[string]struct {
		files map[string]string
		want  int64 // of which a share
	}{
		"nothing is known":    {want: unknownMemory},
		"the machine's":       {map[string]string{"proc/meminfo": meminfo, "proc/self/cgroup": "0::/\n"}, 16 * gib},
		"a group's, v2":       {map[string]string{"proc/meminfo": meminfo, "proc/self/cgroup": "0::/a/b\n", "sys/fs/cgroup/a/b/memory.max": "1073741824\n"}, gib},
		"of one above it":     {map[string]string{"proc/meminfo": meminfo, "proc/self/cgroup": "0::/a/b\n", "sys/fs/cgroup/a/b/memory.max": "max\n", "sys/fs/cgroup/a/memory.max": "2147483648\n"}, 2 * gib},
		"of a namespace":      {map[string]string{"proc/meminfo": meminfo, "proc/self/cgroup": "0::/\n", "sys/fs/cgroup/memory.max": "1073741824\n"}, gib},
		"a group's, v1":       {map[string]string{"proc/meminfo": meminfo, "proc/self/cgroup": "4:cpu:/x\n3:memory:/m\n", "sys/fs/cgroup/memory/m/memory.limit_in_bytes": "1073741824\n"}, gib},
		"a group's, no limit": {map[string]string{"proc/meminfo": meminfo, "proc/self/cgroup": "3:memory:/m\n", "sys/fs/cgroup/memory/m/memory.limit_in_bytes": "9223372036854771712\n"}, 16 * gib},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			m := machine{root: rootOf(t, test.files)}
			if got, want := m.memory(), kind.Size(test.want/100*share)>>20<<20; got != want {
				t.Errorf("got %s, want %s", got, want)
			}
		})
	}
}

func TestMachine_FilesAreTheLeastThatBinds(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		limit uint64
		files map[string]string
		want  int
	}{
		"the process's": {10_000, map[string]string{"proc/sys/fs/file-max": "9223372036854775807\n"}, 8000},
		"the machine's": {1 << 40, map[string]string{"proc/sys/fs/nr_open": "1048576\n", "proc/sys/fs/file-max": "50000\n"}, 40_000},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			m := machine{root: rootOf(t, test.files), descriptor: func() uint64 { return test.limit }}
			if got := m.files(); got != test.want {
				t.Errorf("got %d, want %d", got, test.want)
			}
		})
	}
}

func rootOf(t *testing.T, files map[string]string) string {
	t.Helper()
	root := t.TempDir()
	for path, content := range files {
		path = filepath.Join(root, path)
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return root
}
