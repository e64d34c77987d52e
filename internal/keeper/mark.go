package keeper

import (
	"encoding/binary"
	"fmt"
	"hash/fnv"
	"os"
	"strconv"
	"strings"
	"syscall"
)

// MarkName is the environment variable by which the processes of a launch are known.
const MarkName = "WORKSPACE_ROUTER_LAUNCH"

// launchLength is the length of a launch's id: 8 characters of [0-9a-z] are 36^8 numbers, which take 42 bits.
const (
	launchLength = 8
	launchBits   = 42
	tagBits      = 21
)

// DataID tells one data directory of this machine from every other, also from a copy of it: it is made from the
// directory's device and inode. It need not outlive a boot, as no process does.
type DataID uint64

// IdentifyData gives the id of a data directory.
func IdentifyData(dir string) (DataID, error) {
	info, err := os.Stat(dir)
	if err != nil {
		return 0, fmt.Errorf("cannot identify the data directory: %w", err)
	}
	stat, ok := info.Sys().(*syscall.Stat_t)
	if !ok || !info.IsDir() {
		return 0, fmt.Errorf("cannot identify the data directory: %q is no directory", dir)
	}
	var b [16]byte
	binary.LittleEndian.PutUint64(b[:8], stat.Dev)
	binary.LittleEndian.PutUint64(b[8:], stat.Ino)
	hash := fnv.New64a()
	hash.Write(b[:])
	return DataID(hash.Sum64()), nil
}

// String is the form that marks carry: 16 hexadecimal digits.
func (id DataID) String() string { return fmt.Sprintf("%016x", uint64(id)) }

// ValidLaunch reports whether s has the form of a launch's id. The one of that form that is the name of another
// directory in run/ is not valid.
func ValidLaunch(s string) bool {
	if len(s) != launchLength || s == recordsName {
		return false
	}
	for i := range len(s) {
		if c := s[i]; (c < '0' || c > '9') && (c < 'a' || c > 'z') {
			return false
		}
	}
	return true
}

// Mark is what MarkName holds in every process of a launch that has kept its environment.
type Mark struct {
	Data   DataID
	Launch string
	Nonce  string
}

// String is the variable's value.
func (m Mark) String() string { return m.Data.String() + ":" + m.Launch + ":" + m.Nonce }

// ParseMark reads the variable's value; false where it is none.
func ParseMark(s string) (Mark, bool) {
	data, rest, found := strings.Cut(s, ":")
	launch, nonce, found2 := strings.Cut(rest, ":")
	id, err := strconv.ParseUint(data, 16, 64)
	if !found || !found2 || err != nil || !ValidLaunch(launch) {
		return Mark{}, false
	}
	return Mark{Data: DataID(id), Launch: launch, Nonce: nonce}, true
}

// Brand is the mark that a process cannot lose by cleaning its environment, leaving its session or being re-parented:
// a number in the limit of file locks (RLIMIT_LOCKS), which Linux has not enforced since 2.4, hands on over fork and
// exec, and lets only a privileged process raise. It holds 21 bits of the data directory's id and the whole id of the
// launch, so that a stray process is known as that launch's and never taken for a neighbour's.
type Brand uint64

// NewBrand gives the brand of a launch with a valid id.
func NewBrand(data DataID, launch string) Brand {
	number, err := strconv.ParseUint(launch, 36, launchBits)
	if err != nil || !ValidLaunch(launch) {
		return 0
	}
	return Brand(uint64(data)>>(64-tagBits)<<launchBits | number)
}

// Launch gives the launch that the brand names, if it is one of this data directory.
func (b Brand) Launch(data DataID) (string, bool) {
	if uint64(b)>>launchBits != uint64(data)>>(64-tagBits) {
		return "", false
	}
	number := uint64(b) & (1<<launchBits - 1)
	s := strconv.FormatUint(number, 36)
	if len(s) > launchLength {
		return "", false
	}
	return strings.Repeat("0", launchLength-len(s)) + s, true
}
