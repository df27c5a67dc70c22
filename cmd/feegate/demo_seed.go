package main

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"
	"time"

	"github.com/jmoiron/sqlx"

	"feegate/gateway/account"
	"feegate/gateway/identity"
	"feegate/gateway/vnd"
	"feegate/providers"
	"feegate/providers/casso"
	"feegate/providers/dvcqg"
	"feegate/providers/momo"
	"feegate/providers/payos"
	"feegate/providers/sepay"
	"feegate/providers/vietqr"
	"feegate/providers/vnpay"
	"feegate/providers/zalopay"
)

// demoSecrets are the demo's keys; they stay the same over restarts (demo.json, mode 0600).
type demoSecrets struct {
	APIKey    string     `json:"api_key"`
	CaseKey   string     `json:"case_key"`
	OtherKey  string     `json:"other_key"`
	Reporting string     `json:"reporting_key"`
	Portal    string     `json:"portal_key"` // the simulator's portal: a client of its own
	Users     []demoUser `json:"users"`
	Begun     time.Time  `json:"begun"` // the clock's time at the first start
}

// demoUser is a person of the demo: one of each role, and a second approver.
type demoUser struct {
	Name     string        `json:"name"`
	Password string        `json:"password"`
	Role     identity.Role `json:"role"`
}

func demoUsers() []demoUser {
	var out []demoUser
	for _, r := range identity.Roles() {
		out = append(out, demoUser{Name: string(r), Role: r})
	}
	out = append(out, demoUser{Name: "approver-2", Role: identity.Approver})
	for i := range out {
		out[i].Password = strings.ToLower(rand.Text()[:20])
	}
	return out
}

type demoAccount struct {
	ID          string                `json:"id"`
	Provider    string                `json:"provider"`
	AgencyCode  string                `json:"agency_code"`
	Kinds       []string              `json:"kinds"`
	Credentials map[string]string     `json:"credentials"`
	Terminal    string                `json:"terminal,omitempty"`     // where no credential names it
	BankAccount string                `json:"bank_account,omitempty"` // where its money comes into
	Beneficiary providers.Beneficiary `json:"-"`
}

func loadDemoSecrets(name string, now time.Time) (demoSecrets, error) {
	var s demoSecrets
	raw, err := os.ReadFile(name)
	if err == nil {
		if err := json.Unmarshal(raw, &s); err != nil {
			return s, fmt.Errorf("%s is damaged: %w", name, err)
		}
		return s, nil
	}
	if !errors.Is(err, os.ErrNotExist) {
		return s, err
	}
	key := func() string { return "fgk_" + strings.ToLower(rand.Text()+rand.Text()) }
	s = demoSecrets{key(), key(), key(), key(), key(), demoUsers(), now}
	return s, writeWhole(name, s)
}

// writeWhole writes a file that nobody ever sees half of.
func writeWhole(name string, v any) error {
	raw, err := json.MarshalIndent(v, "", "  ")
	if err != nil {
		return err
	}
	if err := os.WriteFile(name+".new", raw, 0o600); err != nil {
		return err
	}
	return os.Rename(name+".new", name)
}

// demoAccounts are the accounts of each agency, one of each provider; the first agency's have the credentials of the published
// test vectors, the others derived ones. The order is that of the checkout page.
func demoAccounts() []demoAccount {
	var out []demoAccount
	for n, agency := range demoAgencies() {
		for _, provider := range []func(n int) demoAccount{demoVNPAY, demoMoMo, demoZaloPay, demoSePay, demoCasso, demoPayOS, demoDVCQG} {
			d := provider(n + 1)
			if d.Beneficiary.Number == "" {
				d.Beneficiary = demoPayoutBank(d.Provider, n+1)
			}
			d.ID, d.AgencyCode, d.Kinds = fmt.Sprintf("acc_%s_%d", d.Provider, n+1), agency.code, []string{"phi", "le_phi"}
			out = append(out, d)
		}
	}
	out = append(out, demoVietQR(demoAgencies()[0].code))
	out = append(out, demoAccount{ID: "acc_momo_nvtc", Provider: "momo", AgencyCode: demoAgencies()[0].code, Kinds: []string{"nvtc"}, Beneficiary: providers.Beneficiary{Bank: "970436", Number: "1004000001", Name: "KHO BAC NHA NUOC"}, Credentials: map[string]string{
		momo.CredentialPartner: "FEEGATEMOMONVTC", momo.CredentialAccess: "FEEGATEACCESSKEY", momo.CredentialSecret: "SECRETKEYFORTESTVECTORS000000099"}})
	for i := range out {
		out[i].BankAccount = out[i].Beneficiary.Number
	}
	return out
}

