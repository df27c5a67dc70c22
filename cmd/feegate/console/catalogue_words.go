package console

import (
	"encoding/json"
	"fmt"
	"regexp"
	"strings"

	"feegate/cmd/feegate/page"
	"feegate/gateway"
	"feegate/reconciliation/adoption"
)

func sectionWords() map[string]text {
	return map[string]text{"fields": "Lĩnh vực", "communes": "Xã, phường", "agencies": "Cơ quan", "agency_aliases": "Mã cơ quan cũ", "commune_aliases": "Mã xã cũ", "procedures": "Thủ tục",
		"fee_schedules": "Mức thu", "pilot_discounts": "Giảm khi nộp trực tuyến", "exemption_groups": "Nhóm miễn, giảm"}
}

func factWords() map[string]text {
	return map[string]text{"code": "mã", "name": "tên", "valid_from": "từ", "valid_to": "đến trước", "legal_basis": "căn cứ", "commune_code": "xã", "position": "thứ tự", "old_code": "mã cũ", "new_code": "mã mới",
		"since": "từ", "withdrawn": "rút lại", "field_code": "lĩnh vực", "agency_codes": "nơi tiếp nhận", "fee_code": "khoản thu", "procedure_code": "thủ tục", "kind": "loại", "unit_amount": "mức thu",
		"assessed": "theo thông báo", "agency_code": "cơ quan", "filing_mode": "hình thức nộp", "percent": "phần trăm", "fixed": "số tiền giảm"}
}

// facts writes a row for people, its fields in an order that does not change.
func (t speech) facts(raw json.RawMessage) string {
	var row map[string]any
	d := json.NewDecoder(strings.NewReader(string(raw)))
	d.UseNumber()
	if err := d.Decode(&row); err != nil || row == nil {
		return "—"
	}
	words, out := factWords(), []string{}
	for _, k := range []string{"fee_code", "code", "procedure_code", "name", "field_code", "old_code", "new_code", "kind", "unit_amount", "assessed", "percent", "fixed", "agency_code", "agency_codes", "filing_mode",
		"commune_code", "position", "since", "valid_from", "valid_to", "legal_basis", "withdrawn"} {
		v, has := row[k]
		if !has || v == nil || v == "" || v == false {
			continue
		}
		said := fmt.Sprint(v)
		switch k {
		case "since", "valid_from", "valid_to":
			said = page.Day(said)
		case "unit_amount", "fixed":
			if n, err := v.(json.Number).Int64(); err == nil {
				said = count(n) + " ₫"
			}
		case "filing_mode":
			said = t.Say(or(modeWords())(said))
		case "assessed", "withdrawn":
			said = t.Say("có")
		}
		out = append(out, t.Say(text(words[k]))+": "+said)
	}
	return strings.Join(out, " · ")
}

func modeWords() map[string]text {
	return map[string]text{"any": "mọi hình thức nộp", "online": "nộp trực tuyến", "counter": "nộp tại quầy", "postal": "nộp qua bưu chính"}
}

func proposal(status string) word {
	switch status {
	case gateway.Proposed:
		return word{"warn", "◐", "Chờ duyệt"}
	case gateway.Approved:
		return word{"good", "●", "Đã duyệt"}
	case gateway.Rejected:
		return word{"bad", "✕", "Bị từ chối"}
	}
	return word{"", "·", text(status)}
}

// parameters writes a definition's numbers.
func (t speech) parameters(p adoption.Parameters) string {
	return t.Sayf("độ phủ tối thiểu %d %% · nộp thay: từ %d hồ sơ trong %d ngày · chờ đối soát quá %d ngày làm việc · chờ tiền về quá %d ngày làm việc · lệch giờ quá %d giờ · thử nộp trong %d ngày",
		p.CoverageGate, p.PayerDossiers, p.PayerDays, p.ProvisionalDays, p.PayoutDays, p.SkewHours, p.CheckoutDays)
}

func targetPercent(p gateway.Percent) string {
	raw, err := p.MarshalJSON()
	if err != nil {
		return string(p)
	}
	return strings.Replace(string(raw), ".", ",", 1)
}

