package honesty

import (
	"encoding/json"
	"fmt"
	"strconv"
	"strings"

	"feegate/gateway/vnd"
	"feegate/reconciliation/adoption"
)

// Numbers of the rules that are no parameters of the definition.
const (
	TinyPercent   = 5  // G8: a part of at most so much of its order is a token
	SharedProof   = 5  // G7: one piece of evidence used for so many dossiers
	ExemptAtLeast = 10 // G7: an agency's share of exemptions is judged from so many on …
	ExemptTimes   = 2  // … and is out of line at so many times the province's
)

// Rule is a rule for people: what it is called, and what it means in two sentences.
type Rule struct {
	ID      string `json:"rule"`
	Title   string `json:"title"`
	TitleVI string `json:"title_vi"`
	Means   string `json:"means"`
	MeansVI string `json:"means_vi"`
}

// said is a finding's sentence: {1}, {2} … are its particulars, {amount} its money.
type said struct{ en, vi string }

// check is a rule as the program runs it.
type check struct {
	title, titleVI, means, meansVI string
	parameters                     []string // of the definition, by their names there
	facts                          bool     // whether its query stands on the facts of the definition
	query                          string
	says                           map[string]said // by kind
}

// Names are the rules in their order.
func Names() []string {
	out := make([]string, 15)
	for i := range out {
		out[i] = fmt.Sprintf("G%d", i+1)
	}
	return out
}

// Rules are all rules for people, in their order.
func Rules() []Rule {
	out := []Rule{}
	for _, n := range Names() {
		out = append(out, checks[n].rule(n))
	}
	return out
}

func (c check) rule(id string) Rule { return Rule{id, c.title, c.titleVI, c.means, c.meansVI} }

// values are the parameters that the rule goes by.
func (c check) values(p adoption.Parameters) map[string]int {
	raw, _ := json.Marshal(p) // whole numbers: it cannot fail
	all, out := map[string]int{}, map[string]int{}
	_ = json.Unmarshal(raw, &all)
	for _, n := range c.parameters {
		out[n] = all[n]
	}
	return out
}

// tell writes a finding's sentences.
func (c check) tell(f *Finding, args []string) {
	pairs := []string{}
	for i, a := range args {
		if n, err := strconv.ParseInt(a, 10, 64); err == nil { // money among the particulars reads as money
			pairs = append(pairs, fmt.Sprintf("{%d} đồng", i+1), vnd.Signed(n).Format())
		}
		pairs = append(pairs, fmt.Sprintf("{%d}", i+1), a)
	}
	if f.Amount != nil {
		pairs = append(pairs, "{amount}", vnd.Signed(*f.Amount).Format())
	}
	r, s := strings.NewReplacer(pairs...), c.says[f.Kind]
	f.What, f.WhatVI = r.Replace(s.en), r.Replace(s.vi)
}

