package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/jmoiron/sqlx"

	"feegate/gateway/account"
	"feegate/gateway/identity"
	"feegate/gateway/vnd"
	"feegate/providers/breaker"
)

type accountCommands struct {
	List        listAccountsCommand `cmd:"" help:"List the merchant accounts, and why one takes no payments."`
	Show        showAccountCommand  `cmd:"" help:"Show an account: its terms, when each secret was set, every beneficiary. Never a secret."`
	Create      openAccountCommand  `cmd:"" help:"Open an account. It takes no payments until another person has approved its beneficiary."`
	Set         setAccountCommand   `cmd:"" help:"Change limits, kinds, methods, tariff, validity, cut-off, calendar, place or timeouts."`
	Rotate      rotateCommand       `cmd:"" help:"Give an account new credentials. They sign at once; the old ones are accepted for the overlap."`
	Revoke      revokeSecretCommand `cmd:"" help:"End the overlap now: what the old credentials signed is refused."`
	Beneficiary beneficiaryCommands `cmd:"" help:"Where an account's money goes: one person proposes, another decides."`
	Check       checkCommand        `cmd:"" help:"Ask the provider now, and say in plain words what it answered. No money is touched."`
}

type beneficiaryCommands struct {
	Propose proposeCommand `cmd:"" help:"Propose another bank account. Nothing changes until another person approves."`
	Approve approveCommand `cmd:"" help:"Approve a proposal, as another person than proposed it."`
	Reject  rejectCommand  `cmd:"" help:"Reject a proposal, as another person than proposed it."`
}

// accountFlags is how these commands reach the accounts.
type accountFlags struct {
	databaseFlag
	MasterKeyFile string `required:"" env:"FEEGATE_MASTER_KEY_FILE" help:"File with the master key, mode 0600." placeholder:"FILE"`
	PublicURL     string `env:"FEEGATE_PUBLIC_URL" default:"http://127.0.0.1:8080" help:"Address under which payers and providers reach the service." placeholder:"URL"`
}

// accountDesk is the accounts, opened for one command.
type accountDesk struct {
	accounts *account.Store
	people   *identity.Store
	db       *sqlx.DB
	machine  identity.Actor // who sits at it
	keys     *account.Keys
}

func (f *accountFlags) open(ctx context.Context) (*accountDesk, error) {
	keys, err := account.LoadKeys(f.MasterKeyFile)
	if err != nil {
		return nil, err
	}
	people, db, machine, err := f.people(ctx)
	if err != nil {
		return nil, err
	}
	return &accountDesk{account.NewStore(db, keys, registry(), strings.TrimSuffix(f.PublicURL, "/"), time.Now, breaker.New(breaker.Settings{}).Client), people, db, machine, keys}, nil
}

func (d *accountDesk) close() error { return errors.Join(d.people.Close(), d.db.Close()) }

// as is the person with the name, who must have the role and, where an account is named, may work for its agency; "" is whoever sits
// at the machine.
func (d *accountDesk) as(ctx context.Context, name string, role identity.Role, agency string) (account.By, error) {
	who := d.machine
	if name != "" {
		all, err := d.people.Users(ctx)
		if err != nil {
			return account.By{}, err
		}
		n := slices.IndexFunc(all, func(u identity.User) bool { return u.Name == name && u.DisabledAt == nil })
		if n < 0 || !slices.Contains(all[n].Roles, role) || agency != "" && len(all[n].Agencies) > 0 && !slices.Contains(all[n].Agencies, agency) {
			return account.By{}, fmt.Errorf("--by %s: there is no such person with the role %s for this agency", name, role)
		}
		who = identity.Actor{Kind: identity.KindUser, ID: all[n].ID, Address: d.machine.ID} // the audit tells that it was done here
	}
	return account.By{ID: who.ID, Record: func(ctx context.Context, tx sqlx.ExtContext, action, object string, detail map[string]any) error {
		return d.people.Audit(ctx, tx, who, action, object, detail)
	}}, nil
}

// change does something to an account as a person, and shows what became of it.
func (f *accountFlags) change(i *invocation, id, by string, role identity.Role, do func(*account.Store, account.By) error) (err error) {
	d, err := f.open(i.ctx)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, d.close()) }()
	e, err := d.accounts.Get(i.ctx, id)
	if err != nil {
		return err
	}
	who, err := d.as(i.ctx, by, role, e.Account.AgencyCode)
	if err != nil {
		return err
	}
	if err := do(d.accounts, who); err != nil {
		return err
	}
	return f.show(i, d.accounts, id)
}

func (f *accountFlags) show(i *invocation, accounts *account.Store, id string) error {
	e, err := accounts.Get(i.ctx, id)
	if err != nil {
		return err
	}
	v := accounts.View(e)
	if f.JSON {
		return json.NewEncoder(i.out).Encode(v)
	}
	return printAccount(i.out, &v)
}

