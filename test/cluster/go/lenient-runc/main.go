// Command lenient-runc is a container runtime for machines without
// CAP_SYS_RESOURCE: before a container is created it takes out of the bundle's
// config.json what the kernel would refuse, then becomes the real runtime, whose
// path is in the file "runc" beside this program.
package main

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
)

func main() {
	if err := becomeRuntime(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "lenient-runc:", err)
		os.Exit(1)
	}
}

func becomeRuntime(args []string) error {
	self, err := os.Executable()
	if err != nil {
		return err
	}
	runtime, err := os.ReadFile(filepath.Join(filepath.Dir(self), "runc"))
	if err != nil {
		return err
	}
	if slices.Contains(args, "create") || slices.Contains(args, "run") {
		if err := relax(filepath.Join(bundleOf(args), "config.json")); err != nil {
			return err
		}
	}
	path := strings.TrimSpace(string(runtime))
	return syscall.Exec(path, append([]string{path}, args...), os.Environ())
}

func bundleOf(args []string) string {
	for i, arg := range args {
		if value, found := strings.CutPrefix(arg, "--bundle="); found {
			return value
		}
		if (arg == "--bundle" || arg == "-b") && i+1 < len(args) {
			return args[i+1]
		}
	}
	return "."
}

// relax keeps everything that it does not know: the document is only a tree here.
func relax(path string) error {
	text, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	var config map[string]any
	if err := json.Unmarshal(text, &config); err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	process, _ := config["process"].(map[string]any)
	if score, ok := process["oomScoreAdj"].(float64); ok && score < 0 {
		process["oomScoreAdj"] = 0
	}
	delete(process, "rlimits")
	capabilities, _ := process["capabilities"].(map[string]any)
	for set, names := range capabilities {
		if list, ok := names.([]any); ok {
			capabilities[set] = slices.DeleteFunc(list, func(name any) bool { return name == "CAP_SYS_RESOURCE" })
		}
	}
	if text, err = json.Marshal(config); err != nil {
		return err
	}
	return os.WriteFile(path, text, 0o600)
}
