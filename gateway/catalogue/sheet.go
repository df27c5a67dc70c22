package catalogue

import (
	"bytes"
	"encoding/csv"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/xuri/excelize/v2"
	"golang.org/x/text/unicode/norm"
)

// Limits of a file. A spreadsheet is a zip file: a small one may unpack to a very large one.
const (
	MaxFile       = 5 << 20
	maxSheetRows  = 5_000
	maxUnpacked   = 64 << 20
	maxSheetBytes = 32 << 20
)

// Import is a document read from a file, with the row of the file that each of its rows stands in.
type Import struct {
	Document Document
	lines    map[string][]int
}

// sectionNames are what a sheet may be called, besides the section's own name.
func sectionNames() map[string]string {
	return map[string]string{"lĩnh vực": "fields", "xã phường": "communes", "cơ quan": "agencies", "mã cơ quan cũ": "agency_aliases", "mã xã cũ": "commune_aliases", "thủ tục": "procedures",
		"mức thu": "fee_schedules", "giảm nộp trực tuyến": "pilot_discounts", "nhóm miễn giảm": "exemption_groups"}
}

// columnNames are what a column may be called, besides the field's own name.
func columnNames() map[string]string {
	return map[string]string{"mã": "code", "tên": "name", "có hiệu lực từ": "valid_from", "hết hiệu lực từ": "valid_to", "căn cứ pháp lý": "legal_basis", "mã xã": "commune_code", "thứ tự": "position",
		"mã cũ": "old_code", "mã mới": "new_code", "kể từ ngày": "since", "rút lại": "withdrawn", "mã lĩnh vực": "field_code", "cơ quan tiếp nhận": "agency_codes", "mã khoản thu": "fee_code",
		"mã thủ tục": "procedure_code", "loại": "kind", "mức thu": "unit_amount", "theo thông báo": "assessed", "mã cơ quan": "agency_code", "hình thức nộp hồ sơ": "filing_mode", "phần trăm": "percent", "số tiền giảm": "fixed"}
}

// Columns are the columns of a section, as a file may name them.
func Columns(section string) []string {
	t, ok := rowType(section)
	if !ok {
		return nil
	}
	out := []string{}
	for i := range t.NumField() {
		name, _, _ := strings.Cut(t.Field(i).Tag.Get("json"), ",")
		out = append(out, name)
	}
	return out
}

// rowType is the type of a section's rows.
func rowType(section string) (reflect.Type, bool) {
	doc := reflect.TypeFor[Document]()
	for i := range doc.NumField() {
		if name, _, _ := strings.Cut(doc.Field(i).Tag.Get("json"), ","); name == section {
			return doc.Field(i).Type.Elem(), true
		}
	}
	return nil, false
}

func refuse(field, format string, a ...any) error {
	return &InvalidError{[]FieldError{{field, fmt.Sprintf(format, a...)}}}
}

// cell is a text with its place, and whether a spreadsheet takes it for a number.
type cell struct {
	text   string
	number bool
}

// Read reads a file: a workbook with a sheet for each section, or a text table of one section, which section then names.
func Read(raw []byte, section string) (*Import, error) {
	if len(raw) == 0 || len(raw) > MaxFile {
		return nil, refuse("file", "must hold 1 to %d bytes", MaxFile)
	}
	im := &Import{lines: map[string][]int{}}
	rows := map[string][]map[string]any{}
	var err error
	if bytes.HasPrefix(raw, []byte("PK")) {
		if section != "" {
			return nil, refuse("section", "goes with a text table; a workbook's sheets say it themselves")
		}
		err = im.workbook(raw, rows)
	} else {
		if _, known := rowType(section); !known {
			return nil, refuse("section", "must be one of %s", strings.Join(Sections(), ", "))
		}
		err = im.text(raw, section, rows)
	}
	if err != nil {
		return nil, err
	}
	whole, err := json.Marshal(rows)
	if err == nil {
		err = json.Unmarshal(whole, &im.Document)
	}
	if err != nil {
		return nil, refuse("file", "cannot be read: %v", err)
	}
	return im, nil
}