// input reads JSON from a file, or with "-" from standard input: what is in a flag or the environment, others on the machine see.
func input(file string, v any) error {
	in := io.Reader(os.Stdin)
	if file != "-" {
		f, err := os.Open(file)
		if err != nil {
			return err
		}
		defer func() { _ = f.Close() }()
		in = f
	}
	d := json.NewDecoder(io.LimitReader(in, 1<<20))
	d.DisallowUnknownFields()
	if err := d.Decode(v); err != nil {
		var wrong *json.UnmarshalTypeError
		if errors.As(err, &wrong) { // it would tell the value
			return fmt.Errorf("%s: %s is not of the right type", file, wrong.Field)
		}
		return fmt.Errorf("%s is not the JSON that is asked for: %w", file, err)
	}
	if d.More() {
		return fmt.Errorf("%s: something follows the JSON object", file)
	}
	return nil
}

type listAccountsCommand struct {
	accountFlags
	Agency string `help:"Of this agency alone." placeholder:"CODE"`
}

// Run lists.
func (c *listAccountsCommand) Run(i *invocation) (err error) {
	d, err := c.open(i.ctx)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, d.close()) }()
	entries, err := d.accounts.ForAgency(i.ctx, c.Agency)
	if err != nil {
		return err
	}
	views := []account.View{}
	for _, e := range entries {
		views = append(views, d.accounts.View(e))
	}
	if c.JSON {
		return json.NewEncoder(i.out).Encode(views)
	}
	return printAccounts(i.out, views)
}

type showAccountCommand struct {
	accountFlags
	ID string `arg:"" help:"Id of the account (acc_…)."`
}

// Run shows.
func (c *showAccountCommand) Run(i *invocation) (err error) {
	d, err := c.open(i.ctx)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, d.close()) }()
	return c.show(i, d.accounts, c.ID)
}

type openAccountCommand struct {
	accountFlags
	File        string `arg:"" help:"JSON as POST /v1/accounts takes it; - reads standard input."`
	Credentials string `help:"JSON file with the credentials, where they are not in FILE; - reads standard input." placeholder:"FILE"`
	By          string `required:"" help:"Name of the admin who opens it, and so proposes its beneficiary." placeholder:"USER"`
}

// Run opens.
func (c *openAccountCommand) Run(i *invocation) (err error) {
	var n account.NewAccount
	if err := input(c.File, &n); err != nil {
		return err
	}
	if c.Credentials != "" {
		if err := input(c.Credentials, &n.Credentials); err != nil {
			return err
		}
	}
	d, err := c.open(i.ctx)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, d.close()) }()
	who, err := d.as(i.ctx, c.By, identity.Admin, n.AgencyCode)
	if err != nil {
		return err
	}
	id, err := d.accounts.Open(i.ctx, n, who)
	if err != nil {
		return err
	}
	return c.show(i, d.accounts, id)
}

type setAccountCommand struct {
	accountFlags
	ID          string         `arg:"" help:"Id of the account (acc_…)."`
	Version     int            `help:"The version that you saw; refused where somebody else changed it since. That which is stored now when absent."`
	Kinds       []string       `help:"phi, le_phi, or nvtc alone."`
	Methods     []string       `help:"qr, wallet, atm, card, transfer; all: whatever the provider has."`
	Min         *int64         `help:"Smallest amount of one payment; 0: the provider's."`
	Max         *int64         `help:"Largest amount of one payment; 0: the provider's."`
	TariffBps   *int64         `help:"The provider's fee in ten-thousandths; the other parts of the tariff are 0 where they are not given."`
	TariffFixed int64          `help:"Its fixed part."`
	TariffMin   int64          `help:"At least."`
	TariffMax   int64          `help:"At most; 0: no bound."`
	TariffFrom  string         `help:"First day of the tariff; today when absent." placeholder:"DAY"`
	ValidFrom   *string        `help:"First day of the account." placeholder:"DAY"`
	ValidTo     *string        `help:"First day on which it is not in force; never: without end." placeholder:"DAY"`
	Cutoff      *string        `help:"Time of day by which a settlement should be here." placeholder:"HH:MM"`
	Weekdays    []int          `help:"On which the provider settles; 1 is Monday."`
	Days        *int           `help:"How many settling days after the day itself it settles."`
	Holidays    []string       `help:"Days on which it does not settle; none: every one is a working day." placeholder:"DAY"`
	Position    *int           `help:"Place on the checkout page."`
	Timeout     map[string]int `help:"Milliseconds of an operation: --timeout lookup=5000." placeholder:"OPERATION=MS"`
	By          string         `help:"Name of the admin who changes it; whoever sits at this machine when absent." placeholder:"USER"`
}

