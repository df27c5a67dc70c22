package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"time"

	"feegate/gateway"
	"feegate/gateway/identity"
	"feegate/reconciliation"
)

// inbox takes in what banks and providers drop by SFTP:
//
//	settlements/ACCOUNT/NAME   a settlement file of the account (acc_…); NAME has its day, 2026-03-10 or 20260310
//	statements/NAME            a bank statement that names its account itself
//	statements/BANK/NAME       one that does not: BANK is the number
//
// A file is taken once nobody has written to it for a while. It goes to done/DAY/ when it is in, else to refused/DAY/ with NAME.why.txt beside it, which says
// why, line by line. Whatever dies on the way: the file is still there, and the same file again is the same import.
type inbox struct {
	root       string
	reconciler *reconciliation.Reconciler
	people     *identity.Store
	now        func() time.Time
	log        *slog.Logger
}

// inboxActor is who imports, as imports and the audit name it.
const inboxActor = "inbox"

// Limits of one look into the folder.
const (
	inboxStill  = 10 * time.Second // since the last writing
	inboxAgain  = 30 * time.Minute // what was claimed and not finished by then is taken again
	inboxAtOnce = 100
)

// A name that its writer has not finished, or that nobody means to be read.
func unfinished(name string) bool {
	return strings.HasPrefix(name, ".") || slices.ContainsFunc([]string{".part", ".tmp", ".filepart", ".crdownload", ".swp"}, func(end string) bool { return strings.HasSuffix(strings.ToLower(name), end) })
}

var dayInName = regexp.MustCompile(`(20\d{2})-?(\d{2})-?(\d{2})`)

// dayOf is the day that a file's name has, "" where it has none.
func dayOf(name string) string {
	for _, m := range dayInName.FindAllStringSubmatch(name, -1) {
		day := m[1] + "-" + m[2] + "-" + m[3]
		if _, err := time.Parse(time.DateOnly, day); err == nil {
			return day
		}
	}
	return ""
}

// dropped is a file that lies there.
type dropped struct {
	kind, of string // settlements or statements; whose
	path     string
}

// look takes in what lies there, at most so many files, and gives how many those were.
func (b *inbox) look(ctx context.Context, limit int) (int, error) {
	files, err := b.files()
	if err != nil {
		return 0, fmt.Errorf("looking into the inbox: %w", err)
	}
	n := 0
	var errs error
	for _, f := range files {
		if n == limit || ctx.Err() != nil {
			break
		}
		claimed, ok, err := b.claim(f)
		if err != nil {
			errs = errors.Join(errs, err)
			continue
		}
		if !ok {
			continue
		}
		n++
		errs = errors.Join(errs, b.take(ctx, f, claimed))
	}
	return n, errs
}

// files lists what is ready to be taken, by name: no links, no folders besides those above.
func (b *inbox) files() (out []dropped, err error) {
	for _, kind := range []string{"settlements", "statements"} {
		root := filepath.Join(b.root, kind)
		if err := os.MkdirAll(root, 0o770); err != nil {
			return nil, err
		}
		entries, err := os.ReadDir(root)
		if err != nil {
			return nil, err
		}
		for _, e := range entries {
			if err := giveBack(root, e); err != nil {
				return nil, err
			}
			switch {
			case unfinished(e.Name()):
			case e.Type().IsRegular():
				out = append(out, dropped{kind, "", filepath.Join(root, e.Name())})
			case e.IsDir():
				inner, err := os.ReadDir(filepath.Join(root, e.Name()))
				if err != nil {
					return nil, err
				}
				for _, f := range inner {
					if err := giveBack(filepath.Join(root, e.Name()), f); err != nil {
						return nil, err
					}
					if f.Type().IsRegular() && !unfinished(f.Name()) {
						out = append(out, dropped{kind, e.Name(), filepath.Join(root, e.Name(), f.Name())})
					}
				}
			}
		}
	}
	return out, nil
}

// claim renames a file that nobody writes to any more, so that one program alone takes it; ok false: it is too new, or another was faster.
func (b *inbox) claim(f dropped) (claimed string, ok bool, err error) {
	info, err := os.Lstat(f.path)
	if errors.Is(err, os.ErrNotExist) {
		return "", false, nil
	}
	if err != nil {
		return "", false, err
	}
	if time.Since(info.ModTime()) < inboxStill { // by the machine's clock: it is the machine's file
		return "", false, nil
	}
	claimed = filepath.Join(filepath.Dir(f.path), claimedPrefix+filepath.Base(f.path))
	if _, err := os.Lstat(claimed); err == nil {
		return "", false, nil // one of the same name is being taken
	}
	if err := os.Rename(f.path, claimed); errors.Is(err, os.ErrNotExist) {
		return "", false, nil
	} else if err != nil {
		return "", false, err
	}
	return claimed, true, os.Chtimes(claimed, time.Now(), time.Now())
}

