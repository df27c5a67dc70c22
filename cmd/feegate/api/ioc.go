package api

import (
	"net/http"

	"github.com/gin-gonic/gin"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"feegate/gateway/identity"
	"feegate/reconciliation/adoption"
)

// mountIOC adds what a centre of operations reads: the head figures as JSON and as gauges, and where the rate is going. A key that may read reports may
// read these, and nothing that names anybody.
func (s *server) mountIOC(v1 *gin.RouterGroup) {
	may := s.may(identity.ReportsRead, identity.Reporter, identity.Finance, identity.Approver)
	v1.GET("/ioc", may, s.ioc)
	v1.GET("/ioc/metrics", may, s.iocMetrics)
	v1.GET("/reports/outlook", may, s.outlook)
}

// feedOf makes the feed for the caller; nil: it was refused.
func (s *server) feedOf(c *gin.Context) *adoption.IOC {
	q, err := s.question(c)
	if err != nil {
		s.refuse(c, err)
		return nil
	}
	feed, err := s.Adoption.IOC(c.Request.Context(), q.Agencies)
	if err != nil {
		s.refuse(c, err)
		return nil
	}
	return feed
}

func (s *server) ioc(c *gin.Context) {
	if feed := s.feedOf(c); feed != nil {
		c.JSON(http.StatusOK, feed)
	}
}

// iocMetrics writes the feed as gauges, for Prometheus with the key as its credentials.
func (s *server) iocMetrics(c *gin.Context) {
	feed := s.feedOf(c)
	if feed == nil {
		return
	}
	registry := prometheus.NewRegistry()
	gauge := func(name, help string, labels ...string) *prometheus.GaugeVec {
		g := prometheus.NewGaugeVec(prometheus.GaugeOpts{Name: "feegate_adoption_" + name, Help: help}, labels)
		registry.MustRegister(g)
		return g
	}
	numerator := gauge("numerator", "Upper half of a rate's fraction.", "period", "rate")
	denominator := gauge("denominator", "Lower half of a rate's fraction; 0: nothing happened, and there is no ratio.", "period", "rate")
	ratio := gauge("ratio", "A rate between 0 and 1; absent where nothing happened.", "period", "rate")
	bucket := gauge("paid_orders", "Paid orders by how they were paid, by evidence.", "period", "bucket")
	target := gauge("target_met", "1 met, 0 not met, -1 not enough data.", "period", "percent")
	revision := gauge("revision", "The last closed report of the period; absent where there is none.", "period")
	agency := gauge("agency_ratio", "The headline of an agency in the month under way.", "agency")
	asOf := gauge("as_of_seconds", "The instant as of which the figures are known, in seconds since 1970.")
	asOf.WithLabelValues().Set(float64(feed.AsOf.UnixMilli()) / 1000)
	for _, p := range feed.Periods {
		for name, r := range map[string]*adoption.Rate{"transactions": &p.Transactions, "transactions_upper": &p.TransactionsUpper, "transactions_remote": &p.TransactionsRemote, "dossiers": p.Dossiers,
			"amount": &p.Amount, "coverage": p.Coverage, "bank_proven": &p.BankProven} {
			if r == nil {
				continue
			}
			numerator.WithLabelValues(p.Name, name).Set(float64(r.Numerator))
			denominator.WithLabelValues(p.Name, name).Set(float64(r.Denominator))
			if r.Denominator > 0 {
				ratio.WithLabelValues(p.Name, name).Set(float64(r.Numerator) / float64(r.Denominator))
			}
		}
		for name, n := range p.Buckets {
			bucket.WithLabelValues(p.Name, name).Set(float64(n))
		}
		for _, t := range p.Targets {
			percent, _ := t.Percent.MarshalJSON() // digits: it cannot fail
			target.WithLabelValues(p.Name, string(percent)).Set(map[string]float64{adoption.Met: 1, adoption.NotMet: 0, adoption.NotEnoughData: -1}[t.Status])
		}
		if p.Revision != nil {
			revision.WithLabelValues(p.Name).Set(float64(*p.Revision))
		}
	}
	for _, a := range feed.Agencies {
		if a.Transactions.Denominator > 0 {
			agency.WithLabelValues(a.Group.Code).Set(float64(a.Transactions.Numerator) / float64(a.Transactions.Denominator))
		}
	}
	promhttp.HandlerFor(registry, promhttp.HandlerOpts{}).ServeHTTP(c.Writer, c.Request)
}

func (s *server) outlook(c *gin.Context) {
	if _, err := s.question(c); err != nil {
		s.refuse(c, err)
		return
	}
	o, err := s.Adoption.Outlook(c.Request.Context(), caller(c))
	if err != nil {
		s.refuse(c, err)
		return
	}
	c.JSON(http.StatusOK, o)
}
