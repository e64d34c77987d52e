package main

import "github.com/spf13/cobra"

func (a *app) newCompletionCommand() *cobra.Command {
	shells := []string{"bash", "zsh", "fish", "powershell"}
	return &cobra.Command{
		Use: "completion SHELL", Short: "Write a script that completes commands for bash, zsh, fish or powershell",
		Args: arguments("SHELL: bash, zsh, fish or powershell,"), ValidArgs: shells,
		Example: "  source <(router completion bash)\n  router completion fish > ~/.config/fish/completions/router.fish",
		RunE: func(c *cobra.Command, args []string) error {
			root := c.Root()
			switch args[0] {
			case "bash":
				return root.GenBashCompletionV2(a.out, true)
			case "zsh":
				return root.GenZshCompletion(a.out)
			case "fish":
				return root.GenFishCompletion(a.out, true)
			case "powershell":
				return root.GenPowerShellCompletionWithDesc(a.out)
			}
			return usagef("got %q, want bash, zsh, fish or powershell", args[0])
		},
	}
}
