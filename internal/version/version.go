// Package version holds what the build says of itself.
package version

// Version is set by the linker; `make build` takes it from git.
var Version = "dev"