func (im *Import) text(raw []byte, section string, rows map[string][]map[string]any) error {
	raw = bytes.TrimPrefix(raw, []byte("\uFEFF"))
	if !utf8.Valid(raw) || bytes.IndexByte(raw, 0) >= 0 {
		return refuse("file", "is not UTF-8: save it as CSV UTF-8")
	}
	head, _, _ := bytes.Cut(raw, []byte("\n"))
	comma, most := ',', bytes.Count(head, []byte(","))
	for _, c := range []rune{';', '\t'} {
		if n := bytes.Count(head, []byte(string(c))); n > most {
			comma, most = c, n
		}
	}
	r := csv.NewReader(bytes.NewReader(raw))
	r.Comma, r.FieldsPerRecord = comma, -1
	var table [][]cell
	for {
		record, err := r.Read()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return refuse("file", "is no table: %v", err)
		}
		line, _ := r.FieldPos(0)
		for len(table) < line-1 {
			table = append(table, nil)
		}
		if len(table) > maxSheetRows {
			return refuse("file", "at most %d rows", maxSheetRows)
		}
		row := make([]cell, len(record))
		for i, v := range record {
			if v != "" && strings.ContainsRune("=+-@", rune(v[0])) {
				return refuse(section, "row %d, column %d: formulas are not taken; write the value itself", line, i+1)
			}
			row[i] = cell{text: v}
		}
		table = append(table, row)
	}
	return im.table(section, table, rows)
}

func (im *Import) workbook(raw []byte, rows map[string][]map[string]any) (err error) {
	f, err := excelize.OpenReader(bytes.NewReader(raw), excelize.Options{RawCellValue: true, UnzipSizeLimit: maxUnpacked, UnzipXMLSizeLimit: maxSheetBytes})
	if err != nil {
		return refuse("file", "is no workbook that can be read")
	}
	defer func() { _ = f.Close() }()
	names := sectionNames()
	for _, sheet := range f.GetSheetList() {
		section := strings.ToLower(norm.NFC.String(strings.TrimSpace(sheet)))
		if s, ok := names[section]; ok {
			section = s
		}
		if _, known := rowType(section); !known {
			return refuse("file", "the sheet %q is no section: %s", sheet, strings.Join(Sections(), ", "))
		}
		table, err := sheetTable(f, sheet)
		if err != nil {
			return err
		}
		if len(table) == 0 {
			continue
		}
		if _, twice := im.lines[section]; twice {
			return refuse("file", "two sheets hold %s", section)
		}
		if err := im.table(section, table, rows); err != nil {
			return err
		}
	}
	return nil
}

func sheetTable(f *excelize.File, sheet string) (table [][]cell, err error) {
	it, err := f.Rows(sheet)
	if err != nil {
		return nil, refuse("file", "the sheet %q cannot be read", sheet)
	}
	defer func() { err = errors.Join(err, it.Close()) }()
	for it.Next() {
		values, err := it.Columns()
		if err != nil {
			return nil, refuse("file", "the sheet %q, row %d cannot be read", sheet, len(table)+1)
		}
		if len(table) > maxSheetRows || len(values) > 50 {
			return nil, refuse("file", "the sheet %q: at most %d rows of 50 columns", sheet, maxSheetRows)
		}
		row := make([]cell, len(values))
		for i, v := range values {
			at, err := excelize.CoordinatesToCellName(i+1, len(table)+1)
			if err != nil {
				return nil, refuse("file", "the sheet %q cannot be read", sheet)
			}
			formula, err := f.GetCellFormula(sheet, at)
			if err != nil || formula != "" {
				return nil, refuse("file", "the sheet %q, %s: formulas are not taken; write the value itself", sheet, at)
			}
			kind, err := f.GetCellType(sheet, at)
			if err != nil || kind == excelize.CellTypeError || kind == excelize.CellTypeFormula {
				return nil, refuse("file", "the sheet %q, %s cannot be read", sheet, at)
			}
			row[i] = cell{v, kind == excelize.CellTypeUnset || kind == excelize.CellTypeNumber}
		}
		table = append(table, row)
	}
	return table, it.Error()
}

