// Package api is feegate's edge to other programs: JSON over HTTP for portals, and the doors that providers and returning
// payers knock at. It reads strictly, turns every error into a problem document, and decides nothing about money: the
// gateway does. It names no provider and holds no SQL.
package api

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"regexp"
	"runtime/debug"
	"strings"
	"time"

	"github.com/gin-gonic/gin"

	"feegate/gateway"
	"feegate/gateway/account"
	"feegate/gateway/feed"
	"feegate/gateway/identity"
	"feegate/providers/breaker"
	"feegate/reconciliation"
	"feegate/reconciliation/adoption"
	"feegate/reconciliation/adoption/forms"
	"feegate/reconciliation/adoption/honesty"
)

// Deps is what the edge needs; every field is required.
type Deps struct {
	Gateway  *gateway.Gateway
	Accounts *account.Store
	Breakers *breaker.Group
	Identity *identity.Store
	// ApplyOverrides brings this process's breakers to what operators said last.
	ApplyOverrides func(context.Context) error
	// Reconciler is the morning after: settlements, matching, discrepancies.
	Reconciler *reconciliation.Reconciler
	// PageOf gives the checkout page of the order that a provider's reference belongs to, "" where it belongs to none.
	PageOf    func(ctx context.Context, accountID, reference string) (string, error)
	Feed      *feed.Reader
	Endpoints *feed.Endpoints
	Adoption  *adoption.Reporter
	Forms     *forms.Maker
	Honesty   *honesty.Book
	Ready     func(context.Context) error // whether the database answers
	Now       func() time.Time
	// TrustedProxies are the addresses and networks whose X-Forwarded-For is believed; none: the peer's address counts.
	TrustedProxies []string
	Log            *slog.Logger
}

type server struct {
	Deps
	metrics  *metrics
	contract *contract
	known    *limiter // by key or person
	unknown  *limiter // by address
}

// Limits of a request's body.
const (
	maxBody     = 1 << 20
	maxCallback = 64 << 10
)

// New makes the edge.
func New(d Deps) (http.Handler, error) {
	gin.SetMode(gin.ReleaseMode)
	s := &server{Deps: d, known: newLimiter(knownPerSecond, knownBurst), unknown: newLimiter(unknownPerSecond, unknownBurst)}
	s.metrics = s.newMetrics()
	var err error
	if s.contract, err = theContract(); err != nil {
		return nil, err
	}
	r := gin.New()
	r.HandleMethodNotAllowed = true
	r.RedirectTrailingSlash = false
	if err := r.SetTrustedProxies(d.TrustedProxies); err != nil {
		return nil, fmt.Errorf("trusted proxies: %w", err)
	}
	r.Use(s.observe)
	r.NoRoute(func(c *gin.Context) {
		s.refuse(c, &gateway.Problem{Name: gateway.ProblemNotFound, Detail: "there is nothing at this address"})
	})
	r.NoMethod(func(c *gin.Context) {
		s.refuse(c, &gateway.Problem{Name: problemMethod, Detail: "this address does not take " + c.Request.Method})
	})

	r.GET("/healthz", func(c *gin.Context) { c.JSON(http.StatusOK, gin.H{"status": "ok"}) })
	r.GET("/readyz", s.readyz)
	r.GET("/metrics", s.metrics.handler())
	s.mountContract(r)
	r.Any("/callbacks/:provider/:account", s.callback)
	r.GET("/returns/:provider/:account", s.payerReturn)

	v1 := r.Group("/v1", noStore)
	v1.POST("/sessions", s.throttle, s.signIn)
	v1.DELETE("/sessions", s.may("", identity.Roles()...), s.signOut)
	v1.POST("/orders", s.may(identity.OrdersWrite), s.createOrder)
	v1.GET("/orders/:id", s.may(identity.OrdersRead, identity.Finance, identity.Approver), show(s, "ord_", s.Gateway.Order))
	v1.POST("/orders/:id/payments", s.may(identity.OrdersWrite), s.startPayment)
	v1.GET("/payments/:id", s.may(identity.OrdersRead, identity.Finance, identity.Approver), show(s, "pay_", s.Gateway.Payment))
	v1.GET("/payments/:id/document", s.may(identity.OrdersRead, identity.Finance, identity.Approver), s.getDocument)
	v1.GET("/events", s.may(identity.OrdersRead), s.listEvents)
	v1.POST("/webhook-endpoints", s.may(identity.WebhooksWrite), s.createEndpoint)
	v1.GET("/webhook-endpoints", s.may(identity.WebhooksWrite), s.listEndpoints)
	v1.DELETE("/webhook-endpoints/:id", s.may(identity.WebhooksWrite), s.deleteEndpoint)
	v1.POST("/webhook-endpoints/:id/rotate", s.may(identity.WebhooksWrite), s.rotateSecret)
	v1.GET("/webhook-endpoints/:id/deliveries", s.may(identity.WebhooksWrite), s.listDeliveries)
	v1.POST("/webhook-endpoints/:id/replay", s.may(identity.WebhooksWrite), s.replayEndpoint)
	s.mountMoney(v1)
	v1.GET("/providers", s.may(identity.OrdersRead, identity.Operator, identity.Finance, identity.Admin), s.listProviders)
	s.mountRefundLists(v1)
	s.mountOperations(v1)
	s.mountPeople(v1)
	s.mountAccounts(v1)
	s.mountReconciliation(v1)
	s.mountBank(v1)
	s.mountDays(v1)
	s.mountCounter(v1)
	s.mountAdoption(v1)
	s.mountHonesty(v1)
	s.mountCloses(v1)
	s.mountForms(v1)
	s.mountIOC(v1)
	s.mountCatalogue(v1)
	s.mountProposals(v1)
	s.mountAudit(v1)
	return heads{r}, nil
}

