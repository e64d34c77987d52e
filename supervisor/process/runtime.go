package process

import (
	"bytes"
	"io"
	"os"
	"path/filepath"
	"strings"

	"workspace-router/internal/kind"
)

// maxFirstLines bounds what is read of a script to find its interpreter, in bytes.
const maxFirstLines = 4096

// runtimePaths are the directories that a program needs of the language that it is written in.
func runtimePaths(runtime, program string) []string {
	if runtime != kind.RuntimePython {
		return nil
	}
	interpreter, _ := interpreterOf(program)
	if interpreter == "" {
		return nil
	}
	var found []string
	// A virtual environment is known by the file that every one has. Its interpreter is often a link to one elsewhere,
	// whose modules it uses.
	if root := above(interpreter); isFile(filepath.Join(root, "pyvenv.cfg")) {
		found = append(found, root)
	}
	real, err := filepath.EvalSymlinks(interpreter)
	if err != nil {
		return found
	}
	root := above(real)
	// Only what looks like an installation is opened as a whole: an interpreter may lie in any folder.
	if modules, _ := filepath.Glob(filepath.Join(root, "lib*", "python3*")); root != "/" && len(modules) > 0 {
		found = append(found, root)
	}
	return found
}

// above gives the folder around the one that holds the program: /opt/x of /opt/x/bin/python3.
func above(program string) string { return filepath.Dir(filepath.Dir(program)) }

func isFile(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.Mode().IsRegular()
}

// interpreterOf gives the absolute path of the interpreter that a script's first line names, with its options; empty where
// the program is no script, or leaves the choice to PATH. Where the path is too long for such a line, installers make a
// script for the shell that names it in its second: ”'exec' "/long/path/python3" …
func interpreterOf(program string) (interpreter string, options []string) {
	file, err := os.Open(program)
	if err != nil {
		return "", nil
	}
	defer file.Close()
	text, err := io.ReadAll(io.LimitReader(file, maxFirstLines))
	if err != nil {
		return "", nil
	}
	first, rest, _ := bytes.Cut(text, []byte("\n"))
	line, script := strings.CutPrefix(string(first), "#!")
	if !script {
		return "", nil
	}
	interpreter, option := firstWord(line)
	if filepath.Base(interpreter) == "sh" {
		second, _, _ := bytes.Cut(rest, []byte("\n"))
		command, found := strings.CutPrefix(string(second), "'''exec' ")
		if !found {
			return "", nil
		}
		if quoted, is := strings.CutPrefix(command, `"`); is {
			interpreter, option, _ = strings.Cut(quoted, `"`)
		} else {
			interpreter, option = firstWord(command)
		}
		option, _, _ = strings.Cut(option, `"$0"`)
	}
	if !filepath.IsAbs(interpreter) || filepath.Base(interpreter) == "env" {
		return "", nil
	}
	if option = strings.TrimSpace(option); option != "" {
		options = []string{option} // the kernel hands on all of it as one
	}
	return interpreter, options
}

func firstWord(line string) (word, rest string) {
	word, rest, _ = strings.Cut(strings.TrimSpace(line), " ")
	return word, rest
}
