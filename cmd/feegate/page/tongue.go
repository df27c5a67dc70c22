package page

import (
	"encoding/json"
	"fmt"
	"html/template"
	"strings"
	"text/template/parse"
)

// Pages that are written in Vietnamese can be read in another language. Their sentences stand where they are used, in Vietnamese; a catalogue
// file holds each with its translation, as in gettext. A template is translated before it is parsed, so that a page costs no more in one
// language than in the other.

// Text is a sentence of the program's own, in Vietnamese: what a template prints of this type is translated. What people have written is a
// string, and stays as they wrote it.
type Text string

// Tongue is one language. The zero value leaves everything in Vietnamese.
type Tongue struct {
	Code string            // as in the lang attribute
	says map[string]string // by the Vietnamese sentence
}

// ReadTongue takes a catalogue: a JSON object of Vietnamese sentences and their translations. A name that stands twice is refused.
func ReadTongue(code string, catalogue []byte) (*Tongue, error) {
	t := &Tongue{Code: code, says: map[string]string{}}
	d := json.NewDecoder(strings.NewReader(string(catalogue)))
	if _, err := d.Token(); err != nil {
		return nil, fmt.Errorf("the catalogue %s: %w", code, err)
	}
	for d.More() {
		key, err := d.Token()
		if err != nil {
			return nil, fmt.Errorf("the catalogue %s: %w", code, err)
		}
		var said string
		if err := d.Decode(&said); err != nil {
			return nil, fmt.Errorf("the catalogue %s, %q: %w", code, key, err)
		}
		name := fmt.Sprint(key)
		if _, twice := t.says[name]; twice {
			return nil, fmt.Errorf("the catalogue %s: %q stands twice", code, name)
		}
		t.says[name] = said
	}
	if _, err := d.Token(); err != nil {
		return nil, fmt.Errorf("the catalogue %s does not end: %w", code, err)
	}
	return t, nil
}

// Knows reports whether the catalogue has a sentence.
func (t *Tongue) Knows(vi string) bool {
	_, ok := t.says[vi]
	return ok
}

// All gives the catalogue's sentences: for its tests.
func (t *Tongue) All() map[string]string { return t.says }

// Say gives a sentence in the language; one that the catalogue lacks stays in Vietnamese.
func (t *Tongue) Say(vi Text) string {
	if said, ok := t.says[string(vi)]; ok {
		return said
	}
	return string(vi)
}

// Head gives a page's heading in the language. Vietnamese has one form for one and many: a heading that differs from the same word elsewhere
// stands in the catalogue behind "# ".
func (t *Tongue) Head(vi Text) string {
	if said, ok := t.says["# "+string(vi)]; ok {
		return said
	}
	return t.Say(vi)
}

// Sayf fills a sentence; the verbs are filled in order, or as a translation numbers them (%[2]s). What is a Text is translated too.
func (t *Tongue) Sayf(vi Text, args ...any) string {
	for i, a := range args {
		args[i] = t.print(a)
	}
	return fmt.Sprintf(t.Say(vi), args...)
}

// print translates what is the program's own and leaves the rest.
func (t *Tongue) print(v any) any {
	if s, ok := v.(Text); ok {
		return t.Say(s)
	}
	return v
}

// Speak parses a template's source in the language and adds it to a set. What its actions print goes through the catalogue where it is a Text.
func (t *Tongue) Speak(set *template.Template, name, source string) error {
	if t.says != nil {
		source = rewrite(source, t.translate)
	}
	set.Funcs(template.FuncMap{"tongue": t.print})
	into := set.New(name)
	if _, err := into.Parse(source); err != nil {
		return err
	}
	return nil
}

// Hear lets every action of a set print in the language. It is called once, when the set is whole.
func (t *Tongue) Hear(set *template.Template) {
	if t.says == nil {
		return
	}
	for _, one := range set.Templates() {
		if one.Tree != nil && one.Tree.Root != nil {
			hear(one.Tree, one.Tree.Root)
		}
	}
}

func hear(tree *parse.Tree, n parse.Node) {
	switch n := n.(type) {
	case *parse.ListNode:
		if n == nil {
			return
		}
		for _, child := range n.Nodes {
			hear(tree, child)
		}
	case *parse.IfNode:
		hear(tree, n.List)
		hear(tree, n.ElseList)
	case *parse.RangeNode:
		hear(tree, n.List)
		hear(tree, n.ElseList)
	case *parse.WithNode:
		hear(tree, n.List)
		hear(tree, n.ElseList)
	case *parse.ActionNode:
		if len(n.Pipe.Decl) > 0 {
			return
		}
		call := parse.NewIdentifier("tongue").SetTree(tree).SetPos(n.Pos)
		n.Pipe.Cmds = append(n.Pipe.Cmds, &parse.CommandNode{NodeType: parse.NodeCommand, Pos: n.Pos, Args: []parse.Node{call}})
	}
}

// translate gives a template's sentence in the language, its {1} … being what its actions print.
func (t *Tongue) translate(vi string, heading bool) string {
	if heading {
		return t.Head(Text(vi))
	}
	return t.Say(Text(vi))
}

// Messages gives the sentences of a template's source, in their order.
func Messages(source string) (out []string) {
	rewrite(source, func(m string, _ bool) string {
		out = append(out, m)
		return m
	})
	return out
}
