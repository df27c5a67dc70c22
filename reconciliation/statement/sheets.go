package statement

import (
	"bytes"
	"encoding/csv"
	"errors"
	"io"
	"strings"
	"unicode/utf8"

	"github.com/xuri/excelize/v2"
)

// readCSV reads a text table; Vietnamese Excel writes semicolons, "Unicode text" tabs.
func readCSV(raw []byte) ([]Statement, error) {
	text, err := decode(raw)
	if err != nil {
		return nil, err
	}
	var worst error
	for _, comma := range separators(text) {
		rows, err := split(text, comma)
		if err != nil {
			worst = errors.Join(worst, err)
			continue
		}
		out, err := readTable(rows)
		if err == nil {
			return out, nil
		}
		var refused *RefusedError
		if errors.As(err, &refused) && refused.Lines[0].Field == "header" {
			worst = err
			continue
		}
		return nil, err
	}
	var refused *RefusedError
	if !errors.As(worst, &refused) {
		worst = refuse(1, "", "is no table: %v", worst)
	}
	if !utf8.Valid(raw) && !strings.HasPrefix(string(raw), "\xff\xfe") && !strings.HasPrefix(string(raw), "\xfe\xff") {
		return nil, refuse(1, "encoding", "is neither UTF-8, UTF-16 nor Windows-1258, or its header says nothing; TCVN3 (ABC fonts)? Open the file and save it as CSV UTF-8")
	}
	return nil, worst
}

// separators are those that occur, the most frequent first.
func separators(text string) []rune {
	head := text[:min(len(text), 64<<10)]
	out := []rune{';', '\t', ','}
	count := map[rune]int{}
	for _, r := range out {
		count[r] = strings.Count(head, string(r))
	}
	for i := range out {
		for j := i + 1; j < len(out); j++ {
			if count[out[j]] > count[out[i]] {
				out[i], out[j] = out[j], out[i]
			}
		}
	}
	return out
}

// split reads rows, each at the index of the line where it begins, so that what is said of a row finds it in the file.
func split(text string, comma rune) ([][]string, error) {
	r := csv.NewReader(strings.NewReader(text))
	r.Comma, r.FieldsPerRecord, r.LazyQuotes = comma, -1, true
	var rows [][]string
	for {
		row, err := r.Read()
		if errors.Is(err, io.EOF) {
			return rows, nil
		}
		if err != nil {
			return nil, err
		}
		line, _ := r.FieldPos(0)
		for len(rows) < line-1 {
			rows = append(rows, nil)
		}
		if rows = append(rows, row); len(rows) > MaxLines+1000 {
			return nil, refuse(line, "", "at most %d rows", MaxLines)
		}
	}
}

// Limits of a spreadsheet, which is a zip file: a small one may unpack to a very large one.
const (
	maxUnpacked = 100 << 20
	maxSheet    = 64 << 20
)

// readXLSX reads the first sheets that hold a table.
func readXLSX(raw []byte) ([]Statement, error) {
	f, err := excelize.OpenReader(bytes.NewReader(raw), excelize.Options{RawCellValue: true, UnzipSizeLimit: maxUnpacked, UnzipXMLSizeLimit: maxSheet})
	if err != nil {
		return nil, refuse(1, "", "is no spreadsheet that can be read: %v", err)
	}
	defer func() { _ = f.Close() }()
	var out []Statement
	var last error
	for _, sheet := range f.GetSheetList() {
		rows, err := sheetRows(f, sheet)
		if err != nil {
			return nil, err
		}
		found, err := readTable(rows)
		var refused *RefusedError
		switch {
		case err == nil:
			out = append(out, found...)
		case errors.As(err, &refused) && refused.Lines[0].Field == "header":
			last = err
		default:
			return nil, err
		}
	}
	if len(out) == 0 {
		return nil, last
	}
	return out, nil
}

func sheetRows(f *excelize.File, sheet string) (rows [][]string, err error) {
	it, err := f.Rows(sheet)
	if err != nil {
		return nil, refuse(1, sheet, "cannot be read: %v", err)
	}
	defer func() { err = errors.Join(err, it.Close()) }()
	for it.Next() {
		row, err := it.Columns()
		if err != nil {
			return nil, refuse(len(rows)+1, sheet, "cannot be read: %v", err)
		}
		if rows = append(rows, row); len(rows) > MaxLines+1000 {
			return nil, refuse(len(rows), sheet, "at most %d rows", MaxLines)
		}
	}
	if err := it.Error(); err != nil {
		return nil, refuse(len(rows)+1, sheet, "cannot be read: %v", err)
	}
	return rows, nil
}
