// Command coverage tells which requirement ids have tests that name them, group by group, and fails when a group
// that it is asked for has an id without one.
//
//	go run ./internal/coverage RFC9449 JOSE T D pitfalls
//
// A letter is a group of features. The ids are in ids.txt. An id that cannot have a test of its own is listed in exempt.txt with the reason.
package main

import (
	"bufio"
	_ "embed"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
)

//go:embed ids.txt
var idsText string

//go:embed exempt.txt
var exemptText string

func main() {
	missing, err := report(".", os.Args[1:])
	if err != nil {
		fmt.Fprintln(os.Stderr, "coverage:", err)
		os.Exit(2)
	}
	if missing > 0 {
		os.Exit(1)
	}
}

// report prints every group, and counts the ids without a test in those that are asked for.
func report(root string, asked []string) (missing int, err error) {
	named, err := namesIn(root)
	if err != nil {
		return 0, err
	}
	exempt := exemptions()
	var groups []string
	ids := map[string][]string{}
	for line := range lines(idsText) {
		group, id, _ := strings.Cut(line, " ")
		if ids[group] == nil {
			groups = append(groups, group)
		}
		ids[group] = append(ids[group], id)
	}
	for _, group := range groups {
		var lacks []string
		tested, exempted := 0, 0
		for _, id := range ids[group] {
			switch {
			case named[id]:
				tested++
			case exempt[id] != "":
				exempted++
			default:
				lacks = append(lacks, id)
			}
		}
		fmt.Printf("%-9s %3d of %3d tested, %d exempt\n", group, tested, len(ids[group]), exempted)
		if slices.Contains(asked, group) {
			for _, id := range lacks {
				fmt.Println("          no test names", id)
			}
			missing += len(lacks)
		}
	}
	for _, group := range asked {
		if ids[group] == nil {
			return missing, fmt.Errorf("no group %s", group)
		}
	}
	return missing, nil
}

// id is how ids look: what stands between characters that no id has.
var id = regexp.MustCompile(`[A-Za-z][A-Za-z0-9]*(?:[-.][A-Za-z0-9]+|/[0-9]\.[0-9]+)*(?:-[a-z0-9/]+)*`)

// namesIn collects everything in the tests below root that looks like an id.
func namesIn(root string) (map[string]bool, error) {
	named := map[string]bool{}
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() && (d.Name() == "node_modules" || d.Name() == ".git") {
			return fs.SkipDir
		}
		if !strings.HasSuffix(path, "_test.go") && !strings.HasSuffix(path, ".test.js") && !strings.HasSuffix(path, ".test.mjs") {
			return nil
		}
		text, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		for _, name := range id.FindAllString(string(text), -1) {
			named[name] = true
		}
		return nil
	})
	return named, err
}

func exemptions() map[string]string {
	exempt := map[string]string{}
	for line := range lines(exemptText) {
		name, reason, _ := strings.Cut(line, " ")
		exempt[name] = reason
	}
	return exempt
}

func lines(text string) func(yield func(string) bool) {
	return func(yield func(string) bool) {
		s := bufio.NewScanner(strings.NewReader(text))
		for s.Scan() {
			if line := strings.TrimSpace(s.Text()); line != "" && !strings.HasPrefix(line, "#") && !yield(line) {
				return
			}
		}
	}
}
