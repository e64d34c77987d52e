package keeper

import "testing"

// What a workspace's operator may read is that workspace's log alone, so no name may give the keeper's own.
func TestData_NoWorkspaceHasTheKeepersLog(t *testing.T) {
	t.Parallel()
	data := Data("/data")
	own := []string{data.KeeperLog(), data.KeeperLog() + ".1"}
	for _, name := range []string{"keeper", "tenant.keeper", "keeper.own", "own"} {
		for _, rotated := range []string{"", ".1", ".2"} {
			for _, path := range own {
				if got := data.Log(name) + rotated; got == path {
					t.Errorf("the log of %q is the keeper's own, %q", name, got)
				}
			}
		}
	}
}
