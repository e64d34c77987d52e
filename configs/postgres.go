package configs

import "strings"

// sharedDatabase gives the variables with PG_HOST and its like under LightRAG's names as well, where those are not
// given: one PostgreSQL for all workers is named so in the settings of installations that ran many of them.
func sharedDatabase(variables map[string]string) map[string]string {
	for _, name := range []string{"PG_HOST", "PG_PORT", "PG_DATABASE", "PG_USER", "PG_PASSWORD"} {
		own := "POSTGRES_" + strings.TrimPrefix(name, "PG_")
		if variables[name] != "" && variables[own] == "" {
			variables[own] = variables[name]
		}
	}
	return variables
}
