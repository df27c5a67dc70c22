package providertest

import (
	"fmt"
	"strings"
	"testing"
)

// recorder is a T that remembers.
type recorder struct{ errors []string }

func (r *recorder) Helper() {}
func (r *recorder) Errorf(f string, args ...any) {
	r.errors = append(r.errors, fmt.Sprintf(f, args...))
}

// failure runs the named check on a subject and gives what it finds; "" = nothing.
func failure(check string, s Subject) string {
	r := &recorder{}
	for _, c := range Checks() {
		if c.Name == check {
			s.Lacks.or(c)(r, s)
		}
	}
	return strings.Join(r.errors, "\n")
}

func TestAnHonestProviderPasses(t *testing.T) { Run(t, toySubject(flaws{})) }

func TestAnHonestNotifierPasses(t *testing.T) { Run(t, toySubject(flaws{bank: true})) }

// A subject that says of a toy that has everything that it lacks something is found out.
func TestWhatIsLackingMustBeLacking(t *testing.T) {
	for check, lacks := range map[string]Lacks{
		"tampering": {Callbacks: true}, "replay": {Callbacks: true}, "rotation": {Callbacks: true}, "wrong-method": {Callbacks: true},
		"timeout": {Calls: true}, "not-sent": {Calls: true}, "garbage": {Calls: true}, "amount": {Callbacks: true, Calls: true},
		"codes": {Codes: true}, "unknown-code": {Codes: true}, "settlement": {Settlement: true}, "settlement-bad": {Settlement: true}, "wrong-account": {Terminal: true},
	} {
		s := toySubject(flaws{})
		s.Lacks = lacks
		if failure(check, s) == "" {
			t.Errorf("%s: nobody sees that nothing lacks (%+v)", check, lacks)
		}
	}
	s := toySubject(flaws{anySignature: true, anyMethod: true, openDoor: true})
	s.Lacks, s.Callback, s.SignedFields = Lacks{Callbacks: true}, nil, nil
	if failure("tampering", s) == "" {
		t.Error("a provider that nobody calls takes a call")
	}
}

func TestEachLieIsFoundByItsCheck(t *testing.T) {
	found := map[string]bool{}
	for name, c := range map[string]struct {
		flaws flaws
		check string
	}{
		"accepts any signature":                {flaws{anySignature: true}, "tampering"},
		"does not sign the amount":             {flaws{unsignedAmount: true}, "tampering"},
		"ignores the terminal":                 {flaws{noTerminal: true}, "wrong-account"},
		"takes any method":                     {flaws{anyMethod: true}, "wrong-method"},
		"forgets the old secret at once":       {flaws{oneSecretOnly: true}, "rotation"},
		"takes an unknown code for a failure":  {flaws{unknownFails: true}, "unknown-code"},
		"the same in a query":                  {flaws{unknownQueryFails: true}, "unknown-code"},
		"takes a timeout for a failure":        {flaws{timeoutFails: true}, "timeout"},
		"calls a refused connection uncertain": {flaws{refusedUncertain: true}, "not-sent"},
		"takes garbage for a refusal":          {flaws{garbageFails: true}, "garbage"},
		"believes a success under status 500":  {flaws{believes5xx: true}, "garbage"},
		"reports the amount that was asked":    {flaws{askedAmount: true}, "amount"},
		"puts the answer into its errors":      {flaws{leaks: true}, "secrets"},
		"sends the secret":                     {flaws{leaksInRequest: true}, "secrets"},
		"never sends the same twice":           {flaws{randomRequest: true}, "repeatable"},
		"pays back under another id":           {flaws{refundAnew: true}, "refund-twice"},
		"pays back by a look-up":               {flaws{lookupPaysBack: true}, "refund-twice"},
		"believes a refusal of the repetition": {flaws{refusalFails: true}, "refund-twice"},
		"asks without pause":                   {flaws{noMinInterval: true}, "plan"},
		"answers nothing":                      {flaws{emptyStatus: true}, "answers"},
		"thanks a forger":                      {flaws{forgedIsFine: true}, "answers"},
		"one match key for all":                {flaws{settlementNoKey: true}, "settlement"},
		"skips bad rows in silence":            {flaws{settlementForgives: true}, "settlement-bad"},
		"reads a code wrongly":                 {flaws{codeWrong: true}, "codes"},
		"has a code that nobody listed":        {flaws{codeUnlisted: true}, "codes"},
		"chokes on awkward text":               {flaws{encodes: true}, "canonical"},
		"signs another text than it reads":     {flaws{canonicalOther: true}, "canonical"},
		"tells another story the second time":  {flaws{forgets: true}, "replay"},
		"does not follow the vectors":          {flaws{otherVector: true}, "vectors"},
		"tells another id in the list":         {flaws{bank: true, otherID: true}, "fetch"},
		"reads on from any cursor":             {flaws{bank: true, anyCursor: true}, "fetch"},
		"loses its own references":             {flaws{bank: true, loses: true}, "calls"},
		"can be asked in an untried way":       {flaws{bank: true, untried: true}, "calls"},
	} {
		t.Run(name, func(t *testing.T) {
			if failure(c.check, toySubject(c.flaws)) == "" {
				t.Errorf("check %s did not fail", c.check)
			}
		})
		found[c.check] = true
	}
	for _, c := range Checks() {
		if !found[c.Name] {
			t.Errorf("no lie is known that check %s finds", c.Name)
		}
	}
}

