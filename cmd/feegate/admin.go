package main

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/user"
	"slices"
	"strings"
	"time"

	"github.com/jmoiron/sqlx"

	"feegate/gateway/account"
	"feegate/gateway/identity"
	"feegate/migrations"
	"feegate/providers"
	"feegate/providers/breaker"
	"feegate/reconciliation/adoption"
)

// Commands for whoever sets a service up: the first key and the first person cannot come from a page that asks for them.

type keyCommands struct {
	Master masterKeyCommand `cmd:"" help:"Make a master key file; it never overwrites one. Keep a copy elsewhere: without it nothing sealed can be read."`
	Create createKeyCommand `cmd:"" help:"Make an API key for a client, and the client where it is new. The key is told once."`
	Revoke revokeKeyCommand `cmd:"" help:"Revoke an API key."`
}

type userCommands struct {
	Create createUserCommand `cmd:"" help:"Make a person who may sign in. A password that is not given is made, and told once."`
	Reset  resetUserCommand  `cmd:"" help:"Give a person a password for one sign-in and end their second factor and sessions: for the admin whom no other admin can help."`
}

// databaseFlag is how these commands reach the database.
type databaseFlag struct {
	DatabaseURL string `required:"" env:"FEEGATE_DATABASE_URL" help:"Address of the database, as the service role." placeholder:"URL"`
	JSON        bool   `help:"Answer as JSON."`
}

// people opens the identity room; who does things here is the person at the machine.
func (d *databaseFlag) people(ctx context.Context) (*identity.Store, *sqlx.DB, identity.Actor, error) {
	by := identity.Actor{Kind: identity.KindSystem, ID: "cli"}
	if u, err := user.Current(); err == nil {
		by.ID = "cli:" + u.Username
	}
	db, err := connect(ctx, d.DatabaseURL)
	if err != nil {
		return nil, nil, by, err
	}
	store, err := identity.New(ctx, db, identity.Options{Now: time.Now})
	if err != nil {
		return nil, nil, by, errors.Join(err, db.Close())
	}
	return store, db, by, nil
}

// answer tells what was made: fields in order for people, an object for programs.
func (d *databaseFlag) answer(out io.Writer, fields ...[2]string) error {
	if d.JSON {
		m := map[string]string{}
		for _, f := range fields {
			m[f[0]] = f[1]
		}
		return json.NewEncoder(out).Encode(m)
	}
	for _, f := range fields {
		if _, err := fmt.Fprintf(out, "%-14s %s\n", f[0], f[1]); err != nil {
			return err
		}
	}
	return nil
}

type masterKeyCommand struct {
	File string `arg:"" type:"path" help:"Where to write it, mode 0600."`
}

// Run makes the file.
func (m *masterKeyCommand) Run(i *invocation) error {
	if _, err := account.NewKeys(m.File); err != nil {
		return err
	}
	_, err := fmt.Fprintln(i.out, "the master key is in", m.File)
	return err
}

type createKeyCommand struct {
	databaseFlag
	Client       string           `required:"" help:"Name of the client; made where it is new."`
	SourceSystem string           `help:"Source system of a new client: what its keys may see." placeholder:"NAME"`
	Mode         string           `default:"live" enum:"live,test" help:"Mode of a new source system; rows of a test one reach no report."`
	Scope        []identity.Scope `required:"" help:"What the key may do: orders:write, orders:read, refunds:request, webhooks:write, dossiers:write, counter:write, catalogue:write, reports:read."`
	Expires      time.Time        `format:"2006-01-02T15:04:05Z07:00" help:"When it ends (RFC 3339); never when absent." placeholder:"TIME"`
}

// Run makes client and key.
func (c *createKeyCommand) Run(i *invocation) (err error) {
	people, db, by, err := c.people(i.ctx)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, people.Close(), db.Close()) }()
	clients, err := people.Clients(i.ctx)
	if err != nil {
		return err
	}
	var client *identity.Client
	for n := range clients {
		if clients[n].Name == c.Client {
			client = &clients[n]
		}
	}
	if client == nil {
		if client, err = people.CreateClient(i.ctx, by, c.Client, c.SourceSystem, c.Mode); err != nil {
			return err
		}
	}
	var expires *time.Time
	if !c.Expires.IsZero() {
		expires = &c.Expires
	}
	key, secret, err := people.CreateKey(i.ctx, by, client.ID, "", c.Scope, expires)
	if err != nil {
		return err
	}
	return c.answer(i.out, [2]string{"client", client.ID}, [2]string{"key_id", key.ID}, [2]string{"key", secret})
}

