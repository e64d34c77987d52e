package workspace

import "strings"

// generationLabel begins the host label of a workspace whose name is none; the 32 digits of its generation follow.
const generationLabel = "ws-"

// longestLabel is the most that DNS takes between two dots, in bytes.
const longestLabel = 63

// HostLabel is what stands before a base domain in the host name of the workspace: its name in lower case, with the
// tenant's before it outside of the tenant "default", or one made from its generation where a name is no label of a host.
func (r Ref) HostLabel() string {
	name, tenant := r.Name.Fold(), r.Tenant.Fold()
	switch {
	case !hostLabel(name) || !hostLabel(tenant):
		return generationLabel + strings.ReplaceAll(string(r.Generation), "-", "")
	case r.Tenant.Fold() == DefaultTenant.Fold():
		return name
	}
	return tenant + "." + name
}

// ParseHostLabel reads what HostLabel writes, without regard to case, and every name that ParseQualified reads: either
// a name, and a tenant if one is written, or a generation. The error wraps ErrNameInvalid.
func ParseHostLabel(label string) (tenant, name Name, generation Generation, err error) {
	if digits, found := strings.CutPrefix(strings.ToLower(label), generationLabel); found && isGeneration(digits) {
		return "", "", Generation(digits[:8] + "-" + digits[8:12] + "-" + digits[12:16] + "-" + digits[16:20] + "-" + digits[20:]), nil
	}
	tenant, name, err = ParseQualified(label)
	return tenant, name, "", err
}

// IsHostLabel reports whether the name stands in host names as it is.
func IsHostLabel(n Name) bool { return hostLabel(n.Fold()) }

// hostLabel reports whether a name in lower case may stand in a host name and means only itself there: "--" in third
// place marks encoded names, and a name that looks like a generation's label would be taken for one.
func hostLabel(name string) bool {
	if name == "" || len(name) > longestLabel || name[0] == '-' || name[len(name)-1] == '-' || strings.IndexByte(name, '_') >= 0 {
		return false
	}
	if len(name) > 3 && name[2:4] == "--" {
		return false
	}
	digits, found := strings.CutPrefix(name, generationLabel)
	return !found || !isGeneration(digits)
}

// isGeneration reports whether the text is 32 hexadecimal digits in lower case.
func isGeneration(digits string) bool {
	if len(digits) != 32 {
		return false
	}
	for i := range len(digits) {
		if c := digits[i]; (c < '0' || c > '9') && (c < 'a' || c > 'f') {
			return false
		}
	}
	return true
}
