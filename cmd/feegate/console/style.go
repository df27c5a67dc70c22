package console

import (
	"net/http"
	"strconv"
	"strings"

	"feegate/cmd/feegate/page"
)

// swatch is a colour with its contrast on the two grounds of its scheme, as people write it: 7,2 : 1.
type swatch struct {
	page.Token
	OnLight, OnDark string
}

type styleData struct {
	Swatches []swatch
	Today    string
}

// style shows the pages' own tokens and parts in one place, so that a new page is made of them.
func (c *Console) style(v *visit) error {
	tokens, err := page.Tokens()
	if err != nil {
		return err
	}
	d := styleData{Today: c.Now().In(vietnam).Format("2006-01-02")}
	ground := page.Token{}
	for _, t := range tokens {
		if t.Name == "ground" {
			ground = t
		}
	}
	for _, t := range tokens {
		s := swatch{Token: t}
		for _, pair := range []struct {
			to         *string
			colour, on string
		}{{&s.OnLight, t.Light, ground.Light}, {&s.OnDark, t.Dark, ground.Dark}} {
			ratio, err := page.Contrast(pair.colour, pair.on)
			if err != nil {
				return err
			}
			*pair.to = strings.Replace(strconv.FormatFloat(ratio, 'f', 1, 64), ".", ",", 1) + " : 1"
		}
		d.Swatches = append(d.Swatches, s)
	}
	return v.show(http.StatusOK, "style", "Mẫu trình bày", d)
}
