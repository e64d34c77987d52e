package configs

import "testing"

func TestLoad_GivesOneDatabaseUnderTheNamesOfItsUsers(t *testing.T) {
	t.Parallel()
	config := mustLoad(t, Source{Environ: []string{"PG_HOST=db", "PG_PASSWORD=secret", "PG_USER=everybody", "POSTGRES_USER=rag", "PG_DATABASE="}})
	for name, want := range map[string]string{
		"POSTGRES_HOST": "db", "POSTGRES_PASSWORD": "secret", "POSTGRES_USER": "rag", "POSTGRES_DATABASE": "", "POSTGRES_PORT": "", "PG_USER": "everybody",
	} {
		if got := config.Environment.variables[name]; got != want {
			t.Errorf("%s is %q, want %q", name, got, want)
		}
	}
}
