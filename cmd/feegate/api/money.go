package api

import (
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/gin-gonic/gin"

	"feegate/gateway"
	"feegate/gateway/identity"
)

// mountMoney opens what can be done about money that is recorded: cancel, list, refund, apply surplus, receipts, and the catalogue
// that says what may be charged.
func (s *server) mountMoney(v1 *gin.RouterGroup) {
	v1.GET("/orders", s.may(identity.OrdersRead, identity.Finance, identity.Approver), s.listOrders)
	v1.POST("/orders/:id/cancel", s.may(identity.OrdersWrite), s.cancelOrder)
	v1.PUT("/orders/:id/receipts", s.mayAny([]identity.Scope{identity.CounterWrite, identity.OrdersWrite}), s.putReceipt)
	v1.GET("/orders/:id/receipts", s.may(identity.OrdersRead, identity.Finance, identity.Approver), s.listReceipts)

	v1.POST("/payments/:id/refunds", s.may(identity.RefundsRequest, identity.Finance), s.requestRefund)
	v1.GET("/refunds/:id", s.mayAny([]identity.Scope{identity.OrdersRead, identity.RefundsRequest}, identity.Finance, identity.Approver), show(s, "rfd_", s.Gateway.Refund))
	v1.POST("/refunds/:id/approve", s.may("", identity.Approver), s.decideRefund(s.Gateway.ApproveRefund))
	v1.POST("/refunds/:id/reject", s.may("", identity.Approver), s.decideRefund(s.Gateway.RejectRefund))
	v1.POST("/refunds/:id/retry", s.may("", identity.Approver), s.retryRefund)

	v1.GET("/surplus", s.may("", identity.Finance, identity.Approver), s.listSurplus)
	v1.POST("/surplus/:id/apply", s.may("", identity.Finance), s.proposeApplication)
	v1.POST("/surplus/applications/:id/approve", s.may("", identity.Approver), s.decideApplication(true))
	v1.POST("/surplus/applications/:id/reject", s.may("", identity.Approver), s.decideApplication(false))

	v1.GET("/catalogue/procedures", s.may(identity.OrdersRead, identity.Finance, identity.Approver, identity.Reporter, identity.Admin), s.listProcedures)
}

// limitOf reads ?limit=: 1 to 200, 50 when absent.
func limitOf(c *gin.Context) (int, error) {
	q := c.Query("limit")
	if q == "" {
		return 50, nil
	}
	n, err := strconv.Atoi(q)
	if err != nil || n < 1 || n > 200 {
		return 0, invalid("limit", "must lie between 1 and 200")
	}
	return n, nil
}

// page reads ?limit= and ?after=.
func page(c *gin.Context) (limit int, after string, err error) {
	if limit, err = limitOf(c); err != nil {
		return 0, "", err
	}
	if after = c.Query("after"); len(after) > 200 || strings.Contains(after, "\x00") {
		return 0, "", invalid("after", "must be the next of an earlier answer")
	}
	return limit, after, nil
}

// list answers a page, as JSON or, where it is asked for, as a table; next is null at the end.
func list[T any](c *gin.Context, items []T, next string) {
	if wantsTable(c) {
		table(c, items, next)
		return
	}
	var n *string
	if next != "" {
		n = &next
	}
	c.JSON(http.StatusOK, gin.H{"items": items, "next": n})
}

// known refuses a query parameter that the call does not have: a filter misspelt is not no filter.
func known(c *gin.Context, names ...string) error {
	for name, values := range c.Request.URL.Query() {
		found := false
		for _, n := range names {
			found = found || n == name
		}
		switch {
		case !found:
			return invalid(name, "is not a parameter of this call")
		case len(values) > 1:
			return invalid(name, "is given twice")
		case strings.Contains(values[0], "\x00"):
			return invalid(name, "cannot be stored")
		}
	}
	return nil
}

// bound reads one end of a period: a business day, of which an upper end takes in the whole, or a time.
func bound(c *gin.Context, name string, upper bool) (*time.Time, error) {
	q := c.Query(name)
	if q == "" {
		return nil, nil
	}
	if t, err := time.Parse(time.RFC3339, q); err == nil {
		return &t, nil
	}
	t, err := time.ParseInLocation(time.DateOnly, q, time.FixedZone("+07", 7*3600))
	if err != nil {
		return nil, invalid(name, "must be a day like 2026-01-31 or a time like 2026-01-31T08:00:00+07:00")
	}
	if upper {
		t = t.AddDate(0, 0, 1)
	}
	return &t, nil
}

func (s *server) listOrders(c *gin.Context) {
	limit, after, err := page(c)
	f := gateway.Filter{DossierCode: c.Query("dossier_code"), Reference: c.Query("reference"), Status: c.Query("status")}
	if err == nil {
		f.From, err = bound(c, "from", false)
	}
	if err == nil {
		f.To, err = bound(c, "to", true)
	}
	switch f.Status {
	case "", gateway.OrderNoPaymentNeeded, gateway.OrderOpen, gateway.OrderPaid, gateway.OrderExpired, gateway.OrderCancelled, gateway.OrderSuperseded,
		gateway.OrderPartlyRefunded, gateway.OrderRefunded:
	default:
		err = invalid("status", "is not a state of an order")
	}
	if err != nil {
		s.refuse(c, err)
		return
	}
	items, next, err := s.Gateway.Orders(c.Request.Context(), caller(c), f, limit, after)
	if err != nil {
		s.refuse(c, err)
		return
	}
	list(c, items, next)
}

func (s *server) cancelOrder(c *gin.Context) {
	order, err := id(c, "ord_")
	if err == nil {
		err = readOptional(c, &struct{}{})
	}
	if err != nil {
		s.refuse(c, err)
		return
	}
	v, err := s.Gateway.Cancel(c.Request.Context(), caller(c), order)
	if err != nil {
		s.refuse(c, err)
		return
	}
	c.JSON(http.StatusOK, v)
}

// readOptional reads a body that may be left out.
func readOptional(c *gin.Context, v any) error {
	if c.Request.ContentLength == 0 {
		return nil
	}
	_, err := readJSON(c, v)
	return err
}

func (s *server) putReceipt(c *gin.Context) {
	order, err := id(c, "ord_")
	if err != nil {
		s.refuse(c, err)
		return
	}
	var in gateway.NewReceipt
	if _, err := readJSON(c, &in); err != nil {
		s.refuse(c, err)
		return
	}
	v, err := s.Gateway.PutReceipt(c.Request.Context(), caller(c), order, in)
	if err != nil {
		s.refuse(c, err)
		return
	}
	c.JSON(http.StatusOK, v)
}

func (s *server) listReceipts(c *gin.Context) {
	order, err := id(c, "ord_")
	if err != nil {
		s.refuse(c, err)
		return
	}
	v, err := s.Gateway.Order(c.Request.Context(), caller(c), order)
	if err != nil {
		s.refuse(c, err)
		return
	}
	list(c, v.Receipts, "")
}

func (s *server) listProcedures(c *gin.Context) {
	limit, after, err := page(c)
	if err != nil {
		s.refuse(c, err)
		return
	}
	items, next, err := s.Gateway.Procedures(c.Request.Context(), c.Query("on"), "", limit, after)
	if err != nil {
		s.refuse(c, err)
		return
	}
	list(c, items, next)
}
