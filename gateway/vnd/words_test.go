package vnd

import "testing"

func TestWordsAreVietnamese(t *testing.T) {
	for n, want := range map[Signed]string{
		0: "Không đồng", 5: "Năm đồng", 10: "Mười đồng", 11: "Mười một đồng", 15: "Mười lăm đồng", 21: "Hai mươi mốt đồng", 24: "Hai mươi bốn đồng", 25: "Hai mươi lăm đồng",
		55: "Năm mươi lăm đồng", 101: "Một trăm lẻ một đồng", 105: "Một trăm lẻ năm đồng", 110: "Một trăm mười đồng", 111: "Một trăm mười một đồng", 1000: "Một nghìn đồng",
		1001: "Một nghìn không trăm lẻ một đồng", 1015: "Một nghìn không trăm mười lăm đồng", 50000: "Năm mươi nghìn đồng", 75500: "Bảy mươi lăm nghìn năm trăm đồng",
		1250000: "Một triệu hai trăm năm mươi nghìn đồng", 1000005: "Một triệu không trăm lẻ năm đồng", 1021000: "Một triệu không trăm hai mươi mốt nghìn đồng",
		1_000_000_000: "Một tỷ đồng", 1_000_001_000: "Một tỷ không trăm lẻ một nghìn đồng", 12_345_678_901: "Mười hai tỷ ba trăm bốn mươi lăm triệu sáu trăm bảy mươi tám nghìn chín trăm lẻ một đồng",
		2_005_000_000_000: "Hai nghìn không trăm lẻ năm tỷ đồng", -120000: "Âm một trăm hai mươi nghìn đồng",
	} {
		if got := n.Words(); got != want {
			t.Errorf("%d: %q, want %q", int64(n), got, want)
		}
	}
}