// nth is the n-th name of a kind, for those whose first has a number already.
func nth(first string, n int) string {
	if n == 1 {
		return first
	}
	return first + fmt.Sprint(n)
}

func demoVNPAY(n int) demoAccount {
	secret := 1
	if n > 1 {
		secret = 9 + n
	}
	return demoAccount{Provider: "vnpay", Credentials: map[string]string{
		vnpay.CredentialTerminal: fmt.Sprintf("FEEGATE%d", n), vnpay.CredentialSecret: fmt.Sprintf("SECRETKEYFORTESTVECTORS%09d", secret)}}
}

func demoMoMo(n int) demoAccount {
	secret := 2
	if n > 1 {
		secret = 9 + n
	}
	return demoAccount{Provider: "momo", Credentials: map[string]string{momo.CredentialPartner: nth("FEEGATEMOMO", n),
		momo.CredentialAccess: "FEEGATEACCESSKEY", momo.CredentialSecret: fmt.Sprintf("SECRETKEYFORTESTVECTORS%09d", secret)}}
}

func demoZaloPay(n int) demoAccount {
	key := func(first string) string {
		if n > 1 {
			return fmt.Sprintf("%s_%02d", first, n)
		}
		return first
	}
	return demoAccount{Provider: "zalopay", Credentials: map[string]string{zalopay.CredentialApp: fmt.Sprint(900000 + n),
		zalopay.CredentialKey1: key("FAKEkey1_4f1c2d3e5a6b7c8d9e0f1a2b"), zalopay.CredentialKey2: key("FAKEkey2_9a8b7c6d5e4f3a2b1c0d9e8f")}}
}

// demoBank is the bank account of the n-th agency: SePay and Casso watch the same one, so that each transfer is told twice.
func demoBank(n int) providers.Beneficiary {
	return providers.Beneficiary{Bank: "970436", Number: fmt.Sprintf("01234567%02d", 88+n), Name: fmt.Sprintf("TAI KHOAN THU PHI %02d", n)}
}

// demoPayoutBank is where a provider pays the n-th agency's money out: an account for each provider.
func demoPayoutBank(provider string, n int) providers.Beneficiary {
	return providers.Beneficiary{Bank: "970436", Number: fmt.Sprintf("100%d0000%02d", map[string]int{"vnpay": 1, "momo": 2, "zalopay": 3}[provider], n), Name: fmt.Sprintf("TAI KHOAN THU PHI %02d", n)}
}

func demoSePay(n int) demoAccount {
	return demoAccount{Provider: sepay.Name, Terminal: demoBank(n).Number, Beneficiary: demoBank(n), Credentials: map[string]string{
		sepay.CredentialKey: nth("FAKE_SEPAY_APIKEY_123456", n), sepay.CredentialSecret: nth("FAKEsepaySecret_0f1e2d3c4b5a69788796a5b4c3d2e1f0", n),
		sepay.CredentialToken: nth("FAKE_SEPAY_API_TOKEN", n)}}
}

func demoCasso(n int) demoAccount {
	return demoAccount{Provider: casso.Name, Terminal: demoBank(n).Number, Beneficiary: demoBank(n), Credentials: map[string]string{
		casso.CredentialKey: nth("FAKEcassoKey_8c7b6a5948372615f0e1d2c3b4a59687", n), casso.CredentialToken: nth("FAKE_SECURE_TOKEN", n),
		casso.CredentialAPI: nth("FAKE_CASSO_API_KEY", n)}}
}

// demoPayOS has virtual accounts of its own before an account at another bank.
func demoPayOS(n int) demoAccount {
	to := providers.Beneficiary{Bank: "970422", Number: fmt.Sprintf("12345678%02d", n), Name: fmt.Sprintf("TAI KHOAN THU PHI %02d", n)}
	return demoAccount{Provider: payos.Name, Beneficiary: to, Credentials: map[string]string{payos.CredentialClient: nth("fake-client-id", n),
		payos.CredentialKey: nth("fake-api-key", n), payos.CredentialChecksum: nth("FAKEchecksum_00112233445566778899aabbccddeeff", n)}}
}