type revokeKeyCommand struct {
	databaseFlag
	Client string `required:"" help:"Id of the client (cli_…)."`
	Key    string `arg:"" help:"Id of the key (key_…)."`
}

// Run revokes; running replicas believe the key for half a minute longer at most.
func (c *revokeKeyCommand) Run(i *invocation) (err error) {
	people, db, by, err := c.people(i.ctx)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, people.Close(), db.Close()) }()
	if err := people.RevokeKey(i.ctx, by, c.Client, c.Key); err != nil {
		return err
	}
	return c.answer(i.out, [2]string{"revoked", c.Key})
}

type createUserCommand struct {
	databaseFlag
	Name          string          `arg:"" help:"The name to sign in with."`
	Role          []identity.Role `required:"" help:"finance, approver, reporter, operator, admin, auditor, portal_admin."`
	Agency        []string        `help:"Codes of the agencies that the person is limited to; all when absent."`
	Client        string          `help:"Id of the client whose keys a portal_admin manages."`
	PasswordStdin bool            `help:"Read the password from standard input, one line."`
}

// Run makes the person.
func (c *createUserCommand) Run(i *invocation) (err error) {
	password := strings.ToLower(rand.Text()[:20])
	if c.PasswordStdin {
		raw, err := io.ReadAll(io.LimitReader(os.Stdin, 1<<10))
		if err != nil {
			return fmt.Errorf("reading the password: %w", err)
		}
		password = strings.TrimRight(string(raw), "\r\n")
	}
	people, db, by, err := c.people(i.ctx)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, people.Close(), db.Close()) }()
	u, err := people.CreateUser(i.ctx, by, identity.NewUser{Name: c.Name, Password: password, Roles: c.Role, Agencies: c.Agency, ClientID: c.Client})
	if err != nil {
		return err
	}
	fields := [][2]string{{"user", u.ID}, {"name", u.Name}}
	if !c.PasswordStdin {
		fields = append(fields, [2]string{"password", password})
	}
	return c.answer(i.out, fields...)
}

type resetUserCommand struct {
	databaseFlag
	Name string `arg:"" help:"The name that they sign in with."`
}

// Run resets, whoever the person is: who may run this reads the database anyway. It is in the audit.
func (c *resetUserCommand) Run(i *invocation) (err error) {
	people, db, by, err := c.people(i.ctx)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, people.Close(), db.Close()) }()
	all, err := people.Users(i.ctx)
	if err != nil {
		return err
	}
	n := slices.IndexFunc(all, func(u identity.User) bool { return u.Name == c.Name })
	if n < 0 {
		return fmt.Errorf("there is nobody with the name %q", c.Name)
	}
	password := strings.ToLower(rand.Text()[:20])
	if err := people.SetPassword(i.ctx, by, all[n].ID, password); err != nil {
		return err
	}
	if err := people.DropOTP(i.ctx, by, all[n].ID); err != nil {
		return err
	}
	return c.answer(i.out, [2]string{"user", all[n].ID}, [2]string{"name", c.Name}, [2]string{"password", password})
}

// doctorCommand looks at a set-up and says in plain words what is wrong with it, and how to mend it.
type doctorCommand struct {
	DatabaseURL    string `env:"FEEGATE_DATABASE_URL" help:"Address of the database, as the service role." placeholder:"URL"`
	ReportDatabase string `name:"report-database-url" env:"FEEGATE_REPORT_DATABASE_URL" help:"Address of a read replica of the database, from which reports are read." placeholder:"URL"`
	PublicURL      string `env:"FEEGATE_PUBLIC_URL" help:"Address under which payers and providers reach this." placeholder:"URL"`
	MasterKeyFile  string `env:"FEEGATE_MASTER_KEY_FILE" help:"File with the master key." placeholder:"FILE"`
}

var errUnwell = errors.New("something is wrong with this set-up")

