package main

import (
	"fmt"
	"os"
	"strings"

	"feegate/cmd/feegate/console"
	"feegate/gateway/identity"
)

// oidcFlags is how people sign in by the province's provider of identities (docs/people.md).
type oidcFlags struct {
	Issuer        string            `env:"FEEGATE_OIDC_ISSUER" help:"Address of the provider of identities (OpenID Connect); people sign in by their passwords alone when absent." placeholder:"URL"`
	ClientID      string            `name:"client-id" env:"FEEGATE_OIDC_CLIENT_ID" help:"What feegate is called there." placeholder:"ID"`
	SecretFile    string            `env:"FEEGATE_OIDC_CLIENT_SECRET_FILE" type:"path" help:"File with feegate's secret there." placeholder:"FILE"`
	Label         string            `env:"FEEGATE_OIDC_LABEL" default:"tài khoản của tỉnh" help:"What the button says after: Đăng nhập bằng."`
	RolesClaim    string            `env:"FEEGATE_OIDC_ROLES_CLAIM" default:"groups" help:"Claim with what gives roles."`
	Roles         map[string]string `env:"FEEGATE_OIDC_ROLES" help:"What its values come to: feegate-doi-soat=finance;feegate-duyet=approver." placeholder:"VALUE=ROLE;…"`
	AgenciesClaim string            `env:"FEEGATE_OIDC_AGENCIES_CLAIM" help:"Claim with codes of agencies, or * for all; who has none gets in nowhere. All agencies for everybody when absent." placeholder:"CLAIM"`
}

// apply opens the console to people of the provider, if one is named.
func (f *oidcFlags) apply(desk *console.Console) error {
	if f.Issuer == "" {
		return nil
	}
	secret, err := os.ReadFile(f.SecretFile)
	if err != nil {
		return fmt.Errorf("FEEGATE_OIDC_CLIENT_SECRET_FILE: %w", err)
	}
	roles := map[string]identity.Role{}
	for value, role := range f.Roles {
		roles[value] = identity.Role(role)
	}
	return desk.SignInBy(console.Outside{Issuer: f.Issuer, ClientID: f.ClientID, Secret: strings.TrimSpace(string(secret)), Label: f.Label, RolesClaim: f.RolesClaim, Roles: roles, AgenciesClaim: f.AgenciesClaim})
}