// demoVietQR is a second bank account of an agency, which nobody watches: its statement alone tells.
func demoVietQR(agency string) demoAccount {
	to := providers.Beneficiary{Bank: "970418", Number: "1122334455", Name: "TAI KHOAN THU PHI 01"}
	return demoAccount{ID: "acc_vietqr_1", Provider: vietqr.Name, AgencyCode: agency, Kinds: []string{"phi", "le_phi"}, Terminal: to.Number, Beneficiary: to,
		Credentials: map[string]string{}}
}

// demoDVCQG is an account at the national portal's payment platform; it takes the money of whoever is named in the receipt block.
func demoDVCQG(n int) demoAccount {
	secret := "demo-secret"
	if n > 1 {
		secret = fmt.Sprintf("demo-secret-%d", n)
	}
	return demoAccount{Provider: "dvcqg", Credentials: map[string]string{dvcqg.CredentialPartner: nth("H10DEMO", n), dvcqg.CredentialSecret: secret},
		Beneficiary: providers.Beneficiary{Bank: "970436", Number: fmt.Sprintf("%010d", 1122330000+n), Name: "KHO BAC NHA NUOC"}}
}

// terminal is the account's id at its provider.
func (d *demoAccount) terminal() string {
	if d.Terminal != "" {
		return d.Terminal
	}
	return d.Credentials[registry()[d.Provider].TerminalField]
}

// seedPeople fills an empty database with catalogue, clients, keys and people.
func seedPeople(ctx context.Context, db *sqlx.DB, a *app, s demoSecrets, now time.Time) error {
	if err := seedRows(ctx, db, s, now); err != nil {
		return err
	}
	by := identity.Actor{Kind: identity.KindSystem, ID: "demo"}
	for _, u := range s.Users {
		client := ""
		if u.Role == identity.PortalAdmin {
			client = "cli_portal"
		}
		_, err := a.people.CreateUser(ctx, by, identity.NewUser{Name: u.Name, Password: u.Password, Roles: []identity.Role{u.Role}, ClientID: client})
		if err != nil && !errors.Is(err, identity.ErrTaken) {
			return err
		}
	}
	return nil
}

// seedAccounts makes the merchant accounts where there are none, and tells the simulator of them.
func seedAccounts(ctx context.Context, db *sqlx.DB, accounts *account.Store, simulator string) ([]demoAccount, error) {
	exists, err := accounts.Exists(ctx)
	if err != nil {
		return nil, err
	}
	tariff := vnd.Tariff{BPS: 110}
	all := demoAccounts()
	for n, d := range all {
		terminal, tariff := d.terminal(), tariff
		if registry()[d.Provider].Transfers {
			tariff = vnd.Tariff{} // a transfer costs the agency nothing
		}
		if !exists {
			if err := accounts.Create(ctx, account.Account{ID: d.ID, Provider: d.Provider, AgencyCode: d.AgencyCode, Terminal: terminal, Kinds: d.Kinds,
				BaseURL: simulator + "/" + d.Provider, Tariff: tariff, Credentials: d.Credentials, Position: n,
				BeneficiaryBank: d.Beneficiary.Bank, BeneficiaryAccount: d.Beneficiary.Number, BeneficiaryName: d.Beneficiary.Name}); err != nil {
				return nil, err
			}
		}
		if err := send(ctx, http.MethodPut, simulator+"/control/"+d.Provider+"/accounts/"+terminal, map[string]any{"credentials": d.Credentials, "tariff": tariff, "bank_account": d.Beneficiary.Number,
			"callback_url": accounts.CallbackURL(d.Provider, d.ID)}); err != nil {
			return nil, fmt.Errorf("telling the simulator of %s: %w", d.ID, err)
		}
	}
	if exists { // the simulator may have another port than last time
		return all, moveAccounts(ctx, db, simulator)
	}
	return all, nil
}

func send(ctx context.Context, method, address string, body any) error {
	raw, err := json.Marshal(body)
	if err != nil {
		return err
	}
	req, err := http.NewRequestWithContext(ctx, method, address, bytes.NewReader(raw))
	if err != nil {
		return err
	}
	req.Header.Set("Content-Type", "application/json")
	resp, err := (&http.Client{Timeout: 10 * time.Second}).Do(req)
	if err != nil {
		return err
	}
	defer func() { _ = resp.Body.Close() }()
	if said, _ := io.ReadAll(io.LimitReader(resp.Body, 1<<10)); resp.StatusCode/100 != 2 {
		return fmt.Errorf("%s: %s", resp.Status, said)
	}
	return nil
}