// faultWords say what may be wrong with a catalogue's document, with what stands in it.
var faultWords = []struct {
	is   *regexp.Regexp
	said string
}{
	{regexp.MustCompile(`^row (\d+), column (\d+): formulas are not taken; write the value itself$`), "dòng $1, cột $2: không nhận công thức; hãy ghi giá trị"},
	{regexp.MustCompile(`^row (\d+), column (\d+): (".*") is no column of this section, or stands twice: (.*)$`), "dòng $1, cột $2: $3 không phải cột của phần này, hoặc ghi hai lần; các cột: $4"},
	{regexp.MustCompile(`^the sheet (".*"), (\S+): formulas are not taken; write the value itself$`), "trang tính $1, ô $2: không nhận công thức; hãy ghi giá trị"},
	{regexp.MustCompile(`^the sheet (".*") is no section: (.*)$`), "trang tính $1 không phải phần nào của danh mục: $2"},
	{regexp.MustCompile(`^the sheet (".*"), ?(.*) cannot be read$`), "trang tính $1, $2 không đọc được"},
	{regexp.MustCompile(`^the sheet (".*") cannot be read$`), "trang tính $1 không đọc được"},
	{regexp.MustCompile(`^the sheet (".*"): at most (\d+) rows of 50 columns$`), "trang tính $1: tối đa $2 dòng, 50 cột"},
	{regexp.MustCompile(`^two sheets hold (.*)$`), "hai trang tính cùng là $1"},
	{regexp.MustCompile(`^must hold 1 to (\d+) bytes$`), "tệp trống, hoặc lớn hơn $1 byte"},
	{regexp.MustCompile(`^is no workbook that can be read$`), "không phải bảng tính đọc được"},
	{regexp.MustCompile(`^is not UTF-8: save it as CSV UTF-8$`), "không phải UTF-8; hãy lưu dạng CSV UTF-8"},
	{regexp.MustCompile(`^is no table: .*$`), "không phải bảng đọc được"},
	{regexp.MustCompile(`^at most (\d+) rows$`), "tối đa $1 dòng"},
	{regexp.MustCompile(`^goes with a text table; a workbook's sheets say it themselves$`), "chỉ chọn khi tệp là CSV; trang tính của bảng tính tự nói là phần nào"},
	{regexp.MustCompile(`^cannot be read: .*$`), "không đọc được"},
	{regexp.MustCompile(`^has no heading$`), "cột không có tên"},
	{regexp.MustCompile(`^must be a whole number, digits only$`), "phải là số nguyên, chỉ gồm chữ số"},
	{regexp.MustCompile(`^must be true or false$`), "phải là có hoặc không"},
	{regexp.MustCompile(`^is a number in the sheet, which loses zeros: make the column text$`), "là số trong bảng tính nên mất số 0; hãy đổi cột thành văn bản"},
	{regexp.MustCompile(`^must be one of (.*)$`), "phải là một trong: $1"},
	{regexp.MustCompile(`^must be 1 to 40 letters, digits, dots, hyphens or underscores$`), "gồm 1 đến 40 chữ cái không dấu, chữ số, dấu chấm, gạch"},
	{regexp.MustCompile(`^holds a control character$`), "có ký tự không hiển thị được"},
	{regexp.MustCompile(`^is missing$`), "còn thiếu"},
	{regexp.MustCompile(`^at most 300 characters, no blanks around them$`), "tối đa 300 ký tự, không có dấu cách ở đầu và cuối"},
	{regexp.MustCompile(`^must be a date like 2026-01-31$`), "phải là ngày, ví dụ 31/01/2026"},
	{regexp.MustCompile(`^must lie after valid_from.*$`), "phải sau ngày bắt đầu có hiệu lực"},
	{regexp.MustCompile(`^no section holds a row: .*$`), "tệp không có dòng nào"},
	{regexp.MustCompile(`^is old_code itself$`), "trùng với mã cũ"},
	{regexp.MustCompile(`^leads back to old_code on (.*)$`), "quay vòng về mã cũ vào ngày $1"},
	{regexp.MustCompile(`^is not in the catalogue, nor in the document$`), "chưa có trong danh mục, cũng không có trong tệp"},
	{regexp.MustCompile(`^is not in the catalogue$`), "chưa có trong danh mục"},
	{regexp.MustCompile(`^stands in (\S+) too$`), "đã có ở $1"},
	{regexp.MustCompile(`^(\S+) is of the same and begins on the same day$`), "trùng khoản và ngày bắt đầu với $1"},
	{regexp.MustCompile(`^overlaps the row that begins on (.*)$`), "chồng lên dòng có hiệu lực từ $1"},
	{regexp.MustCompile(`^overlaps (\S+), which begins on (.*)$`), "chồng lên $1, có hiệu lực từ $2"},
	{regexp.MustCompile(`^orders were priced by the row that begins on (\S+): it is not rewritten; give a later day$`), "dòng có hiệu lực từ $1 đã dùng để tính phí nên không sửa được; hãy ghi ngày hiệu lực sau đó"},
	{regexp.MustCompile(`^is missing; a fee that is assessed case by case says assessed: true$`), "còn thiếu; khoản theo thông báo thì đánh dấu cột theo thông báo"},
	{regexp.MustCompile(`^a fee with a unit_amount is not assessed$`), "đã có mức thu thì không phải theo thông báo"},
	{regexp.MustCompile(`^nvtc comes from the notice alone: assessed: true$`), "nghĩa vụ tài chính chỉ theo thông báo: không ghi mức thu, đánh dấu theo thông báo"},
	{regexp.MustCompile(`^either percent or fixed$`), "chỉ ghi một: phần trăm hoặc số tiền giảm"},
	{regexp.MustCompile(`^must be (\d+) to ([\d,]+)$`), "phải từ $1 đến $2"},
	{regexp.MustCompile(`^must be above 0$`), "phải lớn hơn 0"},
	{regexp.MustCompile(`^an exemption is of 100 percent; less is reduced$`), "miễn là 100 %; ít hơn là giảm"},
	{regexp.MustCompile(`^is in no schedule$`), "không có trong biểu mức thu"},
}

var faultRow = regexp.MustCompile(`^row (\d+): (.*)$`)

// fault says what is wrong, as people read it; what has no words stands as the rooms say it, in English.
func (t speech) fault(detail string) string {
	if t.english() {
		return t.Say(text(detail))
	}
	if m := faultRow.FindStringSubmatch(detail); m != nil {
		return "dòng " + m[1] + ": " + t.fault(m[2])
	}
	for _, f := range faultWords {
		if f.is.MatchString(detail) {
			return f.is.ReplaceAllString(detail, f.said)
		}
	}
	return detail
}
