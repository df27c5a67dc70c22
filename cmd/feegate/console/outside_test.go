package console

import (
	"fmt"
	"testing"

	"feegate/gateway/identity"
)

// What a provider's claims come to: never more than they say, and nothing where they say nothing of the agencies that limit everybody.
func TestWhatClaimsComeTo(t *testing.T) {
	roles := map[string]identity.Role{"doi-soat": identity.Finance, "duyet": identity.Approver}
	for name, c := range map[string]struct {
		claims map[string]any
		limit  string
		want   string
	}{
		"a list":                        {map[string]any{"groups": []any{"doi-soat", "duyet", "bóng đá"}}, "", "[finance approver] []"},
		"one text":                      {map[string]any{"groups": "duyet"}, "", "[approver] []"},
		"twice the same":                {map[string]any{"groups": []any{"duyet", "duyet"}}, "", "[approver] []"},
		"no claim":                      {map[string]any{}, "", "[] []"},
		"a number among texts":          {map[string]any{"groups": []any{7, "duyet"}}, "", "[approver] []"},
		"something else":                {map[string]any{"groups": map[string]any{"duyet": true}}, "", "[] []"},
		"limited to one agency":         {map[string]any{"groups": "duyet", "units": "H10.12"}, "units", "[approver] [H10.12]"},
		"all agencies":                  {map[string]any{"groups": "duyet", "units": []any{"H10.12", "*"}}, "units", "[approver] []"},
		"limited by rule, no agency":    {map[string]any{"groups": "duyet"}, "units", "[] []"},
		"limited by rule, an empty one": {map[string]any{"groups": "duyet", "units": []any{}}, "units", "[] []"},
	} {
		o := &outsider{Outside: Outside{RolesClaim: "groups", Roles: roles, AgenciesClaim: c.limit}}
		var p identity.Outside
		o.mapped(c.claims, &p)
		if got := fmt.Sprint(p.Roles, " ", p.Agencies); got != c.want {
			t.Errorf("%s: %s, want %s", name, got, c.want)
		}
	}
	c := &Console{Deps: Deps{PublicURL: "https://pay.example"}}
	good := Outside{Issuer: "https://id.example", ClientID: "feegate", Secret: "x", RolesClaim: "groups", Roles: roles}
	if err := c.SignInBy(good); err != nil {
		t.Error(err)
	}
	for name, spoil := range map[string]func(*Outside){"no secret": func(o *Outside) { o.Secret = "" }, "no https": func(o *Outside) { o.Issuer = "http://id.example" }, "no roles": func(o *Outside) { o.Roles = nil },
		"a role that is none":   func(o *Outside) { o.Roles = map[string]identity.Role{"x": "king"} },
		"a portal's admin":      func(o *Outside) { o.Roles = map[string]identity.Role{"x": identity.PortalAdmin} },
		"no claim of the roles": func(o *Outside) { o.RolesClaim = "" }} {
		bad := good
		spoil(&bad)
		if err := c.SignInBy(bad); err == nil {
			t.Errorf("%s was taken", name)
		}
	}
}
