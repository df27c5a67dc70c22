package api

import (
	"context"
	"strconv"
	"time"

	"github.com/gin-gonic/gin"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// metrics are what an operator's Prometheus reads. Labels are routes, accounts and operations: never an id, a person or an
// address.
type metrics struct {
	registry *prometheus.Registry
	requests *prometheus.CounterVec
	seconds  *prometheus.HistogramVec
}

func (s *server) newMetrics() *metrics {
	m := &metrics{registry: prometheus.NewRegistry(),
		requests: prometheus.NewCounterVec(prometheus.CounterOpts{Name: "feegate_http_requests_total", Help: "Requests answered."}, []string{"route", "method", "status"}),
		seconds: prometheus.NewHistogramVec(prometheus.HistogramOpts{Name: "feegate_http_request_seconds", Help: "Time to answer.",
			Buckets: []float64{.002, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 30}}, []string{"route"})}
	m.registry.MustRegister(m.requests, m.seconds, collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}), state{s})
	return m
}

func (m *metrics) observe(c *gin.Context, took time.Duration) {
	route := c.FullPath()
	if route == "" {
		route = "none"
	}
	m.requests.WithLabelValues(route, c.Request.Method, strconv.Itoa(c.Writer.Status())).Inc()
	m.seconds.WithLabelValues(route).Observe(took.Seconds())
}

func (m *metrics) handler() gin.HandlerFunc {
	return gin.WrapH(promhttp.HandlerFor(m.registry, promhttp.HandlerOpts{MaxRequestsInFlight: 4, Timeout: 10 * time.Second}))
}

// state reads what stands now: breakers and work that waits.
type state struct{ s *server }

var (
	breakerState = prometheus.NewDesc("feegate_breaker_open", "1 while calls of an account's operation are not let through.", []string{"account", "operation"}, nil)
	inFlight     = prometheus.NewDesc("feegate_provider_calls_in_flight", "Calls under way at a provider.", []string{"account", "operation"}, nil)
	waiting      = prometheus.NewDesc("feegate_waiting", "Rows that wait: outbox (events not in the feed), pending (payments without a last word), in_doubt (a person must decide), due (look-ups that are late).",
		[]string{"what"}, nil)
)

// Describe is prometheus.Collector's.
func (state) Describe(ch chan<- *prometheus.Desc) {
	ch <- breakerState
	ch <- inFlight
	ch <- waiting
}

// Collect is prometheus.Collector's.
func (c state) Collect(ch chan<- prometheus.Metric) {
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	entries, err := c.s.Accounts.ForAgency(ctx, "")
	if err != nil {
		ch <- prometheus.NewInvalidMetric(breakerState, err)
		return
	}
	for _, e := range entries {
		for _, st := range c.s.Breakers.Snapshot(e.Account.ID) {
			open := 0.0
			if st.State != "closed" {
				open = 1
			}
			ch <- prometheus.MustNewConstMetric(breakerState, prometheus.GaugeValue, open, e.Account.ID, string(st.Operation))
			ch <- prometheus.MustNewConstMetric(inFlight, prometheus.GaugeValue, float64(st.InFlight), e.Account.ID, string(st.Operation))
		}
	}
	b, err := c.s.Gateway.Backlog(ctx)
	if err != nil {
		ch <- prometheus.NewInvalidMetric(waiting, err)
		return
	}
	for what, n := range map[string]int64{"outbox": b.Outbox, "pending": b.Pending, "in_doubt": b.InDoubt, "due": b.Due} {
		ch <- prometheus.MustNewConstMetric(waiting, prometheus.GaugeValue, float64(n), what)
	}
}
