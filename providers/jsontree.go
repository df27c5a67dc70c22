package providers

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"unicode/utf16"
	"unicode/utf8"
)

// maxDepth is how deep a message may nest.
const maxDepth = 16

// ParseTree reads one JSON value whole: objects as map[string]any, arrays as []any, numbers as json.Number with their digits as
// received. A name given twice in one object is refused, at any depth. The error is ErrMalformed.
func ParseTree(b []byte, limit int) (any, error) {
	bad := func(why string) (any, error) { return nil, fmt.Errorf("%w: %s", ErrMalformed, why) }
	if len(b) > limit {
		return bad("too long")
	}
	if !utf8.Valid(b) {
		return bad("not UTF-8")
	}
	dec := json.NewDecoder(bytes.NewReader(b))
	dec.UseNumber()
	v, err := tree(dec, 0)
	if err != nil {
		return nil, err
	}
	if _, err := dec.Token(); !errors.Is(err, io.EOF) {
		return bad("something follows the JSON value")
	}
	return v, nil
}

func tree(dec *json.Decoder, depth int) (any, error) {
	t, err := dec.Token()
	if err != nil {
		return nil, fmt.Errorf("%w: not JSON", ErrMalformed)
	}
	d, nests := t.(json.Delim)
	switch {
	case !nests:
		return t, nil
	case depth == maxDepth:
		return nil, fmt.Errorf("%w: nested too deep", ErrMalformed)
	case d == '[':
		list := []any{}
		for dec.More() {
			v, err := tree(dec, depth+1)
			if err != nil {
				return nil, err
			}
			list = append(list, v)
		}
		if _, err := dec.Token(); err != nil {
			return nil, fmt.Errorf("%w: not JSON", ErrMalformed)
		}
		return list, nil
	}
	object := map[string]any{}
	for dec.More() {
		k, err := dec.Token()
		name, ok := k.(string)
		if err != nil || !ok {
			return nil, fmt.Errorf("%w: not JSON", ErrMalformed)
		}
		if _, twice := object[name]; twice {
			return nil, fmt.Errorf("%w: a name occurs twice", ErrMalformed)
		}
		if object[name], err = tree(dec, depth+1); err != nil {
			return nil, err
		}
	}
	if _, err := dec.Token(); err != nil {
		return nil, fmt.Errorf("%w: not JSON", ErrMalformed)
	}
	return object, nil
}

// Escaping is how a language writes text into JSON.
type Escaping int

// JavaScript leaves everything as it is that may be; PHP, unless told otherwise, escapes the slash and whatever is not ASCII.
const (
	JavaScript Escaping = iota
	PHP
)

// SortedJSON writes a tree without blanks, the names of every object in order, arrays in theirs, numbers as they came.
func SortedJSON(v any, e Escaping) string {
	var b strings.Builder
	writeSorted(&b, v, e)
	return b.String()
}

func writeSorted(b *strings.Builder, v any, e Escaping) {
	switch v := v.(type) {
	case map[string]any:
		names := make([]string, 0, len(v))
		for name := range v {
			names = append(names, name)
		}
		slices.Sort(names)
		for i, name := range names {
			b.WriteByte("{,"[min(i, 1)])
			writeText(b, name, e)
			b.WriteByte(':')
			writeSorted(b, v[name], e)
		}
		if len(names) == 0 {
			b.WriteByte('{')
		}
		b.WriteByte('}')
	case []any:
		b.WriteByte('[')
		for i, one := range v {
			if i > 0 {
				b.WriteByte(',')
			}
			writeSorted(b, one, e)
		}
		b.WriteByte(']')
	case string:
		writeText(b, v, e)
	case json.Number:
		b.WriteString(v.String())
	case bool:
		fmt.Fprint(b, v)
	default:
		b.WriteString("null")
	}
}

func writeText(b *strings.Builder, s string, e Escaping) {
	b.WriteByte('"')
	for _, r := range s {
		switch {
		case r == '"' || r == '\\' || r == '/' && e == PHP:
			b.WriteByte('\\')
			b.WriteRune(r)
		case r == '\n':
			b.WriteString(`\n`)
		case r == '\r':
			b.WriteString(`\r`)
		case r == '\t':
			b.WriteString(`\t`)
		case r == '\b':
			b.WriteString(`\b`)
		case r == '\f':
			b.WriteString(`\f`)
		case r < ' ' || r > '~' && r != 0x7f && e == PHP:
			for _, unit := range utf16.AppendRune(nil, r) {
				fmt.Fprintf(b, `\u%04x`, unit)
			}
		default:
			b.WriteRune(r)
		}
	}
	b.WriteByte('"')
}
