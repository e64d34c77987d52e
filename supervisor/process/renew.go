package process

import (
	"context"
	"fmt"
	"os/exec"
	"strconv"
	"strings"
	"time"

	"go.uber.org/zap"

	"workspace-router/internal/keeper"
)

// checkPatience bounds how long a program may take to say whether it could go on for the keeper that runs.
const checkPatience = 10 * time.Second

// renew has a keeper that another router has started go on with this router's program of it, where that is another file
// than the one that it runs. Workers are not touched by it. A program that could not go on is not executed: the keeper
// that runs does as well.
func (d *Driver) renew(ctx context.Context, l *link, h keeper.Hello) {
	program, err := keeper.IdentifyProgram(d.config.KeeperPath)
	if err == nil && program == h.Program {
		return
	}
	if err == nil {
		err = mayResume(ctx, d.config.KeeperPath, h)
	}
	if err == nil {
		err = l.send(keeper.Message{Renew: &keeper.Renew{Path: d.config.KeeperPath, Program: program}})
	}
	if err != nil && ctx.Err() == nil {
		d.notRenewed(err.Error())
	}
}

// mayResume asks a program whether it could go on for a keeper that runs.
func mayResume(ctx context.Context, path string, h keeper.Hello) error {
	if h.Program == "" || h.State == 0 {
		return fmt.Errorf("the keeper, process %d, is of a version that cannot hand on what it holds", h.PID)
	}
	ctx, cancel := context.WithTimeout(ctx, checkPatience)
	defer cancel()
	command := exec.CommandContext(ctx, path, "check-resume", strconv.Itoa(h.State))
	command.Dir = "/"
	command.Env = []string{"PATH=" + defaultPath, "LANG=C.UTF-8"}
	command.WaitDelay = time.Second
	output, err := command.Output()
	if err == nil && string(output) == keeper.CanResume {
		return nil
	}
	return fmt.Errorf("%q does not go on for the keeper that runs: %q, %w", path, strings.TrimSpace(string(output)), err)
}

// onRenewed notes which program the keeper goes on with.
func (d *Driver) onRenewed(r keeper.Renewed) {
	if r.Failure != "" {
		d.notRenewed(r.Failure)
		return
	}
	d.log.Info("the keeper goes on with another program", zap.Int("pid", r.PID), zap.Int("launches", r.Launches))
}

func (d *Driver) notRenewed(reason string) {
	d.log.Warn("the keeper goes on with its old program", zap.String("reason", reason), zap.String("program", d.config.KeeperPath))
}
