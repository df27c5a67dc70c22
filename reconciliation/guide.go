package reconciliation

import (
	"fmt"
	"strings"
)

// Guide is what people are told about a kind of discrepancy, in Vietnamese and in English: the console's pages, docs/discrepancies.md and
// the letter are made of it.
type Guide struct {
	Kind, Name, English string
	Means, MeansEN      string
	Usual, UsualEN      string
	Effect, Bank        string // on ours − settled, and on settled net − bank
	Days                int    // working days to deal with it
}

// Guides are those of all kinds, in the order of [Kinds].
func Guides() []Guide {
	return []Guide{
		{"missing_at_provider", "Nhà cung cấp không có", "Missing at the provider",
			"feegate ghi nhận khoản nộp này, nhưng tệp của nhà cung cấp không có dòng nào cho nó.",
			"A payment succeeded here, and that day's file is there without a line for it. A line in a later file turns it into `late` on both days.",
			"Chờ tệp ngày sau (chuyển tiếp); quá hạn thì gửi yêu cầu tra soát, rồi yêu cầu nhà cung cấp trả.",
			"Carry it forward while a later file may bring the line. After the deadline send a trace request, then claim the money.",
			"+ amount: we have more", "none", 2},
		{"missing_at_gateway", "feegate không có", "Missing at the gateway",
			"Nhà cung cấp đã thu và quyết toán khoản này, nhưng feegate không có khoản nộp thành công tương ứng.",
			"The provider settled a line, and there is no payment for it here. A citizen may have paid without any dossier knowing.",
			"Tìm hồ sơ theo mã giao dịch, ghi nhận khoản nộp vào yêu cầu nộp phí đúng; không rõ của ai thì ghi nhận không kèm yêu cầu, khi đó là tiền thừa và hoàn được.",
			"Find the dossier by the transaction and record the payment to its order; without an order it becomes surplus, which can be refunded. Where the line is an existing payment under another number, accept the match.",
			"− amount: they have more", "none", 1},
		{"amount_mismatch", "Khác số tiền", "Amounts differ",
			"Hai bên cùng có giao dịch này nhưng số tiền khác nhau.",
			"Payment and line, or a rightly signed callback, name different amounts.",
			"Gửi yêu cầu tra soát kèm chứng từ; thiếu thì yêu cầu nhà cung cấp trả, người nộp trả thừa thì hoàn lại.",
			"Send a trace request with the evidence; claim what is short, or refund what the payer paid too much.",
			"ours − theirs", "none", 2},
		{"status_mismatch", "Khác trạng thái", "States differ",
			"Tệp nói đã thu được tiền, feegate ghi giao dịch chưa thành công. Dòng của tệp làm giao dịch thành công ngay; chỉ còn mở khi điều đó không làm được.",
			"A line settles a payment that did not succeed here. The line makes it succeed through the one door and the discrepancy is kept as resolved; it stays open only where that cannot be.",
			"Xem giao dịch: nếu nhà cung cấp xác nhận đã thu thì ghi nhận khoản nộp; nếu không thì tra soát.",
			"Read the payment: record it where the provider confirms the money, trace it otherwise.",
			"− amount until healed, then 0", "none", 2},
		{"duplicate_line", "Dòng trùng", "Duplicate line",
			"Tệp của nhà cung cấp có giao dịch này nhiều hơn một lần. Một dòng đã khớp; dòng này là dòng thừa.",
			"The provider's file has the same row more than once: one matches, each of the rest is this.",
			"Báo nhà cung cấp gửi tệp sửa và nhập thay tệp cũ; nếu tiền đã về thừa thì ghi rõ và trả lại.",
			"Ask for a corrected file and import it with `replaces`. If the money really came twice, say so and give it back.",
			"− amount of the extra row", "+ its net", 1},
		{"fee_mismatch", "Khác phí dịch vụ", "Fees differ",
			"Phí dịch vụ trong tệp khác biểu phí đã thỏa thuận của tài khoản.",
			"The fee in the file is not the account's tariff of that day.",
			"Đối chiếu biểu phí có hiệu lực; yêu cầu nhà cung cấp trả phần thu quá, gom cả đợt cùng loại.",
			"Check the tariff in force, then claim what was taken too much, all of a kind at once.",
			"none", "none", 3},
		{"wrong_account", "Sai tài khoản", "Wrong account",
			"Giao dịch nằm trong tệp của tài khoản khác với tài khoản đã thu, hoặc tiền được trả vào tài khoản ngân hàng không phải của đơn vị.",
			"Our payment stands in another account's file, or the money was paid into a bank account that is not the agency's for that kind.",
			"Yêu cầu nhà cung cấp chuyển về đúng tài khoản; trong lúc chờ thì giữ người phụ trách và hạn.",
			"Have the provider move the money to the right account; keep an owner and a deadline meanwhile.",
			"0; for a line in another account's file + on the payment's account, − on the file's", "+ its net", 2},
		{"refund_unmatched", "Hoàn tiền chưa khớp", "Refund unmatched",
			"Một khoản hoàn tiền chỉ có ở một bên.",
			"A refund here without a line, or a refund line without a refund here.",
			"Đối chiếu mã hoàn tiền; chờ tệp sau nếu hoàn cuối ngày; nhà cung cấp hoàn mà ta không yêu cầu thì tra soát ngay.",
			"Compare the refund's reference; carry forward one made late in the day; trace at once what was refunded without us.",
			"− amount (ours alone) · + amount (theirs alone)", "none", 3},
		{"late", "Quyết toán khác ngày", "Settled on another day",
			"Khoản nộp của ngày này được quyết toán trong tệp của ngày khác.",
			"A line or payment of another day, matched there: + on the payment's day, − on the line's.",
			"Không cần làm gì: hai ngày tự bù nhau. Ghi giải thích khi khóa sổ.",
			"Nothing: the two days offset each other. Explain it when the day is closed.",
			"+ on the payment's day, − on the line's day", "none", 3},
		{"surplus", "Tiền thừa", "Surplus",
			"Tiền đã nhận nhưng không thuộc khoản phải nộp nào: nộp hai lần, nộp thừa, hoặc nộp cho yêu cầu đã hủy.",
			"Received and not allocated: a second payment, too much, or money on a cancelled order.",
			"Hoàn cho người nộp, hoặc bù cho yêu cầu khác của cùng người nộp.",
			"Refund it, or apply it to another order of the same payer.",
			"none", "none", 5},
		{"in_doubt", "Chưa rõ kết quả", "In doubt",
			"Nhà cung cấp không cho biết kết quả cuối cùng của giao dịch, và feegate đã hỏi lại hết lượt.",
			"The provider cannot or will not say what became of a payment, and the look-ups are at their end.",
			"Gửi yêu cầu tra soát. Khi có câu trả lời, tệp đối soát hoặc lần hỏi lại sẽ ghi kết quả.",
			"Send a trace request. A later file or look-up records the outcome.",
			"none while pending", "none", 2},
		{"reversal", "Bị thu hồi", "Reversed",
			"Nhà cung cấp hoặc ngân hàng đã thu hồi một khoản từng báo thành công.",
			"The provider or the bank took a success back.",
			"Báo đơn vị giải quyết hồ sơ; yêu cầu nộp lại nếu cần; nếu dòng quyết toán vẫn còn thì hỏi nhà cung cấp.",
			"Tell the agency that handles the dossier and ask for payment again where it is due; ask the provider where its line still stands.",
			"− amount if the line still stands, else 0", "the bank's debit: + amount", 2},
		{"file_missing", "Thiếu tệp đối soát", "Settlement file missing",
			"Ngày này có giao dịch nhưng chưa có tệp đối soát của nhà cung cấp.",
			"There are payments of the day, and no settlement file by its time. It stands for all of them.",
			"Lấy tệp từ nhà cung cấp và tải lên; sai lệch tự hết khi tệp được nhập.",
			"Get the file and import it: the discrepancy heals by itself.",
			"+ Σ ours", "none", 1},
		{"statement_gap", "Thiếu sao kê", "Statement gap",
			"Số dư đầu của sao kê không bằng số dư cuối của sao kê trước, hoặc thiếu một số sao kê.",
			"A statement's opening balance is not the one before's closing, or a number is missing. The bank side cannot be closed.",
			"Lấy sao kê còn thiếu từ ngân hàng và tải lên.",
			"Get the missing statement and import it.",
			"none", "none; the bank side cannot be closed", 1},
		{"bank_short", "Ngân hàng nhận thiếu", "Short at the bank",
			"Tiền về ngân hàng ít hơn số nhà cung cấp quyết toán, hoặc chưa về sau ba ngày làm việc.",
			"The payout is less than the settled net; nothing at all after three working days is short by all.",
			"Gửi yêu cầu tra soát, rồi yêu cầu nhà cung cấp trả phần thiếu.",
			"Send a trace request, then claim what is short.",
			"none", "+ the difference", 3},
		{"bank_over", "Ngân hàng nhận thừa", "Over at the bank",
			"Tiền về ngân hàng nhiều hơn số nhà cung cấp quyết toán.",
			"The payout is more than the settled net.",
			"Hỏi nhà cung cấp phần thừa thuộc khoản nào; chưa rõ thì không dùng.",
			"Ask the provider what it is for; do not use it before it is known.",
			"none", "− the difference", 3},
		{"bank_unmatched", "Tiền về chưa rõ của ai", "Unmatched at the bank",
			"Tiền đã vào tài khoản nhưng không thuộc khoản quyết toán nào, hoặc nội dung chuyển khoản thiếu mã, sai mã hay có nhiều mã.",
			"A bank credit that belongs to no settlement and no transfer, or a transfer with no, a damaged or an ambiguous reference.",
			"So nội dung với các mã QR đã mở gần đây, ghi nhận cho đúng hồ sơ; không rõ của ai thì ghi nhận không kèm yêu cầu rồi hoàn lại.",
			"Compare the content with the codes shown lately and record it to its order; without one it becomes surplus, which can be refunded.",
			"none", "− amount", 3},
	}
}

