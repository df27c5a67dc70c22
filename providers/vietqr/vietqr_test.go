package vietqr

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"feegate/providers"
)

func testAccount() providers.Account {
	return providers.Account{ID: "acc_test", Terminal: "0123456789", Credentials: []map[string]string{{}},
		Beneficiary: providers.Beneficiary{Bank: "970436", Number: "0123456789", Name: "SO TAI NGUYEN VA MOI TRUONG"}}
}

func testPayment() providers.Payment {
	at := time.Date(2026, 3, 5, 7, 0, 0, 0, time.UTC)
	return providers.Payment{Reference: "PHX22222223A4", Amount: 1_250_000, Description: "Lệ phí", Method: providers.MethodQR, CreatedAt: at, ExpiresAt: at.Add(time.Hour)}
}

func TestCheckoutIsTheCodeAndWhatToTypeInstead(t *testing.T) {
	a := testAccount()
	a.Beneficiary = providers.Beneficiary{Bank: "Ngân hàng Vietcombank", Number: "0123 456-789", Name: " SO TAI CHINH "}
	p, err := providers.NewRegistry(Registration()).New(Name, a, providers.Deps{})
	if err != nil {
		t.Fatal(err)
	}
	r, err := p.Checkout(context.Background(), testPayment())
	if err != nil {
		t.Fatal(err)
	}
	if want := "00020101021238540010A00000072701240006970436011001234567890208QRIBFTTA5303704540712500005802VN62170813PHX22222223A463048318"; r.QRPayload != want {
		t.Errorf("%s\nwant %s", r.QRPayload, want)
	}
	want := providers.TransferTo{BankBIN: "970436", BankName: "Vietcombank", AccountNumber: "0123456789", AccountName: "SO TAI CHINH", Amount: 1_250_000, Content: "PHX22222223A4"}
	if r.Transfer == nil || *r.Transfer != want || r.URL != "" {
		t.Errorf("%+v", r.Transfer)
	}
	for name, change := range map[string]func(*providers.Payment){
		"no amount": func(p *providers.Payment) { p.Amount = 0 }, "a reference of another kind": func(p *providers.Payment) { p.Reference = "FG1" },
	} {
		pay := testPayment()
		change(&pay)
		if r, err := p.Checkout(context.Background(), pay); !errors.Is(err, providers.ErrConfig) {
			t.Errorf("%s: %+v %v", name, r, err)
		}
	}
}

func TestAnAccountWithoutAReadableBeneficiaryIsNotSetUp(t *testing.T) {
	for want, change := range map[string]func(*providers.Account){
		"no beneficiary":      func(a *providers.Account) { a.Beneficiary = providers.Beneficiary{} },
		"has no beneficiary:": func(a *providers.Account) { a.Beneficiary.Number = " " },
		"bank":                func(a *providers.Account) { a.Beneficiary.Bank = "Ngân hàng Không Có" },
		"account number":      func(a *providers.Account) { a.Beneficiary.Number = "0123/456"; a.Terminal = "" },
		"terminal":            func(a *providers.Account) { a.Terminal = "9876543210" },
	} {
		a := testAccount()
		change(&a)
		if _, err := Registration().New(a, providers.Deps{}); !errors.Is(err, providers.ErrConfig) || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", want, err)
		}
	}
}

func TestNobodyIsAskedAndNobodyCalls(t *testing.T) {
	p, err := Registration().New(testAccount(), providers.Deps{}) // no client: a call would panic
	if err != nil {
		t.Fatal(err)
	}
	if n, err := p.Lookup(context.Background(), testPayment()); err != nil || n.Outcome != providers.NotFound {
		t.Errorf("%+v %v", n, err)
	}
	plan := p.LookupPlan()
	if len(plan.Early) != 0 || len(plan.AfterExpiry) != 1 || plan.GiveUpAfter >= plan.AfterExpiry[0] {
		t.Errorf("our clock does not end the payment at the first look: %+v", plan)
	}
	for _, c := range []providers.Callback{{}, {Method: "POST", Body: []byte(`{"success":true}`)}, {Method: "GET", Return: true, RawQuery: "status=PAID"}} {
		if ns, err := p.Verify(context.Background(), c); len(ns) != 0 || !errors.Is(err, providers.ErrForged) {
			t.Errorf("%+v: %+v %v", c, ns, err)
		}
	}
	rows, refused := 0, 0
	for _, err := range p.ParseSettlement(strings.NewReader("a,b\n1,2\n")) {
		var le *providers.LineError
		if rows++; errors.As(err, &le) && strings.Contains(le.Detail, "statement") {
			refused++
		}
	}
	if rows != 1 || refused != 1 {
		t.Errorf("a settlement file: %d rows, %d refused", rows, refused)
	}
}

func TestBanksAreFoundByWhateverPeopleWrite(t *testing.T) {
	for s, bin := range map[string]string{"970436": "970436", " 970436 ": "970436", "vcb": "970436", "Vietcombank": "970436", "BFTVVNVX": "970436", "ICB": "970415",
		"MB": "970422", "mb bank": "970422", "Ngân hàng TMCP Á Châu": "", "ngân hàng Agribank": "970405", "Bắc Á Bank": "970409", "999999": "999999", "97043": "", "": "", "ngân hàng": ""} {
		b, err := FindBank(s)
		if b.BIN != bin || (err != nil) != (bin == "") {
			t.Errorf("%q: %+v %v, want %s", s, b, err, bin)
		}
	}
	seen := map[string]string{}
	for _, r := range bankRows() {
		if !isBIN(r.bank.BIN) || r.bank.Name == "" || r.bank.Code == "" {
			t.Errorf("%+v", r.bank)
		}
		for _, n := range r.names {
			if other := seen[n]; other != "" && other != r.bank.BIN {
				t.Errorf("%s is the name of %s and %s", n, other, r.bank.BIN)
			}
			seen[n] = r.bank.BIN
		}
	}
	if len(Banks()) != 27 {
		t.Errorf("%d banks", len(Banks()))
	}
}
