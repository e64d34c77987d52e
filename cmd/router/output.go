package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/goccy/go-yaml"
	"github.com/spf13/cobra"
)

// output is the form of what a command writes: table, json or yaml.
type output struct{ form string }

const (
	formTable = "table"
	formJSON  = "json"
	formYAML  = "yaml"
)

func (o *output) bind(command *cobra.Command) {
	command.Flags().StringVarP(&o.form, "output", "o", formTable, "`FORM` of the output: table, json or yaml")
	_ = command.RegisterFlagCompletionFunc("output", // fails only for a flag that does not exist
		cobra.FixedCompletions([]string{formTable, formJSON, formYAML}, cobra.ShellCompDirectiveNoFileComp))
}

func (o *output) check() error {
	switch o.form {
	case formTable, formJSON, formYAML:
		return nil
	}
	return usagef("--output: got %q, want table, json or yaml", o.form)
}

// print writes content, which is JSON, in the chosen form; table writes it as a table. What people read takes no effect
// on their terminal.
func (o *output) print(w io.Writer, content json.RawMessage, table func(io.Writer) error) error {
	if o.form != formTable && !isTerminal(w) {
		return o.write(w, content, table)
	}
	plain := &plainWriter{w: w}
	return errors.Join(o.write(plain, content, table), plain.end())
}

func (o *output) write(w io.Writer, content json.RawMessage, table func(io.Writer) error) error {
	switch o.form {
	case formJSON:
		var b bytes.Buffer
		if err := json.Indent(&b, content, "", "  "); err != nil {
			return fmt.Errorf("cannot read the router's answer: %w", err)
		}
		_, err := fmt.Fprintln(w, strings.TrimSpace(b.String()))
		return err
	case formYAML:
		text, err := yaml.JSONToYAML(content)
		if err != nil {
			return fmt.Errorf("cannot read the router's answer: %w", err)
		}
		_, err = w.Write(text)
		return err
	}
	return table(w)
}

// columns writes a table, its heading first.
func columns(w io.Writer, rows [][]string) error {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	for _, row := range rows {
		fmt.Fprintln(t, strings.Join(row, "\t"))
	}
	return t.Flush()
}

// qualified is a workspace's name as people write it.
func qualified(tenant, name string) string {
	if tenant == "default" || tenant == "" {
		return name
	}
	return tenant + "." + name
}

// bytesText writes a size for people.
func bytesText(n int64) string {
	switch {
	case n <= 0:
		return "-"
	case n >= 1<<30:
		return fmt.Sprintf("%.1f GiB", float64(n)/(1<<30))
	}
	return fmt.Sprintf("%.1f MiB", float64(n)/(1<<20))
}

func age(since time.Time) string {
	if since.IsZero() {
		return "-"
	}
	return time.Since(since).Round(time.Second).String()
}

func yes(b bool) string {
	if b {
		return "yes"
	}
	return "-"
}

func orDash(s string) string {
	if s == "" || s == "0" {
		return "-"
	}
	return s
}
