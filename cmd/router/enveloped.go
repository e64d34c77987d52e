package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/url"
	"strings"

	"github.com/spf13/cobra"

	"workspace-router/configs"
)

// envelope is what the tenant API answers with.
type envelope struct {
	Data json.RawMessage `json:"data"`
}

func opened(content json.RawMessage) (json.RawMessage, error) {
	e, err := decode[envelope](content)
	return e.Data, err
}

// enveloped is exchange with the tenant API: what is printed is the data within the envelope.
func (a *app) enveloped(c *cobra.Command, connect *connection, out *output, method, path string, body any, table printer) error {
	if err := out.check(); err != nil {
		return err
	}
	server, err := connect.connect(a)
	if err != nil {
		return err
	}
	content, err := server.call(c.Context(), method, path, body)
	if err == nil {
		content, err = opened(content)
	}
	if err != nil {
		return err
	}
	return a.print(out, content, table)
}

// getAll prints a listing of the tenant API, all pages of it.
func (a *app) getAll(c *cobra.Command, connect *connection, out *output, path string, table printer) error {
	if err := out.check(); err != nil {
		return err
	}
	server, err := connect.connect(a)
	if err != nil {
		return err
	}
	all := []json.RawMessage{}
	for cursor, more := "", true; more; more = cursor != "" {
		page, next, err := server.page(c.Context(), path+"&limit=1000&cursor="+url.QueryEscape(cursor))
		if err != nil {
			return err
		}
		all, cursor = append(all, page...), next
	}
	content, err := json.Marshal(all)
	if err != nil {
		return fmt.Errorf("cannot read the router's answer: %w", err)
	}
	return a.print(out, content, table)
}

// publicURL is where the router's clients reach it, as far as a command knows.
func publicURL(a *app, connect *connection) string {
	if connect.server != "" {
		return strings.TrimRight(connect.server, "/")
	}
	if server := a.variable(configs.EnvironmentURL); server != "" && connect.data == "" {
		return strings.TrimRight(server, "/")
	}
	if config, _, err := configs.Load(configs.Source{Environ: a.environ}); err == nil {
		return "http://" + config.Listen
	}
	return "http://127.0.0.1:9621"
}

// confirmation asks before something is destroyed.
type confirmation struct{ yes bool }

func (f *confirmation) bind(command *cobra.Command) {
	command.Flags().BoolVar(&f.yes, "yes", false, "answer yes to what would be asked")
}

// ask reads the answer from the standard input; where there is none, the answer is no.
func (f *confirmation) ask(a *app, c *cobra.Command, question string) error {
	if f.yes {
		return nil
	}
	fmt.Fprintf(a.err, "%s [y/N] ", question)
	line := make([]byte, 16)
	n, _ := c.InOrStdin().Read(line) // the end of the input is no
	switch strings.ToLower(string(bytes.TrimSpace(line[:n]))) {
	case "y", "yes":
		return nil
	}
	return usagef("not confirmed; nothing was changed. Give --yes where nobody can answer")
}
