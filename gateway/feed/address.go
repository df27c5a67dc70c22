package feed

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
	"syscall"
	"time"
)

// Not public, though Go's predicates do not name them: "this network", carriers' NAT, protocol assignments, documentation,
// benchmarks, the old 6to4 relay and site-local, reserved; and IPv6 that carries an IPv4 address within it.
var special = func() []netip.Prefix {
	var out []netip.Prefix
	for _, p := range []string{"0.0.0.0/8", "100.64.0.0/10", "192.0.0.0/24", "192.0.2.0/24", "192.88.99.0/24", "198.18.0.0/15", "198.51.100.0/24",
		"203.0.113.0/24", "240.0.0.0/4", "168.63.129.16/32", "2001::/23", "2001:db8::/32", "2002::/16", "3fff::/20"} {
		out = append(out, netip.MustParsePrefix(p))
	}
	return out
}()

var globalV6 = netip.MustParsePrefix("2000::/3")

// public reports whether an address is one of the open internet. Link-local covers the clouds' metadata addresses.
func public(a netip.Addr) bool {
	a = a.Unmap().WithZone("")
	if !a.IsValid() || a.IsLoopback() || a.IsPrivate() || a.IsLinkLocalUnicast() || a.IsMulticast() || a.IsUnspecified() {
		return false
	}
	if a.Is6() && !globalV6.Contains(a) {
		return false
	}
	for _, p := range special {
		if p.Contains(a) {
			return false
		}
	}
	return true
}

// guard says where webhooks may go.
type guard struct{ allowLoopback bool }

func (g guard) allows(a netip.Addr) bool {
	return public(a) || g.allowLoopback && a.Unmap().IsLoopback()
}

// check holds an address against the rules as far as can be seen now. What counts is control, at every dial: a name may
// resolve elsewhere tomorrow.
func (g guard) check(ctx context.Context, raw string) error {
	u, err := url.Parse(raw)
	if err != nil || u.Host == "" || u.Opaque != "" || len(raw) > 2000 {
		return fmt.Errorf("%w: not an address of the web", ErrURLRefused)
	}
	if u.User != nil || u.Fragment != "" {
		return fmt.Errorf("%w: it may hold neither user nor fragment", ErrURLRefused)
	}
	host := u.Hostname()
	ip, notIP := netip.ParseAddr(host)
	loopback := strings.EqualFold(host, "localhost") || notIP == nil && ip.Unmap().IsLoopback()
	if u.Scheme != "https" && (u.Scheme != "http" || !g.allowLoopback || !loopback) {
		return fmt.Errorf("%w: it must be https", ErrURLRefused)
	}
	addresses := []netip.Addr{ip}
	if notIP != nil {
		ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
		defer cancel()
		if addresses, err = net.DefaultResolver.LookupNetIP(ctx, "ip", host); err != nil || len(addresses) == 0 {
			return fmt.Errorf("%w: the name %s cannot be resolved", ErrURLRefused, host)
		}
	}
	for _, a := range addresses {
		if !g.allows(a) {
			return fmt.Errorf("%w: %s is not a public address", ErrURLRefused, host)
		}
	}
	return nil
}

// control is asked by the dialer with the resolved address, just before it connects.
func (g guard) control(_, address string, _ syscall.RawConn) error {
	a, err := netip.ParseAddrPort(address)
	if err != nil || !g.allows(a.Addr()) {
		return ErrURLRefused
	}
	return nil
}

// client sends webhooks: no proxy (it would dial for us), no redirects, the timeout over all of it.
func (g guard) client(timeout time.Duration) *http.Client {
	d := net.Dialer{Timeout: timeout, Control: g.control}
	return &http.Client{
		Timeout:       timeout,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		Transport: &http.Transport{DialContext: d.DialContext, ForceAttemptHTTP2: true, DisableCompression: true, MaxIdleConns: 200,
			MaxIdleConnsPerHost: 2, IdleConnTimeout: 30 * time.Second, TLSHandshakeTimeout: timeout, MaxResponseHeaderBytes: 16 << 10},
	}
}