func noStore(c *gin.Context) { c.Header("Cache-Control", "no-store") }

func (s *server) readyz(c *gin.Context) {
	ctx, cancel := context.WithTimeout(c.Request.Context(), 3*time.Second)
	defer cancel()
	if err := s.Ready(ctx); err != nil {
		s.Log.WarnContext(ctx, "not ready", "error", err)
		c.JSON(http.StatusServiceUnavailable, gin.H{"status": "database"})
		return
	}
	said := gin.H{"status": "ok"}
	if replica, err := s.Adoption.CheckReplica(ctx); err != nil {
		s.Log.WarnContext(ctx, "the replica for reports does not answer", "error", err)
		said["replica"] = "unreachable" // reports are read from the primary meanwhile
	} else if replica {
		said["replica"] = "ok"
	}
	c.JSON(http.StatusOK, said)
}

const (
	requestIDKey = "feegate.request"
	principalKey = "feegate.principal"
)

var requestID = regexp.MustCompile(`^[A-Za-z0-9._-]{1,64}$`)

// observe names the request, turns a panic into a problem and writes one line of log: the route and never the query, which
// on callbacks and returns holds signatures and what a payer did.
func (s *server) observe(c *gin.Context) {
	began := time.Now()
	id := c.GetHeader("X-Request-Id")
	if !requestID.MatchString(id) {
		id = strings.ToLower(rand.Text())
	}
	c.Set(requestIDKey, id)
	c.Header("X-Request-Id", id)
	c.Header("X-Content-Type-Options", "nosniff")
	defer func() {
		if p := recover(); p != nil {
			if err, ok := p.(error); ok && errors.Is(err, http.ErrAbortHandler) {
				panic(p)
			}
			s.Log.ErrorContext(c.Request.Context(), "panic", "request", id, "route", c.FullPath(), "panic", fmt.Sprint(p), "stack", string(debug.Stack()))
			if !c.Writer.Written() {
				s.refuse(c, errors.New("panic"))
			}
			c.Abort()
		}
		s.metrics.observe(c, time.Since(began))
		level := slog.LevelInfo
		if c.Writer.Status() >= 500 {
			level = slog.LevelError
		}
		s.Log.Log(c.Request.Context(), level, "request", "request", id, "method", c.Request.Method, "route", c.FullPath(),
			"status", c.Writer.Status(), "took_ms", time.Since(began).Milliseconds(), "by", principal(c).ID)
	}()
	c.Next()
}
