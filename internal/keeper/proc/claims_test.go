package proc

import (
	"os"
	"testing"

	"workspace-router/internal/keeper"
)

// A process may lower its brand to that of a launch that never was, and execute a program with any mark. To the keeper,
// which knows all launches, it stays an orphan that must end before anything is proven; to the next keeper, which
// knows none, it is a leftover.
func TestCensus_MadeUpLaunchesAreStrays(t *testing.T) {
	t.Parallel()
	const data = keeper.DataID(0x0ddba11c0ffee000)
	made := func(launch string) string {
		return keeper.MarkName + "=" + keeper.Mark{Data: data, Launch: launch}.String()
	}
	processes := map[string]int{
		"brandup0": run(t, keeper.NewBrand(data, "brandup0"), ""),
		"markup00": run(t, 1, made("markup00")),
	}
	known := run(t, keeper.NewBrand(data, "known000"), "")
	scope := Scope{
		Data: data, Subreaper: os.Getpid(), // whose children they are
		Roots:  []Root{{Launch: "known000"}},
		Wanted: func(launch string) bool { return launch == "known000" },
	}
	census, err := Take(scope)
	if err != nil {
		t.Fatal(err)
	}
	claims := map[int]string{}
	for _, stray := range census.Strays {
		claims[stray.PID] = stray.Claims
	}
	for launch, pid := range processes {
		if claimed, found := claims[pid]; !found || claimed != launch {
			t.Errorf("process %d of %s is no stray, or claims %q", pid, launch, claimed)
		}
	}
	if _, found := claims[known]; found || len(census.Members["known000"]) != 2 {
		t.Errorf("the known launch has %+v, stray %v; want 2 members and no stray", census.Members["known000"], found)
	}
	scope.Subreaper, scope.Everything, scope.Wanted = 0, true, nil
	if census, err = Take(scope); err != nil {
		t.Fatal(err)
	}
	for launch := range processes {
		if len(census.Members[launch]) != 2 {
			t.Errorf("%s: a keeper that knows no launch finds %+v, want 2 processes", launch, census.Members[launch])
		}
	}
}
