package api

import (
	"bytes"
	"encoding/csv"
	"encoding/json"
	"fmt"
	"net/http"
	"reflect"
	"strings"
	"time"

	"github.com/gin-gonic/gin"
)

const csvType = "text/csv"

// wantsTable reports whether the caller would rather have a list as CSV.
func wantsTable(c *gin.Context) bool { return c.NegotiateFormat(gin.MIMEJSON, csvType) == csvType }

// column is a value of an item that fits into a cell, reached by the indexes of its fields.
type column struct {
	name string
	path []int
}

// table writes a page as CSV: a column for every field of JSON that is one value, objects within an item spread out, lists
// within it left out. It begins with a byte order mark: without one the spreadsheets that officers use misread Vietnamese.
func table[T any](c *gin.Context, items []T, next string) {
	columns := columnsOf(reflect.TypeFor[T](), "", nil)
	b := bytes.NewBufferString("\uFEFF")
	w := csv.NewWriter(b)
	line := make([]string, len(columns))
	for i, col := range columns {
		line[i] = col.name
	}
	_ = w.Write(line)
	for i := range items {
		for j, col := range columns {
			line[j] = cellOf(reflect.ValueOf(items[i]), col)
		}
		_ = w.Write(line)
	}
	w.Flush() // into memory: it cannot fail
	if next != "" {
		c.Header("Feegate-Next", next)
	}
	c.Data(http.StatusOK, csvType+"; charset=utf-8", b.Bytes())
}

func columnsOf(t reflect.Type, prefix string, path []int) []column {
	for t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	var out []column
	for i := range t.NumField() {
		f := t.Field(i)
		name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
		at := append(append([]int{}, path...), i)
		kind := f.Type
		for kind.Kind() == reflect.Pointer {
			kind = kind.Elem()
		}
		switch {
		case name == "-" || !f.IsExported():
		case f.Anonymous && name == "":
			out = append(out, columnsOf(kind, prefix, at)...)
		case kind == reflect.TypeFor[time.Time]():
			out = append(out, column{prefix + name, at})
		case kind.Kind() == reflect.Struct:
			out = append(out, columnsOf(kind, prefix+name+".", at)...)
		case kind.Kind() != reflect.Slice && kind.Kind() != reflect.Map:
			out = append(out, column{prefix + name, at})
		}
	}
	return out
}

// cellOf writes a value as JSON does, a text without its quotes, nothing for null. What JSON cannot write is a fault of ours, which
// the edge answers as one.
func cellOf(v reflect.Value, col column) string {
	for _, i := range col.path {
		for v.Kind() == reflect.Pointer {
			if v.IsNil() {
				return ""
			}
			v = v.Elem()
		}
		v = v.Field(i)
	}
	raw, err := json.Marshal(v.Interface())
	if err != nil {
		panic(fmt.Errorf("column %s: %w", col.name, err))
	}
	if string(raw) == "null" {
		return ""
	}
	said := string(raw)
	if raw[0] != '"' {
		return said
	}
	if err := json.Unmarshal(raw, &said); err != nil {
		panic(fmt.Errorf("column %s: %w", col.name, err))
	}
	// A spreadsheet takes what begins like a formula for one, but for the apostrophe.
	if said != "" && strings.ContainsRune("=+-@\t\r\n", rune(said[0])) {
		said = "'" + said
	}
	return said
}
