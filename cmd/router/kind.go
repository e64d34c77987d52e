package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"workspace-router/internal/kind"
)

func (a *app) newKindCommand() *cobra.Command {
	command := group(&cobra.Command{
		Use: "kind", Short: "See the kinds of workers, and check a profile of one's own",
		Example: "  router kind list\n  router kind check my-kind.yaml",
	})
	command.AddCommand(a.newKindList(), a.newKindShow(), a.newKindCheck())
	return command
}

func (a *app) newKindList() *cobra.Command {
	flags, out := &configFlags{}, &output{}
	command := &cobra.Command{
		Use: "list", Short: "List the kinds that the configuration has, shipped or of kind_files", Args: arguments(),
		Example: "  router kind list\n  router kind list --config router.yaml -o json",
		RunE: func(c *cobra.Command, _ []string) error {
			config, err := flags.load(a, c)
			if err != nil {
				return err
			}
			list := []shownKind{}
			for _, name := range slices.Sorted(maps.Keys(config.Profiles)) {
				list = append(list, showKind(config.Profiles[name], name == config.DefaultKind))
			}
			return a.printKinds(out, list, func(w io.Writer) error {
				rows := [][]string{{"KIND", "DEFAULT", "PROGRAM", "STOP", "ROUTES", "DESCRIPTION"}}
				for _, k := range list {
					rows = append(rows, []string{k.Kind, yes(k.Default), strings.Join(k.Programs, ","), k.Stop, fmt.Sprint(len(k.Routes)), orDash(k.Description)})
				}
				return columns(w, rows)
			})
		},
	}
	flags.bind(command)
	out.bind(command)
	return command
}

func (a *app) newKindShow() *cobra.Command {
	flags, out := &configFlags{}, &output{}
	command := &cobra.Command{
		Use: "show K", Short: "Show a kind's routes: who may what, and what starts a worker", Args: arguments("K, the kind,"),
		Example: "  router kind show chroma\n  router kind show lightrag -o json",
		RunE: func(c *cobra.Command, args []string) error {
			config, err := flags.load(a, c)
			if err != nil {
				return err
			}
			profile := config.Profiles[args[0]]
			if profile == nil {
				return fmt.Errorf("there is no kind %q, want one of %s", args[0], strings.Join(slices.Sorted(maps.Keys(config.Profiles)), ", "))
			}
			shown := showKind(profile, args[0] == config.DefaultKind)
			return a.printKinds(out, shown, func(w io.Writer) error {
				rows := [][]string{{"METHODS", "PATH", "PERMISSION", "CLASS", "READ ONLY"}}
				for _, r := range shown.Routes {
					permission := r.Permission
					if r.Closed {
						permission = "closed"
					}
					rows = append(rows, []string{orDash(strings.Join(r.Methods, ",")), r.Path, permission, r.Class, yes(r.ReadOnly)})
				}
				return columns(w, rows)
			})
		},
	}
	flags.bind(command)
	out.bind(command)
	return command
}

func (a *app) newKindCheck() *cobra.Command {
	return &cobra.Command{
		Use: "check FILE", Short: "Say everything that is wrong with a profile, with line and field", Args: arguments("FILE, the profile,"),
		Example: "  router kind check my-kind.yaml",
		RunE: func(_ *cobra.Command, args []string) error {
			content, err := os.ReadFile(args[0])
			if err != nil {
				var failed *fs.PathError
				if errors.As(err, &failed) {
					err = failed.Err
				}
				return fmt.Errorf("cannot read %q: %w", args[0], err)
			}
			profile, err := kind.Decode(args[0], content)
			if err != nil {
				return fmt.Errorf("cannot use the profile:\n%w", err)
			}
			fmt.Fprintf(a.out, "The kind %q is valid: %d routes. Name the file in kind_files, or ROUTER_KIND_FILES.\n", profile.Name, len(profile.Routes))
			return nil
		},
	}
}

func (a *app) printKinds(out *output, value any, table func(io.Writer) error) error {
	if err := out.check(); err != nil {
		return err
	}
	content, err := json.Marshal(value)
	if err != nil {
		return fmt.Errorf("cannot write the kinds: %w", err)
	}
	return out.print(a.out, content, table)
}

// shownKind is what people and scripts are told of a kind.
type shownKind struct {
	Kind        string       `json:"kind"`
	Description string       `json:"description"`
	Default     bool         `json:"default"`
	Programs    []string     `json:"programs"`
	Stop        string       `json:"stop"`
	Routes      []shownRoute `json:"routes"`
}

type shownRoute struct {
	Methods    []string `json:"methods"` // none: all
	Path       string   `json:"path"`
	Permission string   `json:"permission"`
	Class      string   `json:"class"`
	Closed     bool     `json:"closed"`
	ReadOnly   bool     `json:"read_only"`
}

func showKind(k *kind.Kind, isDefault bool) shownKind {
	shown := shownKind{
		Kind: k.Name, Description: k.Description, Default: isDefault, Programs: []string{}, Routes: []shownRoute{},
		Stop: fmt.Sprintf("%s, %v", k.Stop.Signal, k.Stop.Grace),
	}
	for i := range k.Processes {
		shown.Programs = append(shown.Programs, k.Processes[i].Program)
	}
	for _, r := range k.Routes {
		one := shownRoute{Methods: r.Methods, Path: r.Path, Class: string(r.Class), Closed: r.Closed, ReadOnly: r.ReadOnly}
		if r.Permission != 0 {
			one.Permission = r.Permission.String()
		}
		shown.Routes = append(shown.Routes, one)
	}
	return shown
}
