package casso

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"time"

	"feegate/providers"
	"feegate/providers/vietqr"
)

// Transfers reads the list from the cursor's day on, at the latest from yesterday: banks tell Casso late.
func (p *provider) Transfers(ctx context.Context, cursor string) ([]providers.Notice, string, error) {
	y, m, d := p.deps.Now().In(vietqr.Zone()).Date()
	next := time.Date(y, m, d-1, 0, 0, 0, 0, vietqr.Zone()).Format(time.DateOnly)
	from := next
	if cursor != "" {
		if _, err := time.Parse(time.DateOnly, cursor); err != nil {
			return nil, "", fmt.Errorf("casso list: %w: the cursor is not a day", providers.ErrConfig)
		}
		from = min(cursor, next)
	}
	var all []vietqr.Movement
	seen := map[string]bool{}
	for number := 1; ; number++ {
		if number > maxPages {
			return nil, "", fmt.Errorf("casso list: %w: more than %d pages", providers.ErrUncertain, maxPages)
		}
		rows, more, err := p.page(ctx, from, number)
		if err != nil {
			return nil, "", fmt.Errorf("casso list: %w", err)
		}
		for _, m := range rows {
			if mine := m.Account == p.Number() || m.Virtual == p.Number(); mine && !seen[m.ID] { // one key reads all accounts of a business; and what came meanwhile may push a row onto the next page
				seen[m.ID] = true
				all = append(all, m)
			}
		}
		if !more {
			break
		}
	}
	slices.SortStableFunc(all, func(a, b vietqr.Movement) int { return a.At.Compare(b.At) })
	ns, err := p.notices(all)
	if err != nil {
		return nil, "", fmt.Errorf("%w: %w", providers.ErrUncertain, err)
	}
	return ns, next, nil
}

func (p *provider) page(ctx context.Context, from string, number int) (rows []vietqr.Movement, more bool, err error) {
	key := p.secrets[0].api
	if key == "" {
		return nil, false, fmt.Errorf("%w: %w", providers.ErrConfig, vietqr.ErrNoToken)
	}
	q := url.Values{"fromDate": {from}, "page": {strconv.Itoa(number)}, "pageSize": {strconv.Itoa(pageSize)}, "sort": {"ASC"}}
	req := providers.Request{Method: http.MethodGet, URL: p.account.URL(PurposeList, listPath) + "?" + q.Encode(), Header: map[string]string{"Authorization": "Apikey " + key}}
	err = providers.Send(ctx, p.deps.HTTP(providers.OpLookup), req, func(status int, _ http.Header, body []byte) (err error) {
		if err := vietqr.Fetched(status); err != nil {
			return err
		}
		rows, more, err = readList(body, number)
		return err
	})
	return rows, more, err
}

func readList(body []byte, number int) (ms []vietqr.Movement, more bool, err error) {
	bad := func(what string) ([]vietqr.Movement, bool, error) {
		return nil, false, fmt.Errorf("%w: %s", providers.ErrMalformed, what)
	}
	o, err := providers.ParseObject(body, providers.MaxAnswer)
	if err != nil {
		return nil, false, err
	}
	code, err := o.Text("error")
	switch {
	case err != nil:
		return nil, false, err
	case code == "401" || code == "403":
		return nil, false, &providers.RefusedError{Kind: providers.ErrConfig, Code: code, Reason: providers.ReasonConfiguration}
	case code != "0":
		return bad(fmt.Sprintf("the list says error %.20q", code))
	}
	data, err := providers.ParseObject(o["data"], providers.MaxAnswer)
	if err != nil {
		return nil, false, err
	}
	t, err := data.Texts("page", "totalPages")
	if err != nil {
		return nil, false, err
	}
	total, err := strconv.Atoi(t[1])
	if err != nil || t[0] != strconv.Itoa(number) {
		return bad("the list does not say which page it is, of how many")
	}
	var rows []json.RawMessage
	if err := json.Unmarshal(data["records"], &rows); err != nil || rows == nil {
		return bad("no records")
	}
	for _, raw := range rows {
		m, trial, err := readMovement(raw)
		if err != nil {
			return nil, false, err
		}
		if !trial && m.Amount != 0 {
			ms = append(ms, m)
		}
	}
	return ms, number < total, nil
}
