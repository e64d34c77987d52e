package process

import (
	"os"
	"path/filepath"
	"slices"
	"strings"

	"workspace-router/internal/keeper/sandbox"
	"workspace-router/internal/kind"
)

// systemPaths are what programs need of a machine. /etc is not among them as a whole: it is where keys and the router's
// own settings are. Of /proc, what tells about the memory, environment and descriptors of others is closed all the same.
var systemPaths = []string{
	"/bin", "/sbin", "/lib", "/lib32", "/lib64", "/libx32", "/usr", "/nix/store", "/proc",
	"/etc/alternatives", "/etc/ca-certificates", "/etc/crypto-policies", "/etc/fonts", "/etc/gai.conf", "/etc/group",
	"/etc/host.conf", "/etc/hosts", "/etc/java*", "/etc/ld.so.cache", "/etc/ld.so.conf", "/etc/ld.so.conf.d",
	"/etc/locale.alias", "/etc/localtime", "/etc/mime.types", "/etc/nsswitch.conf", "/etc/os-release", "/etc/passwd",
	"/etc/pki/ca-trust", "/etc/pki/tls/certs", "/etc/pki/tls/cert.pem", "/etc/pki/tls/openssl.cnf", "/etc/protocols",
	"/etc/python3*", "/etc/resolv.conf", "/etc/services", "/etc/ssl/cert.pem", "/etc/ssl/certs", "/etc/ssl/openssl.cnf",
	"/etc/timezone",
	"/run/systemd/resolve", // where /etc/resolv.conf often leads; the file there is replaced while workers run
	"/sys/devices/system/cpu", "/sys/fs/cgroup", "/sys/kernel/mm/transparent_hugepage",
}

var devices = []string{"/dev/null", "/dev/zero", "/dev/full", "/dev/random", "/dev/urandom"}

// certificateVariables name files that a worker is told to trust, wherever they are.
var certificateVariables = []string{"SSL_CERT_FILE", "SSL_CERT_DIR", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"}

// findSystem gives the system's paths that are there, without the data directory where one of them leads to it.
func findSystem(data string) (found []string) {
	for _, pattern := range systemPaths {
		paths, _ := filepath.Glob(pattern) // the patterns are ours, and good
		for _, path := range paths {
			found = append(found, without(path, data)...)
		}
	}
	return found
}

// without gives path, or where the data directory lies below it, all else that is there now: what is open to a worker
// is open with all that it holds, and the data directory holds every workspace.
func without(path, data string) (rest []string) {
	real, err := filepath.EvalSymlinks(path)
	if err != nil {
		return nil // it is not there, or not for this user
	}
	below, err := filepath.Rel(real, data)
	if err != nil || !filepath.IsLocal(below) {
		if within, err := filepath.Rel(data, real); err == nil && filepath.IsLocal(within) {
			return nil
		}
		return []string{path}
	}
	if below == "." {
		return nil
	}
	entries, err := os.ReadDir(real)
	if err != nil {
		return nil
	}
	for _, entry := range entries {
		rest = append(rest, without(filepath.Join(real, entry.Name()), data)...)
	}
	return rest
}

// reach is what a kind's program needs beyond the system and its own directories.
type reach struct{ read, write []string }

func newReach(k *kind.Kind, v values, environment []string) (r reach, err error) {
	if r.read, err = v.expandAll(k.Isolation.Read); err != nil {
		return r, err
	}
	if r.write, err = v.expandAll(k.Isolation.Write); err != nil {
		return r, err
	}
	r.write = append(r.write, v.elsewhere()...)
	for _, variable := range environment {
		if name, value, _ := strings.Cut(variable, "="); slices.Contains(certificateVariables, name) || slices.Contains(k.Isolation.ReadNamed, name) {
			r.read = append(r.read, filepath.SplitList(value)...)
		}
	}
	r.read = append(r.read, runtimePaths(k.Isolation.Runtime, v.program)...)
	return r, nil
}

// policy says what a launch may reach; nil is all that its user may.
func (d *Driver) policy(k *kind.Kind, v values, r reach) *sandbox.Policy {
	if k.Isolation.Landlock == kind.IsolationOff {
		return nil
	}
	p := &sandbox.Policy{
		Read: slices.Clone(d.system), Write: []string{v.dir, v.run}, Devices: devices,
		Bind: v.ports.all(), Connect: k.Isolation.Network == kind.NetworkHost,
	}
	p.Read = append(p.Read, v.program)
	for _, path := range r.read {
		p.Read = append(p.Read, without(path, d.realData)...)
	}
	for _, path := range r.write {
		p.Write = append(p.Write, without(path, d.realData)...)
	}
	return p
}
