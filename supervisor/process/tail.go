package process

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"strings"
)

// tail gives the last lines that a launch that still lives has written to its log; none if they cannot be read.
func tail(path, launch string) []string {
	const bytesRead, lines, width = 16 << 10, 20, 512
	file, err := os.Open(path)
	if err != nil {
		return nil
	}
	defer file.Close()
	info, err := file.Stat()
	if err != nil {
		return nil
	}
	text, err := io.ReadAll(io.NewSectionReader(file, max(0, info.Size()-bytesRead), bytesRead))
	if err != nil {
		return nil
	}
	// What is before the launch's beginning is an earlier launch's.
	if i := bytes.LastIndex(text, fmt.Appendf(nil, " launch %s of ", launch)); i >= 0 {
		text = text[i:]
	} else if info.Size() <= bytesRead {
		return nil
	}
	_, text, _ = bytes.Cut(text, []byte{'\n'}) // the keeper's line, or one that was cut
	list := strings.Split(strings.TrimSuffix(string(text), "\n"), "\n")
	list = list[max(0, len(list)-lines):]
	if len(list) == 1 && list[0] == "" {
		return nil
	}
	for i, line := range list {
		list[i] = line[:min(len(line), width)]
	}
	return list
}
