package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"workspace-router/internal/admin"
)

func (a *app) newWorkerCommand() *cobra.Command {
	command := group(&cobra.Command{
		Use: "worker", Short: "See, start and stop the workers",
		Example: "  router worker list\n  router worker evict alpha",
	})
	connect := &connection{}
	connect.bind(command)
	command.AddCommand(
		a.newWorkerList(connect), a.newWorkerShow(connect), a.newWorkerExplain(connect), a.newWorkerLogs(connect),
		a.newWorkerStart(connect), a.newWorkerEvict(connect), a.newWorkerRestart(connect),
		a.newWorkerPin(connect, "pin", "Keep a worker from being evicted"), a.newWorkerPin(connect, "unpin", "Let a worker be evicted again"),
	)
	return command
}

func workerPath(w string, verb ...string) string {
	path := "/api/v1/workers/" + url.PathEscape(w)
	if len(verb) > 0 {
		path += "/" + verb[0]
	}
	return path
}

func (a *app) newWorkerList(connect *connection) *cobra.Command {
	out := &output{}
	command := &cobra.Command{
		Use: "list", Short: "List the live workers", Args: arguments(),
		Example: "  router worker list\n  router worker list -o json | jq -r '.[].workspace'",
		RunE: func(c *cobra.Command, _ []string) error {
			return a.get(c, connect, out, "/api/v1/workers", func(w io.Writer, content json.RawMessage) error {
				list, err := decode[[]admin.Worker](content)
				if err != nil {
					return err
				}
				if err := workerTable(w, list); err != nil {
					return err
				}
				return a.poolBelow(c, connect, w)
			})
		},
	}
	out.bind(command)
	return command
}

// poolBelow adds how full the pool is, where that may be seen.
func (a *app) poolBelow(c *cobra.Command, connect *connection, w io.Writer) error {
	server, err := connect.connect(a)
	if err != nil {
		return err
	}
	// Those who operate some workspaces only may not see it: the table is what was asked for.
	if content, err := server.call(c.Context(), http.MethodGet, "/api/v1/pool", nil); err == nil {
		if pool, err := decode[admin.Pool](content); err == nil {
			return poolLine(w, pool)
		}
	}
	return nil
}

func workerTable(w io.Writer, list []admin.Worker) error {
	rows := [][]string{{"WORKSPACE", "KIND", "STATE", "PID", "LAUNCH", "AGE", "READY IN", "LEASES", "IDLE", "BUSY", "PINNED", "MEMORY", "REQUESTS"}}
	for _, one := range list {
		started, ready := time.Time{}, "-"
		if one.StartedAt != nil {
			started = *one.StartedAt
		}
		if one.ReadyMS > 0 {
			ready = fmt.Sprintf("%.0f ms", one.ReadyMS)
		}
		memory := bytesText(one.PSSBytes)
		if one.Oversized {
			memory += " (oversized)"
		}
		rows = append(rows, []string{
			qualified(one.Tenant, one.Workspace), orDash(one.Kind), one.State, orDash(strconv.Itoa(one.PID)), orDash(one.Launch), age(started),
			ready, strconv.Itoa(one.Leases), (time.Duration(one.IdleSeconds * float64(time.Second))).Round(time.Second).String(),
			yes(one.Busy), yes(one.Pinned), memory, strconv.FormatUint(one.Requests, 10),
		})
	}
	return columns(w, rows)
}

func (a *app) newWorkerShow(connect *connection) *cobra.Command {
	out := &output{}
	command := &cobra.Command{
		Use: "show W", Short: "Show one workspace's worker", Args: arguments("W, the workspace,"), ValidArgsFunction: a.completeWorkspaces(connect),
		Example: "  router worker show alpha\n  router worker show acme.alpha -o json",
		RunE: func(c *cobra.Command, args []string) error {
			return a.get(c, connect, out, workerPath(args[0]), printWorker)
		},
	}
	out.bind(command)
	return command
}

func printWorker(w io.Writer, content json.RawMessage) error {
	one, err := decode[admin.Worker](content)
	if err != nil {
		return err
	}
	if err := workerTable(w, []admin.Worker{one}); err != nil {
		return err
	}
	if one.Isolation != "" {
		if _, err := fmt.Fprintf(w, "\n%s\n", one.Isolation); err != nil {
			return err
		}
	}
	if one.Resume != "" {
		if _, err := fmt.Fprintf(w, "\nleft unfinished by the worker before: %d interrupted, %d failed; resume: %s\n", one.Leftovers, one.FailedLeftovers, one.Resume); err != nil {
			return err
		}
	}
	if one.Failure == "" {
		return nil
	}
	_, err = fmt.Fprintf(w, "\nfailed %d times in a row, tried again in %.0f s: %s\n", one.Failures, one.RetryAfterSeconds, one.Failure)
	return err
}

