package feed

import (
	"errors"
	"net/netip"
	"strings"
	"testing"
	"time"
)

func TestPublic(t *testing.T) {
	t.Parallel()
	for address, want := range map[string]bool{
		"8.8.8.8": true, "113.160.0.1": true, "2001:4860:4860::8888": true, "2405:4800::1": true,
		"127.0.0.1": false, "::1": false, "::ffff:127.0.0.1": false, "10.1.2.3": false, "172.16.0.1": false, "192.168.1.1": false,
		"169.254.169.254": false, "100.64.0.1": false, "100.100.100.200": false, "0.0.0.0": false, "::": false, "224.0.0.1": false,
		"255.255.255.255": false, "192.0.0.192": false, "198.18.0.1": false, "168.63.129.16": false, "fe80::1": false, "fe80::1%eth0": false,
		"fd00:ec2::254": false, "fec0::1": false, "ff02::1": false, "64:ff9b::a00:1": false, "2002:7f00:1::": false, "2001::1": false,
		"2001:db8::1": false, "::127.0.0.1": false,
	} {
		if got := public(netip.MustParseAddr(address)); got != want {
			t.Errorf("%s: %v", address, got)
		}
	}
}

func TestAddressesRefused(t *testing.T) {
	t.Parallel()
	strict, demo := guard{}, guard{allowLoopback: true}
	for _, u := range []string{"", "portal", "ftp://8.8.8.8/", "http://8.8.8.8/", "https://127.0.0.1/", "https://localhost/", "https://[::1]/", "https://10.0.0.1/",
		"https://169.254.169.254/latest/meta-data/", "https://[::ffff:10.0.0.1]/", "https://user:pass@8.8.8.8/", "https://8.8.8.8/#x", "https://0/",
		"https://8.8.8.8/" + strings.Repeat("a", 2000)} {
		if err := strict.check(t.Context(), u); !errors.Is(err, ErrURLRefused) {
			t.Errorf("%s: %v", u, err)
		}
	}
	for u, want := range map[string]bool{"https://8.8.8.8:8443/hooks?a=b": true, "http://127.0.0.1:9/": true, "http://localhost:9/": true,
		"http://10.0.0.1/": false, "https://10.0.0.1/": false, "http://8.8.8.8/": false} {
		if err := demo.check(t.Context(), u); (err == nil) != want {
			t.Errorf("%s: %v", u, err)
		}
	}
	if err := strict.check(t.Context(), "https://8.8.8.8/"); err != nil {
		t.Error(err)
	}
}

// A name that was public when the endpoint was made may resolve elsewhere later: the dialer looks too.
func TestRefusedAtTheDial(t *testing.T) {
	w := newWorld(t)
	r := newReceiver(t)
	e, _ := w.endpoint(r)
	w.paid("ord_a")
	d := w.deliverer()
	d.http = guard{}.client(sendTimeout)
	if n, err := d.Step(t.Context()); n != 1 || err != nil {
		t.Fatal(n, err)
	}
	r.expect(t, 0)
	log, err := w.endpoints().Deliveries(t.Context(), "c1", e.ID, time.Time{}, 1)
	if err != nil || len(log) != 1 || log[0].Status != 0 || !strings.Contains(log[0].Detail, "refused") {
		t.Errorf("%+v %v", log, err)
	}
}

func TestEndpointsAreTheClientsOwn(t *testing.T) {
	w := newWorld(t)
	r := newReceiver(t)
	e, _ := w.endpoint(r)
	s, ctx := w.endpoints(), t.Context()
	_, getErr := s.Get(ctx, "c2", e.ID)
	_, rotateErr := s.Rotate(ctx, "c2", e.ID)
	_, logErr := s.Deliveries(ctx, "c2", e.ID, time.Time{}, 1)
	for i, err := range []error{getErr, rotateErr, logErr, s.Replay(ctx, "c2", e.ID, 1), s.Delete(ctx, "c2", e.ID)} {
		if !errors.Is(err, ErrNoEndpoint) {
			t.Error(i, err)
		}
	}
	if _, _, err := s.Create(ctx, "nobody", r.server.URL, nil); !errors.Is(err, ErrNoClient) {
		t.Error(err)
	}
	if _, _, err := s.Create(ctx, "c1", "https://10.0.0.1/", nil); !errors.Is(err, ErrURLRefused) {
		t.Error(err)
	}
	for range maxEndpoints - 1 {
		w.endpoint(r)
	}
	if _, _, err := s.Create(ctx, "c1", r.server.URL, nil); !errors.Is(err, ErrTooMany) {
		t.Error(err)
	}
	if err := s.Delete(ctx, "c1", e.ID); err != nil {
		t.Error(err)
	}
	if all, err := s.List(ctx, "c1"); err != nil || len(all) != maxEndpoints-1 {
		t.Error(len(all), err)
	}
}
