package main

import (
	"encoding/json"
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"workspace-router/configs"
)

func (a *app) newConfigCommand() *cobra.Command {
	command := group(&cobra.Command{
		Use: "config", Short: "Check, show, reload and describe the configuration",
		Example: "  router config check --config router.yaml\n  router config show",
	})
	command.AddCommand(a.newConfigCheck(), a.newConfigShow(), a.newConfigReload(), a.newConfigReference())
	return command
}

func (a *app) newConfigCheck() *cobra.Command {
	flags := &configFlags{}
	command := &cobra.Command{
		Use: "check", Short: "Say everything that is wrong with the configuration", Args: arguments(),
		Long:    "Loads the configuration as \"router serve\" would, from flags, environment, .env and file, and says all that is wrong.",
		Example: "  router config check --config router.yaml\n  ROUTER_LISTEN=:9621 router config check",
		RunE: func(c *cobra.Command, _ []string) error {
			if _, err := flags.load(a, c); err != nil {
				return err
			}
			fmt.Fprintln(a.out, "The configuration is valid.")
			return nil
		},
	}
	flags.bind(command)
	return command
}

func (a *app) newConfigShow() *cobra.Command {
	flags, out := &configFlags{}, &output{}
	command := &cobra.Command{
		Use: "show", Short: "Show the configuration that is in force, and where it comes from", Args: arguments(),
		Long: "Shows every key with its value and the place that decided it. Secrets are masked. With -o yaml it is written as a\n" +
			"configuration file.",
		Example: "  router config show\n  router config show --config router.yaml -o yaml",
		RunE: func(c *cobra.Command, _ []string) error {
			if err := out.check(); err != nil {
				return err
			}
			config, err := flags.load(a, c)
			if err != nil {
				return err
			}
			return a.showConfig(&config, out)
		},
	}
	flags.bind(command)
	out.bind(command)
	return command
}

func (a *app) showConfig(config *configs.Config, out *output) error {
	if out.form == formYAML {
		content, err := config.YAML()
		if err == nil {
			_, err = a.out.Write(content)
		}
		return err
	}
	settings := config.Settings()
	content, err := json.Marshal(settings)
	if err != nil {
		return fmt.Errorf("cannot write the configuration: %w", err)
	}
	return out.print(a.out, content, func(w io.Writer) error {
		rows := [][]string{{"KEY", "VALUE", "FROM"}}
		for _, setting := range settings {
			rows = append(rows, []string{setting.Key, valueText(setting.Value), setting.From})
		}
		return columns(w, rows)
	})
}

func valueText(value any) string {
	switch value := value.(type) {
	case nil:
		return "-"
	case []string:
		return strings.Join(value, ",")
	default:
		return fmt.Sprint(value)
	}
}

func (a *app) newConfigReference() *cobra.Command {
	return &cobra.Command{
		Use: "reference", Short: "Write docs/configuration.md: every key, its default and its names", Args: arguments(),
		Example: "  router config reference > docs/configuration.md",
		RunE:    func(*cobra.Command, []string) error { return configs.Reference(a.out) },
	}
}
