package sepay

import (
	"cmp"
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

// Transfers reads the list since a SePay id. Which way round SePay writes a list is not published: a full page is followed by
// what is older than its oldest, until nothing new comes; a list that begins with the oldest is gone through call by call.
func (p *provider) Transfers(ctx context.Context, cursor string) ([]providers.Notice, string, error) {
	since := uint64(0)
	if cursor != "" {
		n, err := strconv.ParseUint(cursor, 10, 64)
		if err != nil {
			return nil, "", fmt.Errorf("sepay list: %w: the cursor is not an id of SePay", providers.ErrConfig)
		}
		since = n
	}
	q := url.Values{"account_number": {p.Number()}, "limit": {strconv.Itoa(pageSize)}}
	if since > 0 {
		q.Set("since_id", cursor)
	} else {
		y, m, d := p.deps.Now().In(vietqr.Zone()).Date()
		q.Set("transaction_date_min", time.Date(y, m, d-1, 0, 0, 0, 0, vietqr.Zone()).Format(time.DateTime))
	}
	rows := map[uint64]vietqr.Movement{}
	for number := 1; ; number++ {
		if number > maxPages { // newest first: going on from here would leave the older ones out
			return nil, "", fmt.Errorf("sepay list: %w: more than %d pages", providers.ErrUncertain, maxPages)
		}
		page, err := p.page(ctx, q)
		if err != nil {
			return nil, "", fmt.Errorf("sepay list: %w", err)
		}
		fresh, oldest := 0, time.Time{}
		for _, m := range page {
			id, _ := strconv.ParseUint(m.ID, 10, 64) // read by ReadID
			if _, known := rows[id]; !known {
				fresh++
				rows[id] = m // one of nothing too, for its id
			}
			if oldest.IsZero() || m.At.Before(oldest) {
				oldest = m.At
			}
		}
		if len(page) < pageSize || fresh == 0 {
			break
		}
		q.Set("transaction_date_max", oldest.In(vietqr.Zone()).Format(time.DateTime))
	}
	ids := make([]uint64, 0, len(rows))
	for id := range rows {
		ids = append(ids, id)
		since = max(since, id)
	}
	slices.Sort(ids)
	found := make([]providers.Notice, 0, len(ids))
	for _, id := range ids {
		if rows[id].Amount == 0 {
			continue
		}
		n, err := p.Notice(Name, rows[id])
		if err != nil {
			return nil, "", fmt.Errorf("sepay list: %w: %w", providers.ErrUncertain, err)
		}
		found = append(found, n)
	}
	if since == 0 {
		return found, "", nil
	}
	return found, strconv.FormatUint(since, 10), nil
}

func (p *provider) page(ctx context.Context, q url.Values) (page []vietqr.Movement, err error) {
	token := p.secrets[0].token
	if token == "" {
		return nil, fmt.Errorf("%w: %w", providers.ErrConfig, vietqr.ErrNoToken)
	}
	req := providers.Request{Method: http.MethodGet, URL: p.account.URL(PurposeList, listPath) + "?" + q.Encode(), Header: map[string]string{"Authorization": "Bearer " + token}}
	err = providers.Send(ctx, p.deps.HTTP(providers.OpLookup), req, func(status int, _ http.Header, body []byte) (err error) {
		if err := vietqr.Fetched(status); err != nil {
			return err
		}
		page, err = readList(body)
		return err
	})
	return page, err
}

func readList(body []byte) ([]vietqr.Movement, error) {
	o, err := providers.ParseObject(body, providers.MaxAnswer)
	if err != nil {
		return nil, err
	}
	code, err := o.Text("status")
	if err != nil || code != "200" {
		return nil, fmt.Errorf("%w: the list says status %.20q", providers.ErrMalformed, code)
	}
	var rows []json.RawMessage
	if err := json.Unmarshal(o["transactions"], &rows); err != nil || rows == nil {
		return nil, fmt.Errorf("%w: no list of transactions", providers.ErrMalformed)
	}
	page := make([]vietqr.Movement, 0, len(rows))
	for _, raw := range rows {
		m, err := readRow(raw)
		if err != nil {
			return nil, err
		}
		page = append(page, m)
	}
	return page, nil
}

// readRow reads one row: ids and amounts are texts here, and in and out have a column each.
func readRow(raw []byte) (m vietqr.Movement, err error) {
	o, err := providers.ParseObject(raw, maxBody)
	if err != nil {
		return m, err
	}
	t, err := o.Texts("id", "account_number", "code", "transaction_content", "amount_in", "amount_out", "sub_account", "reference_number", "transaction_date")
	if err != nil {
		return m, err
	}
	if m.ID, _, err = vietqr.ReadID(t[0]); err != nil {
		return m, err
	}
	if _, err := strconv.ParseUint(m.ID, 10, 64); err != nil {
		return m, fmt.Errorf("%w: the id is too large", providers.ErrMalformed)
	}
	m.Account, m.Code, m.Content, m.Virtual, m.BankReference = t[1], t[2], t[3], t[6], t[7]
	in, err := vietqr.Whole(cmp.Or(t[4], "0"))
	if err != nil {
		return m, err
	}
	out, err := vietqr.Whole(cmp.Or(t[5], "0"))
	if err != nil {
		return m, err
	}
	if in < 0 || out < 0 || in > 0 && out > 0 {
		return m, fmt.Errorf("%w: a row is both money in and money out", providers.ErrMalformed)
	}
	m.Amount = in - out
	m.At, err = vietqr.LocalTime(t[8])
	return m, err
}