var checks = map[string]check{
	"G1": {title: "Officers and accounts that pay for many", titleVI: "Cán bộ hoặc tài khoản nộp thay nhiều người",
		means:      "Payments from a staff account, or from one account for many applicants in a short time, are counted as proxy and never as online. Declared agents and notaries are exempt by a decision of two people.",
		meansVI:    "Khoản nộp từ tài khoản cán bộ, hoặc từ một tài khoản cho nhiều người nộp hồ sơ trong thời gian ngắn, được tính là nộp thay, không tính trực tuyến. Đại lý, công chứng đã khai báo được loại trừ bằng quyết định của hai người.",
		parameters: []string{"payer_dossiers", "payer_days"}, query: payers,
		says: map[string]said{
			"many":        {"One account paid {amount} for {1} dossiers of different applicants.", "Một tài khoản nộp {amount} cho {1} hồ sơ của nhiều người khác nhau."},
			"staff":       {"A declared staff account paid {amount} for {1} dossiers.", "Tài khoản cán bộ đã khai báo nộp {amount} cho {1} hồ sơ."},
			"staff_ended": {"An account that was declared as staff's paid {amount} for {1} dossiers; the declaration was ended, and they count again.", "Tài khoản từng khai báo là của cán bộ nộp {amount} cho {1} hồ sơ; khai báo đã bị kết thúc nên các khoản này được tính lại."},
			"officer":     {"An officer paid {amount} for a citizen from an unknown account.", "Cán bộ nộp thay {amount} từ tài khoản không rõ."}}},
	"G2": {title: "Typed by hand, without receipt", titleVI: "Nhập tay, không có biên lai",
		means:   "Money that somebody typed in, without the agency's receipt and without a provider, proves nothing. It stays in the denominator as unproven until it is voided or taken again with its receipt.",
		meansVI: "Khoản do người nhập tay, không có biên lai của đơn vị và không qua nhà cung cấp, thì không chứng minh được gì. Nó ở lại mẫu số là “chưa chứng minh” cho đến khi được hủy hoặc ghi lại kèm biên lai.",
		query:   typed, says: map[string]said{"typed": {"{amount} typed in as {1} without a receipt.", "Nhập tay {amount} (kênh {1}) không có biên lai."}}},
	"G3": {title: "Split fees and token online parts", titleVI: "Chia nhỏ khoản thu, nộp trực tuyến tượng trưng",
		means:   "An order paid partly online and partly at the counter, or never paid in full, is not online. One fee of a dossier put on several orders is shown, so that nobody gains units by splitting.",
		meansVI: "Đơn nộp một phần trực tuyến, một phần tại quầy, hoặc nộp không đủ, không tính trực tuyến. Một khoản phí của một hồ sơ bị tách thành nhiều đơn được nêu ra để không ai tăng số lượt bằng cách chia nhỏ.",
		facts:   true, query: split, says: map[string]said{
			"mixed":      {"Only {1} đồng of {amount} were paid online.", "Chỉ {1} đồng trong {amount} được nộp trực tuyến."},
			"incomplete": {"The order was left with {amount} of {1} đồng paid.", "Đơn dừng ở mức đã nộp {amount} trên {1} đồng."},
			"split":      {"The fee {1} of one dossier was put on {2} paid orders, {amount} together.", "Khoản {1} của một hồ sơ bị tách thành {2} đơn đã nộp, tổng {amount}."}}},
	"G4": {title: "Closed unpaid, or without an order", titleVI: "Đóng hồ sơ khi chưa thu, hoặc không có đơn thu",
		means:      "A dossier closed while its fee is unpaid counts against the dossier rate and the coverage. A dossier of a fee-bearing procedure closed without any order (CLOSED_NO_ORDER), or told with less due than its orders ask for, hides its fee.",
		meansVI:    "Hồ sơ đóng khi phí chưa nộp làm giảm tỷ lệ hồ sơ và độ phủ. Hồ sơ của thủ tục có thu phí mà đóng không có đơn thu nào (CLOSED_NO_ORDER), hoặc báo phải thu ít hơn đơn thu, là giấu khoản thu.",
		parameters: []string{"provisional_working_days"}, facts: true, query: unpaid, says: map[string]said{
			"told_away":       {"The case system says {1} đồng are due, the orders ask for {2} đồng: {amount} left out.", "Hệ thống xử lý báo phải thu {1} đồng, trong khi các đơn thu yêu cầu {2} đồng: bỏ ra ngoài {amount}."},
			"never_told":      {"The case system told nothing of {1} paid dossiers ({amount}).", "Hệ thống xử lý không báo gì về {1} hồ sơ đã nộp ({amount})."},
			"closed_unpaid":   {"Closed with {amount} due and nothing paid.", "Đã đóng khi còn phải thu {amount}, chưa nộp gì."},
			"closed_no_order": {"CLOSED_NO_ORDER: closed without any order, procedure {1} charges a fee.", "CLOSED_NO_ORDER: đã đóng mà không có đơn thu, thủ tục {1} có thu phí."}}},
	"G5": {title: "Cash that is not recorded or not brought to the bank", titleVI: "Tiền mặt không ghi nhận hoặc chưa nộp ngân hàng",
		means:      "Missing receipt numbers, cash without a deposit slip after some working days, and a low coverage say that counter money is missing from the denominator. A low coverage keeps every target from being called met.",
		meansVI:    "Số biên lai bị khuyết, tiền mặt quá hạn chưa có giấy nộp tiền, và độ phủ thấp cho thấy tiền tại quầy bị thiếu trong mẫu số. Độ phủ thấp thì không chỉ tiêu nào được ghi là đạt.",
		parameters: []string{"payout_working_days", "coverage_gate_percent"}, facts: true, query: cash, says: map[string]said{
			"receipt_gap": {"Receipt numbers {2} to {3} of series {1} are missing ({4}).", "Thiếu biên lai số {2} đến {3}, ký hiệu {1} ({4} số)."},
			"undeposited": {"Cash {amount} is in no deposit slip after {1} working days.", "Tiền mặt {amount} chưa có trong giấy nộp tiền nào sau {1} ngày làm việc."},
			"coverage":    {"Coverage {1} of {2} closed dossiers is below the gate.", "Độ phủ {1} trên {2} hồ sơ đã đóng, dưới ngưỡng."}}},
	"G6": {title: "Refunded online, then paid in cash", titleVI: "Hoàn tiền trực tuyến rồi thu tiền mặt",
		means:   "A refund of an online payment followed by cash for the same fee makes an online unit of money that never stayed. The refunded unit drops out, and the pair is shown.",
		meansVI: "Hoàn khoản nộp trực tuyến rồi thu tiền mặt cho cùng khoản phí là dựng lượt trực tuyến từ tiền không ở lại. Lượt đã hoàn bị loại, và cặp này được nêu ra.",
		query:   again, says: map[string]said{"refund_then_cash": {"{amount} refunded online, then {1} đồng taken at the counter for the same fee.", "Hoàn {amount} trực tuyến, sau đó thu {1} đồng tại quầy cho cùng khoản phí."}}},
	"G7": {title: "Exemptions out of line", titleVI: "Miễn, giảm bất thường",
		means:   "Exempt orders leave the denominator, so each needs its own evidence. Missing evidence, one proof used for many dossiers, and an agency far above the province's share are shown; a reproducible sample is drawn for checking.",
		meansVI: "Đơn được miễn ra khỏi mẫu số nên mỗi đơn cần căn cứ riêng. Thiếu căn cứ, một căn cứ dùng cho nhiều hồ sơ, và đơn vị có tỷ lệ miễn cao hẳn so với toàn tỉnh được nêu ra; mẫu kiểm tra được chọn có thể lặp lại.",
		query:   exempted, says: map[string]said{
			"no_evidence": {"{amount} taken off without evidence.", "Miễn, giảm {amount} không có căn cứ."},
			"repeated":    {"One piece of evidence took {amount} off {1} dossiers.", "Một căn cứ được dùng để miễn, giảm {amount} cho {1} hồ sơ."},
			"share":       {"{1} of {2} orders exempt, the province: {3} of {4}.", "Miễn {1} trên {2} đơn, toàn tỉnh: {3} trên {4}."}}},
	"G8": {title: "Test money and tiny parts", titleVI: "Tiền thử nghiệm, khoản nộp tí hon",
		means:   "Test payments stand in no figure and are counted here. A tiny online part of an order that was not then paid online is a token, and its order is incomplete or mixed.",
		meansVI: "Khoản nộp thử nghiệm không vào số liệu nào và được đếm ở đây. Một phần trực tuyến rất nhỏ của đơn mà sau đó không nộp trực tuyến là khoản tượng trưng, đơn đó bị tính nộp thiếu hoặc hỗn hợp.",
		query:   tiny, says: map[string]said{
			"test": {"{1} test payments, {amount}: in no figure.", "{1} khoản nộp thử nghiệm, {amount}: không vào số liệu."},
			"tiny": {"An online part of {amount} of an order of {1} đồng.", "Phần trực tuyến {amount} của đơn {1} đồng."}}},
	"G9": {title: "Success that never settles", titleVI: "Báo thành công nhưng không quyết toán",
		means:      "The headline takes confirmed money only; a success without a settlement line after some working days is shown. So is a settled day whose payout has not come to the bank.",
		meansVI:    "Tỷ lệ chính chỉ tính tiền đã xác nhận; khoản báo thành công mà quá hạn không có dòng đối soát được nêu ra. Ngày đã quyết toán mà tiền chưa về ngân hàng cũng vậy.",
		parameters: []string{"provisional_working_days", "payout_working_days"}, query: unsettled, says: map[string]said{
			"provisional": {"{amount} reported as paid on {1}, no settlement line after {2} working days.", "{amount} báo đã nộp ngày {1}, sau {2} ngày làm việc chưa có dòng đối soát."},
			"no_payout":   {"{amount} settled for {1}, not at the bank after {2} working days.", "{amount} đã quyết toán cho ngày {1}, sau {2} ngày làm việc chưa về ngân hàng."}}},
	"G10": {title: "Closed periods opened again", titleVI: "Mở lại kỳ đã chốt",
		means:   "A closed report is never changed: a new revision stands beside the old one, with who made it and why. A reconciliation day opened again needs two people, and is listed.",
		meansVI: "Báo cáo đã chốt không bao giờ bị sửa: bản mới đứng cạnh bản cũ, ghi rõ ai lập và vì sao. Ngày đối soát được mở lại phải có hai người, và được liệt kê.",
		query:   reopened, says: map[string]said{
			"revision": {"Report {1} to {2}: revision {3} ({5} after {6}). {4}", "Báo cáo {1} đến {2}: bản số {3} ({5}, sau {6}). {4}"},
			"day":      {"The day {1} was opened again: {2}", "Ngày {1} được mở lại: {2}"}}},
	"G11": {title: "Forged and replayed messages", titleVI: "Thông báo giả mạo, phát lại",
		means:      "A message with a wrong signature or amount, or sent again long after, changes nothing. Each is kept as it came and counted here by account and day.",
		meansVI:    "Thông báo sai chữ ký, sai số tiền, hoặc gửi lại sau thời gian dài không thay đổi gì. Mỗi thông báo được giữ nguyên và đếm ở đây theo tài khoản và ngày.",
		parameters: []string{"skew_hours"}, query: forged, says: map[string]said{
			"forged":          {"{1} forged messages on {2}.", "{1} thông báo giả mạo ngày {2}."},
			"amount_mismatch": {"{1} messages with another amount on {2}.", "{1} thông báo sai số tiền ngày {2}."},
			"replayed":        {"{1} messages replayed on {2}.", "{1} thông báo bị phát lại ngày {2}."}}},
	"G12": {title: "Backdated payments", titleVI: "Lùi ngày nộp",
		means:      "The time of payment is the provider's word and the time we learnt it is ours. Where they differ by much, and no settlement or bank line of that day proves it, the payment is shown.",
		meansVI:    "Thời điểm nộp là lời của nhà cung cấp, thời điểm ghi nhận là của hệ thống. Khi hai thời điểm lệch nhiều mà không có dòng đối soát hay sao kê của ngày đó chứng minh, khoản nộp được nêu ra.",
		parameters: []string{"skew_hours"}, query: backdated, says: map[string]said{"skew": {"Said to be paid {1}, learnt {2}: {3} hours apart.", "Ghi là nộp lúc {1}, biết lúc {2}: lệch {3} giờ."}}},
	"G13": {title: "The definition or a target was changed", titleVI: "Thay đổi định nghĩa hoặc chỉ tiêu",
		means:   "Definition and parameters are printed on every report. A change is a new definition or target, by two people, with the day from which it counts.",
		meansVI: "Định nghĩa và tham số được in trên mọi báo cáo. Thay đổi là một định nghĩa hoặc chỉ tiêu mới, do hai người quyết, có ngày hiệu lực.",
		query:   changed, says: map[string]said{
			"definition": {"Definition {1} in force from {2}: {3}", "Định nghĩa {1} có hiệu lực từ {2}: {3}"},
			"target":     {"Target {1} % from {2}: {3}", "Chỉ tiêu {1} % từ {2}: {3}"}}},
	"G14": {title: "National flag not as the evidence says", titleVI: "Cờ quốc gia không đúng chứng cứ",
		means:   "The flag DuocThanhToanTrucTuyen follows from evidence alone. Each night what was sent is compared with what each dossier deserves, and every difference is listed.",
		meansVI: "Cờ DuocThanhToanTrucTuyen chỉ theo chứng cứ. Mỗi đêm, cờ đã gửi được so với cờ mà hồ sơ xứng đáng, và mọi chênh lệch được liệt kê.",
		query:   flags, says: map[string]said{
			"sent":     {"Sent flag {1}, deserved {2}.", "Đã gửi cờ {1}, xứng đáng {2}."},
			"not_sent": {"Deserves flag {2}, nothing was sent.", "Xứng đáng cờ {2}, chưa gửi gì."}}},
	"G15": {title: "Enabled without a working channel", titleVI: "Triển khai nhưng kênh không hoạt động",
		means:      "An account is a channel only with an approved beneficiary and a checkout that passed lately. One that is offered without either enables nothing.",
		meansVI:    "Tài khoản chỉ là kênh khi người thụ hưởng đã được duyệt và gần đây có lần thanh toán thử hoặc thật được nhà cung cấp nhận. Tài khoản được mở mà thiếu một trong hai thì không tính là triển khai.",
		parameters: []string{"checkout_days"}, query: unusable, says: map[string]said{
			"no_checkout":    {"Account {1} ({2}): no checkout passed in {3} days.", "Tài khoản {1} ({2}): {3} ngày không có lần thanh toán nào được nhận."},
			"no_beneficiary": {"Account {1} ({2}): no approved beneficiary.", "Tài khoản {1} ({2}): chưa có tài khoản thụ hưởng được duyệt."}}},
}
