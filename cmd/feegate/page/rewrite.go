package page

import (
	"strconv"
	"strings"
	"unicode"
)

// rewrite walks over a template's source and gives every sentence to say, with whether it is a page's heading: what stands between two tags or controlling actions, and what is
// in an attribute that people read or hear. Within a sentence an action that prints is {1}, {2}, …; blanks are one blank. Sentences without a letter
// are left as they are.
func rewrite(source string, say func(string, bool) string) string {
	var out strings.Builder
	var run []part
	heading := false // within an h1
	flush := func() {
		out.WriteString(spoken(run, heading, say))
		run = run[:0]
	}
	for len(source) > 0 {
		switch {
		case strings.HasPrefix(source, "{{"):
			action := source[:actionEnd(source)]
			if controls(action) {
				flush()
				out.WriteString(action)
			} else {
				run = append(run, part{action, true})
			}
			source = source[len(action):]
		case source[0] == '<':
			flush()
			tag := source[:tagEnd(source)]
			out.WriteString(attributes(tag, say))
			heading = heading && !strings.HasPrefix(tag, "</h1") || strings.HasPrefix(tag, "<h1")
			source = source[len(tag):]
		default:
			n := strings.IndexAny(source, "<{")
			if n == 0 {
				n = 1 // a brace alone
			}
			if n < 0 {
				n = len(source)
			}
			run = append(run, part{source[:n], false})
			source = source[n:]
		}
	}
	flush()
	return out.String()
}

type part struct {
	text   string
	action bool
}

// spoken is a sentence in another language, with its actions and the blanks around it.
func spoken(run []part, heading bool, say func(string, bool) string) string {
	var id strings.Builder
	var actions []string
	letters := false
	for _, p := range run {
		if p.action {
			actions = append(actions, p.text)
			id.WriteString("{" + strconv.Itoa(len(actions)) + "}")
			continue
		}
		if strings.Contains(p.text, "{") { // it would be taken for a hole
			return joined(run)
		}
		id.WriteString(p.text)
		letters = letters || strings.ContainsFunc(p.text, unicode.IsLetter)
	}
	name := strings.Join(strings.Fields(id.String()), " ")
	if !letters || entity(name) {
		return joined(run)
	}
	// The whitespace at both ends is the page's, not the sentence's.
	first, last := id.String(), id.String()
	before := first[:len(first)-len(strings.TrimLeftFunc(first, blank))]
	after := last[len(strings.TrimRightFunc(last, blank)):]
	said := say(name, heading)
	holes := make([]string, 0, 2*len(actions))
	for n, a := range actions {
		holes = append(holes, "{"+strconv.Itoa(n+1)+"}", a)
	}
	return before + strings.NewReplacer(holes...).Replace(said) + after
}

func joined(run []part) string {
	var b strings.Builder
	for _, p := range run {
		b.WriteString(p.text)
	}
	return b.String()
}

func blank(r rune) bool { return r == ' ' || r == '\n' || r == '\t' }

// entity reports whether a text is nothing but a character's name, such as &nbsp;.
func entity(s string) bool {
	return strings.HasPrefix(s, "&") && strings.HasSuffix(s, ";") && !strings.ContainsAny(s, " {")
}

// actionEnd is where the action that a source begins with ends. Its strings may hold braces.
func actionEnd(source string) int {
	var quote byte
	for i := 2; i < len(source); i++ {
		switch c := source[i]; {
		case quote != 0:
			if c == '\\' && quote == '"' {
				i++
			} else if c == quote {
				quote = 0
			}
		case c == '"' || c == '`':
			quote = c
		case strings.HasPrefix(source[i:], "}}"):
			return i + 2
		}
	}
	return len(source)
}

// tagEnd is where the tag that a source begins with ends.
func tagEnd(source string) int {
	var quote byte
	for i := 1; i < len(source); i++ {
		switch c := source[i]; {
		case strings.HasPrefix(source[i:], "{{"):
			i += actionEnd(source[i:]) - 1
		case quote != 0:
			if c == quote {
				quote = 0
			}
		case c == '"' || c == '\'':
			quote = c
		case c == '>':
			return i + 1
		}
	}
	return len(source)
}

// controls reports whether an action prints nothing by itself, or what has sentences of its own.
func controls(action string) bool {
	inner := strings.TrimSpace(strings.Trim(strings.TrimSuffix(strings.TrimPrefix(action, "{{"), "}}"), "-"))
	if strings.HasPrefix(inner, "/*") || strings.HasPrefix(inner, "$") && strings.Contains(inner, "=") {
		return true
	}
	word, _, _ := strings.Cut(inner, " ")
	switch word {
	case "if", "else", "end", "range", "with", "define", "block", "template", "break", "continue":
		return true
	}
	return false
}

// heard are the attributes whose values people read or hear, beside those whose name begins with data-say.
var heard = map[string]bool{"title": true, "aria-label": true, "placeholder": true, "alt": true, "data-name": true}

// attributes translates what a tag says.
func attributes(tag string, say func(string, bool) string) string {
	var out strings.Builder
	for {
		eq := strings.Index(tag, `="`)
		if eq < 0 {
			return out.String() + tag
		}
		name := tag[strings.LastIndexAny(tag[:eq], " \n\t}")+1 : eq]
		value := tag[eq+2:]
		end := 0
		for end < len(value) && value[end] != '"' {
			if strings.HasPrefix(value[end:], "{{") {
				end += actionEnd(value[end:])
				continue
			}
			end++
		}
		out.WriteString(tag[:eq+2])
		if heard[name] || strings.HasPrefix(name, "data-say") {
			out.WriteString(rewrite(value[:end], say))
		} else {
			out.WriteString(value[:end])
		}
		tag = value[end:]
		if strings.HasPrefix(tag, `"`) {
			out.WriteString(`"`)
			tag = tag[1:]
		}
	}
}