// A wire whose signature proves too little may claim a success, and must say that it is a claim.
func TestAnUnprovenSuccessIsAClaim(t *testing.T) {
	s := toySubject(flaws{claims: true})
	s.Unproven = true
	s.Codes = []byte(strings.Replace(string(s.Codes), `"ok":"succeeded"`, `"ok":"uncertain"`, 1)) // the first is the callback's
	Run(t, s)
	for _, check := range []string{"canonical", "tampering", "replay", "rotation", "amount"} {
		believed := toySubject(flaws{})
		if believed.Unproven = true; failure(check, believed) == "" {
			t.Errorf("a success that nothing proves passes %s", check)
		}
		doubted := toySubject(flaws{claims: true})
		if failure(check, doubted) == "" {
			t.Errorf("a proven success that is doubted passes %s", check)
		}
	}
}

func TestWhatAWireRefusesIsRefused(t *testing.T) {
	s := toySubject(flaws{})
	if s.Refuses = "đ"; failure("canonical", s) == "" {
		t.Error("a text that must be refused passes")
	}
}

func TestAHalfDescribedSubjectFails(t *testing.T) {
	for name, c := range map[string]struct {
		change func(*Subject)
		check  string
	}{
		"no channels":         {func(s *Subject) { s.Channels = nil }, "unknown-code"},
		"no vectors":          {func(s *Subject) { s.Vectors = []byte(`{"cases":[]}`) }, "vectors"},
		"an unhandled vector": {func(s *Subject) { s.Vector = func(VectorCase) (string, string, bool) { return "", "", false } }, "vectors"},
		"an unknown code known": {func(s *Subject) {
			ch := s.Channels["query"]
			ch.Unknown = "ok"
			s.Channels["query"] = ch
		}, "unknown-code"},
		"a refund untold":   {func(s *Subject) { s.Calls = s.Calls[:2] }, "refund-twice"},
		"no second sending": {func(s *Subject) { delete(s.Channels, "refund_again") }, "refund-twice"},
		"no signed fields":  {func(s *Subject) { s.SignedFields = nil }, "tampering"},
		"a list of nothing": {func(s *Subject) { s.Codes = []byte(`{}`) }, "codes"},
	} {
		t.Run(name, func(t *testing.T) {
			s := toySubject(flaws{})
			c.change(&s)
			if failure(c.check, s) == "" {
				t.Errorf("check %s did not fail", c.check)
			}
		})
	}
}