// GuideTo is what people are told about a kind.
func GuideTo(kind string) Guide {
	for _, g := range Guides() {
		if g.Kind == kind {
			return g
		}
	}
	return Guide{Kind: kind, Name: kind, English: kind}
}

// actionNames are the actions as people know them, in Vietnamese.
var actionNames = map[string]string{RecordPayment: "ghi nhận khoản nộp", CarryForward: "chuyển sang ngày sau", RefundPayer: "hoàn cho người nộp",
	ClaimFromProvider: "yêu cầu nhà cung cấp trả", WriteOff: "xóa khoản lệch", AcceptMatch: "chấp nhận là cùng một giao dịch", Explain: "giải thích"}

// Document is docs/discrepancies.md: one section for each kind.
func Document() string {
	var b strings.Builder
	b.WriteString(documentHead)
	for _, g := range Guides() {
		var one, two []string
		for _, a := range Actions(g.Kind) {
			said := "`" + a + "` (" + actionNames[a] + ")"
			if NeedsTwo(a) {
				two = append(two, said)
			} else {
				one = append(one, said)
			}
		}
		fmt.Fprintf(&b, "\n## %s\n\n**%s** · %s\n\n", g.Kind, g.Name, g.English)
		fmt.Fprintf(&b, "%s\n\n%s\n\n", g.Means, g.MeansEN)
		fmt.Fprintf(&b, "- **Làm gì · What to do.** %s\n  %s\n", g.Usual, g.UsualEN)
		fmt.Fprintf(&b, "- **Ảnh hưởng · Effect.** Ours − settled: %s. Settled net − bank: %s.\n", g.Effect, g.Bank)
		fmt.Fprintf(&b, "- **Một người · One person.** %s.\n", strings.Join(one, ", "))
		if len(two) > 0 {
			fmt.Fprintf(&b, "- **Hai người · Two people.** %s.\n", strings.Join(two, ", "))
		} else {
			b.WriteString("- **Hai người · Two people.** Nothing: no money moves by it.\n")
		}
		fmt.Fprintf(&b, "- **Hạn · Deadline.** %s\n", days(g.Days))
	}
	return b.String()
}

