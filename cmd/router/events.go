package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"workspace-router/internal/admin"
)

func (a *app) newEventsCommand() *cobra.Command {
	connect, out := &connection{}, &output{}
	var follow bool
	var since uint64
	command := &cobra.Command{
		Use: "events", Short: "Write what the pool did: starts, evictions, refusals, stops", Args: arguments(),
		Long: "Writes the events that the router keeps, the oldest first. With --follow it goes on until interrupted; with\n" +
			"-o json each event is then one line.",
		Example: "  router events\n  router events -f\n  router events -o json | jq 'map(select(.type == \"refused\"))'",
		RunE: func(c *cobra.Command, _ []string) error {
			path := "/api/v1/events?since=" + strconv.FormatUint(since, 10)
			if !follow {
				return a.get(c, connect, out, path, printEvents)
			}
			if err := out.check(); err != nil {
				return err
			}
			server, err := connect.connect(a)
			if err != nil {
				return err
			}
			response, err := server.send(c.Context(), http.MethodGet, path+"&follow=true", nil)
			if err != nil {
				return err
			}
			defer response.Body.Close()
			return a.followEvents(c.Context(), response.Body, out)
		},
	}
	connect.bind(command)
	out.bind(command)
	command.Flags().BoolVarP(&follow, "follow", "f", false, "go on with what happens, until interrupted")
	command.Flags().Uint64Var(&since, "since", 0, "only events after the one with this `ID`")
	return command
}

// eventFormat is a line of the table of events, which is written as they come: its columns cannot follow the content.
const eventFormat = "%-18s  %-12s  %-24s  %-8s  %s\n"

func printEvents(w io.Writer, content json.RawMessage) error {
	list, err := decode[[]admin.Event](content)
	if err != nil {
		return err
	}
	fmt.Fprintf(w, eventFormat, "TIME", "EVENT", "WORKSPACE", "LAUNCH", "WHY")
	for _, event := range list {
		printEvent(w, event)
	}
	return nil
}

func printEvent(w io.Writer, event admin.Event) {
	var why []string
	for _, part := range []string{event.Reason, prefixed("for ", event.For), event.Detail} {
		if part != "" {
			why = append(why, part)
		}
	}
	if ready, found := event.PhasesMS["proven"]; found {
		why = append(why, fmt.Sprintf("%.0f ms", ready))
	}
	if event.IdleMS > 0 {
		why = append(why, fmt.Sprintf("idle %.1f s", event.IdleMS/1000))
	}
	if event.Count > 1 {
		why = append(why, fmt.Sprintf("%d times", event.Count))
	}
	fmt.Fprintf(w, eventFormat, event.Time.Local().Format("01-02 15:04:05.000"), event.Type, orDash(qualified(event.Tenant, event.Workspace)),
		orDash(event.Launch), strings.Join(why, ", "))
}

func prefixed(prefix, text string) string {
	if text == "" {
		return ""
	}
	return prefix + text
}

// followEvents writes the events of a stream as they come, until it ends or the user ends it.
func (a *app) followEvents(ctx context.Context, stream io.Reader, out *output) error {
	lines := bufio.NewScanner(stream)
	lines.Buffer(nil, 1<<20)
	if out.form == formTable {
		fmt.Fprintf(a.out, eventFormat, "TIME", "EVENT", "WORKSPACE", "LAUNCH", "WHY")
	}
	for lines.Scan() {
		data, found := strings.CutPrefix(lines.Text(), "data: ")
		if !found {
			continue
		}
		if err := a.writeEvent(data, out); err != nil {
			return err
		}
	}
	switch err := lines.Err(); {
	case errors.Is(ctx.Err(), context.Canceled):
		return nil
	case err != nil && !errors.Is(err, io.ErrUnexpectedEOF):
		return fmt.Errorf("cannot read the router's events: %w", err)
	}
	return errors.New("the router ended the events: it is shutting down")
}

// writeEvent writes one event of a stream; as JSON it is one line.
func (a *app) writeEvent(data string, out *output) error {
	switch out.form {
	case formJSON:
		_, err := fmt.Fprintln(a.out, data)
		return err
	case formYAML:
		fmt.Fprintln(a.out, "---")
	}
	return out.print(a.out, json.RawMessage(data), func(w io.Writer) error {
		event, err := decode[admin.Event](json.RawMessage(data))
		if err == nil {
			printEvent(w, event)
		}
		return err
	})
}
