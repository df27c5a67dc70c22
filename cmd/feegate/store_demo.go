package main

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"time"

	"github.com/jmoiron/sqlx"
	"github.com/lib/pq"
)

// The illustrative catalogue of the demo: codes follow the national pattern, levels are plausible, not an official tariff.

type demoAgency struct{ code, name string }

func demoAgencies() []demoAgency {
	return []demoAgency{{"H10.12", "UBND phường Đồng Xoài"}, {"H10.13", "UBND xã Bù Đăng"}, {"H10.20", "Sở Xây dựng"},
		{"H10.21", "Văn phòng Đăng ký đất đai"}, {"H10.22", "Sở Nông nghiệp và Môi trường"}, {"H10.23", "Sở Nội vụ"}}
}

var errSeed = errors.New("filling the demo's database")

// ensureDatabase makes the database where it is missing. The name is the program's own, never an input.
func ensureDatabase(ctx context.Context, adminURL, name string) error {
	db, err := sqlx.ConnectContext(ctx, "postgres", adminURL)
	if err != nil {
		return fmt.Errorf("the private PostgreSQL: %w", err)
	}
	var found bool
	err = db.GetContext(ctx, &found, `SELECT EXISTS (SELECT FROM pg_database WHERE datname = $1)`, name)
	if err == nil && !found {
		_, err = db.ExecContext(ctx, `CREATE DATABASE `+pq.QuoteIdentifier(name))
	}
	return errors.Join(err, db.Close())
}

// dropDatabase removes a database that nobody has used yet.
func dropDatabase(ctx context.Context, adminURL, name string) error {
	db, err := sqlx.ConnectContext(ctx, "postgres", adminURL)
	if err != nil {
		return fmt.Errorf("the private PostgreSQL: %w", err)
	}
	_, err = db.ExecContext(ctx, `DROP DATABASE IF EXISTS `+pq.QuoteIdentifier(name)+` WITH (FORCE)`)
	return errors.Join(err, db.Close())
}

// analyse brings the planner's statistics up to date, as the owner.
func analyse(ctx context.Context, ownerURL string) error {
	db, err := sqlx.ConnectContext(ctx, "postgres", ownerURL)
	if err != nil {
		return fmt.Errorf("the private PostgreSQL: %w", err)
	}
	_, err = db.ExecContext(ctx, `ANALYZE`)
	return errors.Join(err, db.Close())
}

