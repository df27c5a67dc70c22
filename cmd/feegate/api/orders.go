package api

import (
	"errors"
	"time"

	"github.com/gin-gonic/gin"

	"feegate/gateway"
	"feegate/providers"
	"feegate/providers/breaker"
)

func (s *server) createOrder(c *gin.Context) {
	var in gateway.NewOrder
	k, err := s.call(c, &in)
	if err != nil {
		s.refuse(c, err)
		return
	}
	a, err := s.Gateway.CreateOrder(c.Request.Context(), caller(c), k, in)
	if err != nil {
		s.refuse(c, err)
		return
	}
	answer(c, a)
}

// call reads what an idempotent call brings: its body and its key.
func (s *server) call(c *gin.Context, in any) (gateway.Key, error) {
	if _, err := idempotencyKey(c, nil); err != nil { // before the body: the header is the cheaper mistake
		return gateway.Key{}, err
	}
	hash, err := readJSON(c, in)
	if err != nil {
		return gateway.Key{}, err
	}
	return idempotencyKey(c, hash)
}

func answer(c *gin.Context, a gateway.Answer) {
	if a.Replayed {
		c.Header("Idempotency-Replayed", "true")
	}
	c.Data(a.Status, "application/json", a.Body)
}

func (s *server) startPayment(c *gin.Context) {
	order, err := id(c, "ord_")
	if err != nil {
		s.refuse(c, err)
		return
	}
	var in gateway.NewPayment
	k, err := s.call(c, &in)
	if err != nil {
		s.refuse(c, err)
		return
	}
	a, err := s.Gateway.StartPayment(c.Request.Context(), caller(c), k, order, in)
	switch {
	case gateway.ProblemName(err) == gateway.ProblemUnavailable:
		s.unavailable(c, err, order, in)
	case err != nil:
		s.refuse(c, err)
	case a.Status == 0:
		s.refuse(c, errors.New("the gateway gave neither an answer nor an error"))
	default:
		answer(c, a)
	}
}

// unavailable says when to come again and which of the agency's accounts work meanwhile.
func (s *server) unavailable(c *gin.Context, problem error, order string, in gateway.NewPayment) {
	ctx := c.Request.Context()
	wait, working := 5*time.Second, []string{}
	var said *gateway.Problem
	if errors.As(problem, &said) {
		wait = max(wait, said.RetryAfter)
	}
	v, err := s.Gateway.Order(ctx, caller(c), order)
	if err != nil {
		s.refuse(c, err)
		return
	}
	entries, err := s.Accounts.ForAgency(ctx, v.AgencyCode)
	if err != nil {
		s.refuse(c, err)
		return
	}
	kinds := make([]string, 0, len(v.Lines))
	for _, l := range v.Lines {
		kinds = append(kinds, l.Kind)
	}
	for _, e := range entries {
		why, until := s.closedFor(&e.Account, e.Err)
		if e.Account.ID == in.AccountID || e.Account.Provider == in.Provider {
			if d := time.Until(until); d > wait { // the breaker runs by the machine's clock
				wait = d
			}
			continue
		}
		if why == "" && e.Account.Takes(kinds) {
			working = append(working, e.Account.ID)
		}
	}
	retryAfter(c, int(wait.Round(time.Second).Seconds()))
	s.refuseWith(c, problem, working)
}

// breakerStates are the states of an account's operations, closed where nothing was called yet.
func (s *server) breakerStates(accountID string) map[providers.Operation]breaker.State {
	states := map[providers.Operation]breaker.State{}
	for _, st := range s.Breakers.Snapshot(accountID) {
		states[st.Operation] = st
	}
	return states
}