// Validate says what cannot be meant.
func (c *setAccountCommand) Validate() error {
	if c.TariffBps == nil && (c.TariffFixed != 0 || c.TariffMin != 0 || c.TariffMax != 0 || c.TariffFrom != "") {
		return errors.New("a tariff needs --tariff-bps, 0 where there is none")
	}
	for _, amount := range []*int64{c.Min, c.Max, &c.TariffFixed, &c.TariffMin, &c.TariffMax} {
		if amount != nil && (*amount < 0 || !vnd.Amount(*amount).Valid()) {
			return fmt.Errorf("%d is no amount", *amount)
		}
	}
	return nil
}

// Run changes.
func (c *setAccountCommand) Run(i *invocation) error {
	return c.change(i, c.ID, c.By, identity.Admin, func(accounts *account.Store, who account.By) error {
		e, err := accounts.Get(i.ctx, c.ID)
		if err != nil {
			return err
		}
		return accounts.Change(i.ctx, c.ID, c.asked(&e.Account), who)
	})
}

type rotateCommand struct {
	accountFlags
	ID          string        `arg:"" help:"Id of the account (acc_…)."`
	Credentials string        `required:"" help:"JSON file with all of the new credentials by name; - reads standard input." placeholder:"FILE"`
	Overlap     time.Duration `default:"24h" help:"How long the old ones are accepted; 0s where others know them."`
	By          string        `help:"Name of the admin who rotates; whoever sits at this machine when absent." placeholder:"USER"`
}

// Run rotates.
func (c *rotateCommand) Run(i *invocation) error {
	var credentials map[string]string
	if err := input(c.Credentials, &credentials); err != nil {
		return err
	}
	return c.change(i, c.ID, c.By, identity.Admin, func(accounts *account.Store, who account.By) error {
		return accounts.Rotate(i.ctx, c.ID, credentials, c.Overlap, who)
	})
}

type revokeSecretCommand struct {
	accountFlags
	ID string `arg:"" help:"Id of the account (acc_…)."`
	By string `help:"Name of the admin who revokes; whoever sits at this machine when absent." placeholder:"USER"`
}

// Run revokes; running replicas accept the old secret for seconds longer at most.
func (c *revokeSecretCommand) Run(i *invocation) error {
	return c.change(i, c.ID, c.By, identity.Admin, func(accounts *account.Store, who account.By) error {
		return accounts.RevokeOld(i.ctx, c.ID, who)
	})
}

type proposeCommand struct {
	accountFlags
	ID     string `arg:"" help:"Id of the account (acc_…)."`
	Bank   string `required:"" help:"Six digits (BIN), a code or a name."`
	Number string `required:"" help:"The account number."`
	Name   string `required:"" help:"The holder, as the bank has it."`
	From   string `help:"First day; at once when absent." placeholder:"DAY"`
	Reason string `required:"" help:"Why."`
	By     string `required:"" help:"Name of the admin who proposes." placeholder:"USER"`
}

// Run proposes.
func (c *proposeCommand) Run(i *invocation) error {
	return c.change(i, c.ID, c.By, identity.Admin, func(accounts *account.Store, who account.By) error {
		_, err := accounts.Propose(i.ctx, c.ID, account.NewBeneficiary{Payee: account.Payee{Bank: c.Bank, Number: c.Number, Name: c.Name}, From: c.From, Reason: c.Reason}, who)
		return err
	})
}

type decideFlags struct {
	accountFlags
	ID       string `arg:"" help:"Id of the account (acc_…)."`
	Proposal string `arg:"" help:"Id of the proposal (bnf_…)."`
	Note     string `help:"A few words."`
	By       string `required:"" help:"Name of the approver who decides." placeholder:"USER"`
}

func (c *decideFlags) decide(i *invocation, approve bool) error {
	return c.change(i, c.ID, c.By, identity.Approver, func(accounts *account.Store, who account.By) error {
		return accounts.Decide(i.ctx, c.ID, c.Proposal, approve, c.Note, who)
	})
}

type approveCommand struct{ decideFlags }

// Run approves.
func (c *approveCommand) Run(i *invocation) error { return c.decide(i, true) }

type rejectCommand struct{ decideFlags }

// Run rejects.
func (c *rejectCommand) Run(i *invocation) error { return c.decide(i, false) }

type checkCommand struct {
	accountFlags
	ID string `arg:"" help:"Id of the account (acc_…)."`
}

var errDoesNotWork = errors.New("the account does not work as it is set up")

// Run asks the provider. The error says only that something was found: what, stands in the output.
func (c *checkCommand) Run(i *invocation) (err error) {
	d, err := c.open(i.ctx)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, d.close()) }()
	report, err := d.accounts.Check(i.ctx, c.ID, breaker.New(breaker.Settings{}).Client)
	if err != nil {
		return err
	}
	if err := d.people.Audit(i.ctx, nil, d.machine, "account.checked", c.ID, map[string]any{"works": report.Works}); err != nil {
		return err
	}
	if c.JSON {
		err = json.NewEncoder(i.out).Encode(report)
	} else {
		err = printReport(i.out, report)
	}
	if err == nil && !report.Works {
		err = errDoesNotWork
	}
	return err
}