// seedRows fills in what is missing; running it again changes nothing.
func seedRows(ctx context.Context, db *sqlx.DB, s demoSecrets, now time.Time) error {
	type statement struct {
		sql  string
		args []any
	}
	list := []statement{
		{`INSERT INTO source_systems (name) VALUES ('province'), ('ministry'), ('demo-portal') ON CONFLICT DO NOTHING`, nil},
		{`INSERT INTO clients (id, name, source_system, created_at) VALUES ('cli_portal', 'Cổng dịch vụ công tỉnh', 'province', $1),
			('cli_case', 'Hệ thống giải quyết TTHC', 'province', $1), ('cli_other', 'Cổng khác', 'ministry', $1), ('cli_report', 'IOC', 'province', $1),
			('cli_demo', 'Cổng minh họa của bộ mô phỏng', 'demo-portal', $1) ON CONFLICT DO NOTHING`, []any{now}},
		{`INSERT INTO fields (code, name) VALUES ('ho-tich', 'Hộ tịch'), ('chung-thuc', 'Chứng thực'), ('xay-dung', 'Xây dựng'), ('dat-dai', 'Đất đai'),
			('moi-truong', 'Môi trường'), ('viec-lam', 'Việc làm') ON CONFLICT DO NOTHING`, nil},
		{`INSERT INTO procedures (code, name, field_code) VALUES ('1.100001', 'Đăng ký kết hôn có yếu tố nước ngoài', 'ho-tich'),
			('2.100002', 'Chứng thực bản sao từ bản chính', 'chung-thuc'), ('2.100003', 'Chứng thực hợp đồng, giao dịch', 'chung-thuc'),
			('1.100004', 'Cấp giấy phép xây dựng nhà ở riêng lẻ', 'xay-dung'), ('1.100005', 'Cấp giấy phép xây dựng công trình', 'xay-dung'),
			('1.100008', 'Đăng ký biện pháp bảo đảm bằng quyền sử dụng đất', 'dat-dai'), ('1.100010', 'Thẩm định báo cáo đánh giá tác động môi trường', 'moi-truong'),
			('1.100011', 'Cấp giấy phép lao động cho người nước ngoài', 'viec-lam'), ('1.100012', 'Đăng ký khai sinh (đúng hạn)', 'ho-tich') ON CONFLICT DO NOTHING`, nil},
		{`INSERT INTO fee_schedules (fee_code, procedure_code, name, kind, unit_amount, legal_basis) SELECT x.*, 'Biểu mức thu minh họa' FROM (VALUES ('1.100001-le_phi', '1.100001', 'Lệ phí đăng ký kết hôn', 'le_phi', 1000000),
			('2.100002-phi-1', '2.100002', 'Phí chứng thực, hai trang đầu', 'phi', 2000), ('2.100003-phi', '2.100003', 'Phí chứng thực hợp đồng', 'phi', 50000),
			('1.100004-le_phi', '1.100004', 'Lệ phí cấp phép xây dựng', 'le_phi', 75000), ('1.100005-le_phi', '1.100005', 'Lệ phí cấp phép xây dựng', 'le_phi', 150000),
			('1.100008-phi', '1.100008', 'Phí đăng ký biện pháp bảo đảm', 'phi', 80000), ('1.100010-phi', '1.100010', 'Phí thẩm định', 'phi', 8000000),
			('1.100011-le_phi', '1.100011', 'Lệ phí cấp giấy phép lao động', 'le_phi', 600000)) x (fee_code, procedure_code, name, kind, unit_amount) ON CONFLICT DO NOTHING`, nil},
		{`INSERT INTO targets (percent, valid_from, source) VALUES (30, '2022-12-31', 'Chỉ thị, điểm 4'), (50, '2025-12-31', 'Chỉ thị, điểm 4') ON CONFLICT DO NOTHING`, nil},
	}
	for n, a := range demoAgencies() {
		list = append(list, statement{`INSERT INTO agencies (code, name, position) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING`, []any{a.code, a.name, n}})
	}
	list = append(list, statement{`INSERT INTO procedure_agencies (procedure_code, agency_code) SELECT p.code, a.code FROM procedures p, agencies a WHERE a.valid_to IS NULL ON CONFLICT DO NOTHING`, nil})
	// What went before: districts ended on 2025-07-01, and a commune took the work over.
	for _, sql := range []string{
		`INSERT INTO communes (code, name, valid_from, valid_to) VALUES ('p-dong-xoai', 'Phường Đồng Xoài', '2025-07-01', NULL), ('x-bu-dang', 'Xã Bù Đăng', '2025-07-01', NULL),
			('tt-duc-phong', 'Thị trấn Đức Phong', '2020-01-01', '2025-07-01') ON CONFLICT DO NOTHING`,
		`UPDATE agencies SET commune_code = CASE code WHEN 'H10.12' THEN 'p-dong-xoai' ELSE 'x-bu-dang' END WHERE code IN ('H10.12', 'H10.13') AND commune_code IS NULL`,
		`INSERT INTO agencies (code, name, commune_code, position, valid_to) VALUES ('H10.31', 'UBND huyện Bù Đăng', 'tt-duc-phong', 31, '2025-07-01'), ('H10.32', 'UBND thị trấn Đức Phong', 'tt-duc-phong', 32, '2025-07-01') ON CONFLICT DO NOTHING`,
	} {
		list = append(list, statement{sql, nil})
	}
	list = append(list,
		statement{`INSERT INTO agency_aliases (old_code, new_code, since, legal_basis, recorded_at) VALUES ('H10.31', 'H10.13', '2025-07-01', 'Sắp xếp đơn vị hành chính, 01/7/2025', $1),
			('H10.32', 'H10.13', '2025-07-01', 'Sắp xếp đơn vị hành chính, 01/7/2025', $1) ON CONFLICT DO NOTHING`, []any{now}},
		statement{`INSERT INTO commune_aliases (old_code, new_code, since, legal_basis, recorded_at) VALUES ('tt-duc-phong', 'x-bu-dang', '2025-07-01', 'Sắp xếp đơn vị hành chính, 01/7/2025', $1) ON CONFLICT DO NOTHING`, []any{now}},
		statement{`INSERT INTO exemption_groups (code, name, kind, percent, legal_basis, valid_from) VALUES ('tre-em', 'Trẻ em', 'exempt', 100, 'Luật Phí và lệ phí 97/2015/QH13, điều 10', '2017-01-01'),
			('ho-ngheo', 'Hộ nghèo', 'exempt', 100, 'Luật Phí và lệ phí 97/2015/QH13, điều 10', '2017-01-01'), ('nguoi-co-cong', 'Người có công với cách mạng', 'reduced', 50, 'Luật Phí và lệ phí 97/2015/QH13, điều 10', '2017-01-01')
			ON CONFLICT DO NOTHING`, nil},
		statement{`INSERT INTO pilot_discounts (fee_code, percent, legal_basis, valid_from) VALUES ('1.100004-le_phi', 50, 'Nghị quyết minh họa của HĐND tỉnh', '2025-01-01') ON CONFLICT DO NOTHING`, nil})
	for _, k := range []struct {
		id, client, secret string
		scopes             []string
	}{
		{"key_portal", "cli_portal", s.APIKey, []string{"orders:write", "orders:read", "refunds:request", "webhooks:write"}},
		{"key_case", "cli_case", s.CaseKey, []string{"dossiers:write", "counter:write", "orders:read"}},
		{"key_other", "cli_other", s.OtherKey, []string{"orders:write", "orders:read"}}, {"key_report", "cli_report", s.Reporting, []string{"reports:read"}},
		{"key_demo", "cli_demo", s.Portal, []string{"orders:write", "orders:read", "webhooks:write"}},
	} {
		digest := sha256.Sum256([]byte(k.secret))
		list = append(list, statement{`INSERT INTO api_keys (id, client_id, secret_hash, scopes, created_at) VALUES ($1, $2, $3, $4, $5) ON CONFLICT DO NOTHING`,
			[]any{k.id, k.client, digest[:], pq.Array(k.scopes), now}})
	}
	for _, st := range list {
		if _, err := db.ExecContext(ctx, st.sql, st.args...); err != nil {
			return fmt.Errorf("%w: %w", errSeed, err)
		}
	}
	return nil
}

// moveAccounts points the demo's accounts at the simulator's address of this run.
func moveAccounts(ctx context.Context, db *sqlx.DB, simulator string) error {
	if _, err := db.ExecContext(ctx, `UPDATE merchant_accounts SET base_url = $1 || '/' || provider`, simulator); err != nil {
		return fmt.Errorf("%w: %w", errSeed, err)
	}
	return nil
}