func (a *app) newWorkerExplain(connect *connection) *cobra.Command {
	out := &output{}
	command := &cobra.Command{
		Use: "explain W", Short: "Say why a workspace's worker is where it is", Args: arguments("W, the workspace,"), ValidArgsFunction: a.completeWorkspaces(connect),
		Example: "  router worker explain alpha",
		RunE: func(c *cobra.Command, args []string) error {
			return a.get(c, connect, out, workerPath(args[0], "explain"), func(w io.Writer, content json.RawMessage) error {
				explanation, err := decode[admin.Explanation](content)
				if err != nil {
					return err
				}
				_, err = fmt.Fprintf(w, "%s is %s.\n%s\n", qualified(explanation.Tenant, explanation.Workspace), explanation.State,
					strings.Join(explanation.Sentences, "\n"))
				return err
			})
		},
	}
	out.bind(command)
	return command
}

func (a *app) newWorkerLogs(connect *connection) *cobra.Command {
	var follow bool
	var tail int
	command := &cobra.Command{
		Use: "logs W", Short: "Write what a workspace's workers logged", Args: arguments("W, the workspace,"), ValidArgsFunction: a.completeWorkspaces(connect),
		Long: "Writes the last of what a workspace's workers logged. On a terminal, control characters are replaced, so that none of\n" +
			"it takes effect there; a file or pipe gets every byte as it is.",
		Example: "  router worker logs alpha\n  router worker logs alpha -f --tail 10",
		RunE: func(c *cobra.Command, args []string) error {
			server, err := connect.connect(a)
			if err != nil {
				return err
			}
			query := url.Values{"tail": {strconv.Itoa(tail)}, "follow": {strconv.FormatBool(follow)}}
			response, err := server.send(c.Context(), http.MethodGet, workerPath(args[0], "logs")+"?"+query.Encode(), nil)
			if err != nil {
				return err
			}
			defer response.Body.Close()
			if !isTerminal(a.out) {
				return copyStream(c.Context(), a.out, response.Body)
			}
			plain := &plainWriter{w: a.out}
			return errors.Join(copyStream(c.Context(), plain, response.Body), plain.end())
		},
	}
	command.Flags().BoolVarP(&follow, "follow", "f", false, "go on with what is added, until interrupted")
	command.Flags().IntVar(&tail, "tail", 200, "how many of the last `LINES` to begin with")
	return command
}

func (a *app) newWorkerStart(connect *connection) *cobra.Command {
	out, reset := &output{}, false
	command := &cobra.Command{
		Use: "start W", Short: "Start a workspace's worker and wait until it is ready", Args: arguments("W, the workspace,"), ValidArgsFunction: a.completeWorkspaces(connect),
		Example: "  router worker start alpha\n  router worker start alpha --reset   # after its failures were put right",
		RunE: func(c *cobra.Command, args []string) error {
			return a.post(c, connect, out, workerPath(args[0], "start"), map[string]bool{"reset": reset}, printWorker)
		},
	}
	command.Flags().BoolVar(&reset, "reset", false, "forget earlier failures first")
	out.bind(command)
	return command
}

func (a *app) newWorkerEvict(connect *connection) *cobra.Command {
	out, force := &output{}, false
	command := &cobra.Command{
		Use: "evict W", Short: "Stop a workspace's worker and return when it is gone", Args: arguments("W, the workspace,"), ValidArgsFunction: a.completeWorkspaces(connect),
		Long: "Stops a workspace's worker and returns when it is proven gone. A worker with open requests, or busy by its own word, is\n" +
			"refused (exit code 4) unless --force is given. The next request starts another.",
		Example: "  router worker evict alpha\n  router worker evict alpha --force",
		RunE: func(c *cobra.Command, args []string) error {
			return a.post(c, connect, out, workerPath(args[0], "evict"), map[string]bool{"force": force}, printWorker)
		},
	}
	command.Flags().BoolVar(&force, "force", false, "also with open requests, which are cut, or busy")
	out.bind(command)
	return command
}

func (a *app) newWorkerPin(connect *connection, verb, short string) *cobra.Command {
	out := &output{}
	command := &cobra.Command{
		Use: verb + " W", Short: short, Args: arguments("W, the workspace,"), ValidArgsFunction: a.completeWorkspaces(connect),
		Example: "  router worker " + verb + " alpha",
		RunE: func(c *cobra.Command, args []string) error {
			return a.post(c, connect, out, workerPath(args[0], verb), nil, printWorker)
		},
	}
	out.bind(command)
	return command
}