// table reads a header and the rows under it.
func (im *Import) table(section string, table [][]cell, rows map[string][]map[string]any) error {
	names, allowed, head := columnNames(), Columns(section), []string{}
	start := slices.IndexFunc(table, func(r []cell) bool { return filled(r) })
	if start < 0 {
		return nil
	}
	for i, c := range table[start] {
		name := strings.ToLower(norm.NFC.String(strings.TrimSpace(c.text)))
		if n, ok := names[name]; ok {
			name = n
		}
		if name != "" && (!slices.Contains(allowed, name) || slices.Contains(head, name)) {
			return refuse(section, "row %d, column %d: %q is no column of this section, or stands twice: %s", start+1, i+1, c.text, strings.Join(allowed, ", "))
		}
		head = append(head, name)
	}
	var wrong faults
	for i, r := range table[start+1:] {
		if !filled(r) {
			continue
		}
		n, row := len(im.lines[section]), map[string]any{}
		for j, c := range r {
			v := norm.NFC.String(strings.TrimSpace(c.text))
			if v == "" {
				continue
			}
			if j >= len(head) || head[j] == "" {
				wrong.add(section, n, fmt.Sprintf("column %d", j+1), "has no heading")
				continue
			}
			value, why := valueOf(head[j], v, c.number)
			if why != "" {
				wrong.add(section, n, head[j], "%s", why)
			}
			row[head[j]] = value
		}
		im.lines[section] = append(im.lines[section], start+i+2)
		rows[section] = append(rows[section], row)
	}
	for i := range wrong {
		wrong[i].Detail = im.Where(wrong[i].Field, wrong[i].Detail)
	}
	return wrong.err()
}

func filled(r []cell) bool {
	return slices.ContainsFunc(r, func(c cell) bool { return strings.TrimSpace(c.text) != "" })
}

var (
	digits       = regexp.MustCompile(`^[0-9]{1,12}$`)
	grouped      = regexp.MustCompile(`^[0-9]{1,3}(\.[0-9]{3})+$`)
	vietnamese   = regexp.MustCompile(`^([0-9]{1,2})/([0-9]{1,2})/([0-9]{4})$`)
	rowReference = regexp.MustCompile(`^([a-z_]+)\[([0-9]+)\]`)
)

// valueOf reads a cell as its column wants it.
func valueOf(column, v string, number bool) (value any, why string) {
	switch column {
	case "percent", "fixed", "unit_amount", "position":
		if !number && grouped.MatchString(v) { // 75.000, as people write it; a number of the sheet's own has no such points
			v = strings.ReplaceAll(v, ".", "")
		}
		if !digits.MatchString(v) {
			return nil, "must be a whole number, digits only"
		}
		n, _ := strconv.ParseInt(v, 10, 64) // twelve digits fit
		return n, ""
	case "assessed", "withdrawn":
		switch strings.ToLower(v) {
		case "true", "1", "x", "có":
			return true, ""
		case "false", "0", "không":
			return false, ""
		}
		return nil, "must be true or false"
	case "agency_codes":
		return strings.FieldsFunc(v, func(r rune) bool { return r == ',' || r == ';' || r == ' ' || r == '\n' }), ""
	case "valid_from", "valid_to", "since":
		if m := vietnamese.FindStringSubmatch(v); m != nil {
			return fmt.Sprintf("%s-%02s-%02s", m[3], m[2], m[1]), ""
		}
		if number { // a spreadsheet's day: since 1899-12-30
			if n, err := strconv.Atoi(v); err == nil && n > 30_000 && n < 110_000 {
				return time.Date(1899, 12, 30, 0, 0, 0, 0, time.UTC).AddDate(0, 0, n).Format(time.DateOnly), ""
			}
		}
		return v, ""
	}
	if number && strings.HasSuffix(column, "code") {
		return v, "is a number in the sheet, which loses zeros: make the column text"
	}
	return v, ""
}

// Where says of what is wrong with a field of the document in which row of the file it stands.
func (im *Import) Where(field, detail string) string {
	if m := rowReference.FindStringSubmatch(field); m != nil {
		if n, err := strconv.Atoi(m[2]); err == nil && n < len(im.lines[m[1]]) {
			return fmt.Sprintf("row %d: %s", im.lines[m[1]][n], detail)
		}
	}
	return detail
}
