package process

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"os/exec"
	"slices"

	"workspace-router/internal/keeper/cgroup"
	"workspace-router/internal/keeper/sandbox"
)

// Offer says what this machine gives to this process's workers to keep them apart, and what it does not, and why. The
// keeper's program finds out; the path is absolute, and groups as in Config. It needs no keeper that runs, and changes nothing.
func Offer(ctx context.Context, keeperPath, groups string) (sandbox.Result, error) {
	command := exec.CommandContext(ctx, keeperPath, "offer", "--cgroup", cmp.Or(groups, cgroup.Off))
	command.Dir = "/"
	command.Env = []string{"PATH=" + defaultPath, "LANG=C.UTF-8"}
	text, err := command.Output()
	if err != nil {
		return sandbox.Result{}, fmt.Errorf("cannot tell what keeps workers apart: %w", err)
	}
	var r sandbox.Result
	if err := json.Unmarshal(text, &r); err != nil {
		return sandbox.Result{}, fmt.Errorf("cannot tell what keeps workers apart: %w", err)
	}
	if i := slices.Index(r.Means, sandbox.MeansNetwork); i >= 0 {
		if err := mayEnter(); err != nil {
			r.Means = slices.Delete(r.Means, i, i+1)
			r.Missing = append(r.Missing, notEntered(err))
		}
	}
	return r, nil
}

// Proof names the means by which launches are proven gone where the machine offers this much.
func Proof(offered sandbox.Result) string {
	proof := "sweep"
	if slices.Contains(offered.Means, sandbox.MeansProcesses) {
		proof = "pidns"
	}
	if slices.Contains(offered.Means, cgroup.MeansGroup) {
		proof += "+cgroup"
	}
	return proof
}