// Run looks; it changes nothing. The error says only that something was found: what, stands in the output.
func (d *doctorCommand) Run(i *invocation) error {
	well := true
	say := func(ok bool, text, mend string) {
		mark := "ok   "
		if !ok {
			mark, well, text = "WRONG", false, text+"\n      → "+mend
		}
		_, _ = fmt.Fprintln(i.out, mark, text)
	}
	keys, err := account.LoadKeys(d.MasterKeyFile)
	say(err == nil, "the master key"+said(err), "set FEEGATE_MASTER_KEY_FILE; make one with: feegate key master FILE")
	say(strings.HasPrefix(d.PublicURL, "https://") || strings.HasPrefix(d.PublicURL, "http://127.0.0.1"), "the public address "+d.PublicURL,
		"set FEEGATE_PUBLIC_URL to the https address that payers and providers use")
	db, err := connect(i.ctx, d.DatabaseURL)
	say(err == nil, "the database answers"+said(err), "set FEEGATE_DATABASE_URL, and see that PostgreSQL runs and takes the role feegate_service")
	if err != nil {
		return errUnwell
	}
	defer func() { _ = db.Close() }()
	pending, err := migrations.Pending(i.ctx, db.DB)
	say(err == nil && !pending, "its schema is this program's"+said(err), "run, as the database's owner: feegate migrate")
	if err != nil || pending {
		return errUnwell
	}
	super, err := superuser(i.ctx, db)
	say(err == nil && !super, "the service works with least rights"+said(err), "connect as feegate_service, not as a superuser or owner")
	if d.ReportDatabase != "" {
		text, mend := replicaHealth(i.ctx, db, d.ReportDatabase)
		say(mend == "", text, mend)
	}
	if keys != nil {
		accounts := account.NewStore(db, keys, registry(), d.PublicURL, time.Now, breaker.New(breaker.Settings{}).Client)
		entries, err := accounts.ForAgency(i.ctx, "")
		say(err == nil && len(entries) > 0, fmt.Sprintf("%d merchant accounts%s", len(entries), said(err)), "without one nothing can be paid online")
		for _, e := range entries {
			text, mend := accountHealth(e, time.Now())
			say(mend == "", text, mend)
		}
	}
	if !well {
		return errUnwell
	}
	return nil
}

// replicaHealth says how the replica is that reports are read from.
func replicaHealth(ctx context.Context, db *sqlx.DB, address string) (text, mend string) {
	replica, err := open(address)
	if err != nil {
		return "the replica for reports" + said(err), "set FEEGATE_REPORT_DATABASE_URL to a streaming replica, or leave it empty"
	}
	defer func() { _ = replica.Close() }()
	reports := adoption.New(db, time.Now)
	reports.ReadFrom(replica)
	switch _, err := reports.CheckReplica(ctx); {
	case errors.Is(err, adoption.ErrNoBeat):
		return "the replica for reports" + said(err), "start feegate serve with FEEGATE_REPORT_DATABASE_URL; reports are read from the primary until then"
	case err != nil:
		return "the replica for reports" + said(err), "see that it runs and takes the role feegate_service; reports are read from the primary meanwhile"
	}
	return "the replica for reports answers", ""
}

// accountHealth says how an account is, and what to do where it cannot be used as it was meant; one that ended or begins later was
// meant so.
func accountHealth(e *account.Entry, now time.Time) (text, mend string) {
	a := &e.Account
	name := "account " + a.ID
	switch {
	case errors.Is(e.Err, providers.ErrConfig):
		return name + said(e.Err), "mend it as named, with: feegate account rotate " + a.ID + " (credentials) or feegate account beneficiary propose " + a.ID + " (bank account)"
	case e.Err != nil:
		return name + said(e.Err), "its secret was sealed under another master key, or its provider is not known: enter its credentials again with: feegate account rotate " + a.ID
	case a.Unapproved:
		for _, b := range a.Beneficiaries {
			switch b.Status {
			case account.BeneficiaryProposed:
				return name + ": no beneficiary is approved, so it takes no payments", "an approver other than who proposed it decides, with: feegate account beneficiary approve " + a.ID + " " + b.ID + " --by USER"
			case account.BeneficiaryApproved:
				return name + ": its beneficiary is in force from " + b.EffectiveAt.In(time.FixedZone("+07", 7*3600)).Format(time.RFC3339) + " on", ""
			}
		}
		return name + ": it has no beneficiary, so it takes no payments", "propose one with: feegate account beneficiary propose " + a.ID
	}
	if why := e.Problems(now); len(why) > 0 {
		return name + ": " + strings.Join(why, "; "), ""
	}
	for _, s := range a.Secrets {
		if s.ValidUntil != nil {
			return name + ": its old secret is accepted until " + s.ValidUntil.In(time.FixedZone("+07", 7*3600)).Format(time.RFC3339), ""
		}
	}
	return name, ""
}

func said(err error) string {
	if err == nil {
		return ""
	}
	return ": " + err.Error()
}
