package console

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"strings"
)

// believable says that an address of a provider of identities may be asked or led to: over TLS, or on this machine itself.
func believable(address string) bool {
	u, err := url.Parse(address)
	if err != nil || u.Host == "" || u.User != nil {
		return false
	}
	return u.Scheme == "https" || u.Scheme == "http" && (u.Hostname() == "127.0.0.1" || u.Hostname() == "localhost")
}

// leave is where a browser ends its session at the provider too (OpenID Connect RP-Initiated Logout 1.0), and comes back from to the
// sign-in page; "" where the provider offers no such place. No ID token is kept to be shown there: the provider asks the person, or
// knows its own cookie.
func (o *outsider) leave(ctx context.Context) (string, error) {
	_, provider, _, err := o.ask(ctx)
	if err != nil {
		return "", err
	}
	var offers struct {
		EndSession string `json:"end_session_endpoint"`
	}
	if err := provider.Claims(&offers); err != nil {
		return "", fmt.Errorf("reading what the provider of identities offers: %w", err)
	}
	if offers.EndSession == "" {
		return "", nil
	}
	if !believable(offers.EndSession) {
		return "", fmt.Errorf("the provider of identities ends sessions at %q, which is no address to lead anybody to", offers.EndSession)
	}
	to, err := url.Parse(offers.EndSession)
	if err != nil {
		return "", fmt.Errorf("reading what the provider of identities offers: %w", err)
	}
	q := to.Query() // it may have some of its own
	q.Set("client_id", o.ClientID)
	q.Set("post_logout_redirect_uri", strings.TrimSuffix(o.back, outsidePath+"/callback")+"/console/sign-in")
	to.RawQuery = q.Encode()
	return to.String(), nil
}

// leaving is where the person of this visit signs out at besides: "" for feegate's own people, and where the provider does not say.
// Who cannot be signed out there is signed out here all the same.
func (v *visit) leaving() string {
	if v.c.outside == nil {
		return ""
	}
	u, err := v.c.Identity.User(v.r.Context(), v.session.Principal.ID)
	to := ""
	if err == nil && u.Outside {
		to, err = v.c.outside.leave(v.r.Context())
	}
	if err != nil {
		v.c.Log.Warn("nobody was signed out at the provider of identities", "error", err)
	}
	return to
}

// farewell leads on to the provider by a page of ours: a redirect would be the form's, which the policy of our pages lets lead to
// ourselves alone.
func (v *visit) farewell(to string) error {
	v.session = nil
	v.w.Header().Set("Refresh", "0; url="+to)
	return v.show(http.StatusOK, "farewell", "Đã đăng xuất", struct{ Next, Label string }{to, v.c.outside.Label})
}