const claimedPrefix = ".taking-"

// giveBack gives a claimed file its name again whose taker has died.
func giveBack(dir string, e os.DirEntry) error {
	name, claimed := strings.CutPrefix(e.Name(), claimedPrefix)
	info, err := e.Info()
	if !claimed || err != nil || time.Since(info.ModTime()) < inboxAgain {
		return nil
	}
	return os.Rename(filepath.Join(dir, e.Name()), filepath.Join(dir, name))
}

// take imports a claimed file and puts it where it belongs.
func (b *inbox) take(ctx context.Context, f dropped, claimed string) error {
	name, day := filepath.Base(f.path), b.now().In(vietnam).Format(time.DateOnly)
	said, err := b.imported(ctx, f, claimed, name)
	var unreadable *reconciliation.UnreadableError
	var broken *reconciliation.BrokenError
	var p *gateway.Problem
	switch {
	case err == nil:
		deed := strings.TrimSuffix(f.kind, "s") + ".imported"
		if err := b.people.Audit(ctx, nil, identity.Actor{Kind: identity.KindSystem, ID: inboxActor}, deed, said, map[string]any{"file": name}); err != nil {
			return errors.Join(err, os.Rename(claimed, f.path)) // the same file again is the same import
		}
		b.log.InfoContext(ctx, "taken from the inbox", "file", f.kind+"/"+f.of+"/"+name, "import", said)
		return b.put(claimed, filepath.Join("done", day), name)
	case errors.As(err, &unreadable), errors.As(err, &p), errors.As(err, &broken):
		b.log.WarnContext(ctx, "a file in the inbox is refused", "file", f.kind+"/"+f.of+"/"+name, "error", err)
		why := err.Error()
		if p != nil {
			for _, f := range p.Fields {
				why += "\n" + f.Field + ": " + f.Detail
			}
		}
		if unreadable != nil {
			why = ""
			for _, l := range unreadable.Lines {
				why += l.Error() + "\n"
			}
		}
		if err := b.put(claimed, filepath.Join("refused", day), name); err != nil {
			return err
		}
		return os.WriteFile(filepath.Join(b.root, "refused", day, name+".why.txt"), []byte(why+"\n"), 0o660)
	}
	return errors.Join(fmt.Errorf("taking %s from the inbox: %w", name, err), os.Rename(claimed, f.path)) // not the file's fault: again later
}

func (b *inbox) imported(ctx context.Context, f dropped, claimed, name string) (id string, err error) {
	body, err := os.Open(claimed)
	if err != nil {
		return "", err
	}
	defer func() { err = errors.Join(err, body.Close()) }()
	who := gateway.Caller{Mode: "live", Actor: inboxActor, Person: true}
	if f.kind == "statements" {
		imp, err := b.reconciler.Statement(ctx, who, reconciliation.StatementFile{BankAccount: f.of, Name: name, Unattended: true, Body: body})
		if err != nil {
			return "", err
		}
		return imp.ID, nil
	}
	date := dayOf(name)
	if f.of == "" || date == "" {
		return "", &gateway.Problem{Name: gateway.ProblemInvalid, Detail: "a settlement file lies in settlements/ACCOUNT/ and has its day in its name, like 2026-03-10"}
	}
	imp, err := b.reconciler.Settlement(ctx, reconciliation.File{AccountID: f.of, Date: date, Name: name, By: inboxActor, Body: body})
	if err != nil {
		return "", err
	}
	return imp.ID, nil
}

// put moves a file into a folder of the inbox; one of the same name stays, the newer gets a number.
func (b *inbox) put(from, folder, name string) error {
	dir := filepath.Join(b.root, folder)
	if err := os.MkdirAll(dir, 0o770); err != nil {
		return err
	}
	to := filepath.Join(dir, name)
	for n := 2; ; n++ {
		if _, err := os.Lstat(to); errors.Is(err, os.ErrNotExist) {
			break
		}
		to = filepath.Join(dir, fmt.Sprintf("%d-%s", n, name))
	}
	return os.Rename(from, to)
}