func days(n int) string {
	if n == 1 {
		return "1 ngày làm việc · 1 working day."
	}
	return fmt.Sprintf("%d ngày làm việc · %d working days.", n, n)
}

const documentHead = `# Sai lệch đối soát · Discrepancies

Made from ` + "`reconciliation/guide.go`" + `, which the console shows too; a test holds the two together.

Một sai lệch là một chênh lệch có tên: nó trỏ vào đúng các dòng mà nó giải thích và nói số tiền làm chênh. Every difference between our
records, the provider's settlement and the bank's statement has a name, points to the rows it is about, and explains exactly its effect:
` + "`difference − explained = unexplained`" + `. While the rows differ the effect counts; when they agree the discrepancy is resolved by itself.

## Working on one

A discrepancy is ` + "`open`" + `, ` + "`investigating`" + ` once somebody takes it up or asks about it, and ` + "`resolved`" + `. It has an owner, a deadline (by kind, in
working days from the day it was opened; holidays are data in the table ` + "`holidays`" + `, the terms in ` + "`discrepancy_terms`" + `), and a history of who did what and why.

| call | what |
|---|---|
| ` + "`GET /v1/discrepancies`" + ` | the work list: ` + "`kind status owner account_id date from to overdue proposed min_amount`" + `, ` + "`sort=date\\|age\\|amount\\|deadline`" + `; JSON or CSV. ` + "`status=unresolved`" + ` is open and investigating, ` + "`owner=none`" + ` is nobody's; by deadline the overdue stand first |
| ` + "`GET /v1/discrepancies/summary`" + ` | the same filters, counted by kind and by owner |
| ` + "`POST …/assign`" + ` | hand it to somebody, or take it up; what is somebody else's is handed on by naming an owner only. ` + "`from`" + ` says whose you believe it is: two who do it at once get one result and one refusal |
| ` + "`POST …/notes`" + `, ` + "`POST …/attachments`" + ` | words and papers; papers are sealed in the database, at most 20 of 5 MiB |
| ` + "`POST …/trace`" + `, ` + "`POST …/trace/answer`" + ` | a trace request (tra soát): what was asked of whom, by when; then what came back. ` + "`GET …/trace-letter`" + ` is the letter to print |
| ` + "`POST …/resolutions`" + ` | do one thing about it. ` + "`record_payment refund_payer claim_from_provider write_off`" + ` wait for another person |
| ` + "`POST /v1/discrepancies/resolutions`" + ` | the same thing about up to 500 of one kind, provider and agency, all or nothing; ` + "`…/approve`" + ` and ` + "`…/reject`" + ` decide on them |
| ` + "`POST …/reopen`" + ` | take back what people decided, with a reason; claims and write-offs move back. Not where the records agree by now, nor on a closed day |

Events ` + "`discrepancy.opened`" + `, ` + "`.changed`" + `, ` + "`.resolved`" + ` and ` + "`.reopened`" + ` go to the source system of the order that it is about, in the change's own transaction,
without anybody's name or words. One that is about no order (a line that nobody knows, a missing file) is nobody's event; it is in the list all the same.
`
