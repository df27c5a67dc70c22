package api

import (
	"encoding/json"
	"errors"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/gin-gonic/gin"

	"feegate/gateway"
	"feegate/gateway/feed"
)

// limits reads ?limit= (1 to 200, 50 when absent) and ?after=.
func limits(c *gin.Context) (limit int, after int64, err error) {
	if limit, err = limitOf(c); err != nil {
		return 0, 0, err
	}
	if q := c.Query("after"); q != "" {
		if after, err = strconv.ParseInt(q, 10, 64); err != nil || after < 0 {
			return 0, 0, invalid("after", "must be the next of an earlier answer")
		}
	}
	return limit, after, nil
}

// listEvents gives the feed of the caller's source system; next is always there, so that a reader can wait at the end.
func (s *server) listEvents(c *gin.Context) {
	limit, after, err := limits(c)
	if err != nil {
		s.refuse(c, err)
		return
	}
	var types []string
	if q := c.Query("types"); q != "" {
		types = strings.Split(q, ",")
	}
	page, err := s.Feed.Events(c.Request.Context(), caller(c).SourceSystem, after, types, limit)
	if err != nil {
		s.refuse(c, feedProblem(err))
		return
	}
	items := make([]json.RawMessage, 0, len(page.Items))
	for _, e := range page.Items {
		items = append(items, json.RawMessage(e.Body))
	}
	c.JSON(http.StatusOK, gin.H{"items": items, "next": strconv.FormatInt(page.Next, 10), "more": page.More})
}

func (s *server) createEndpoint(c *gin.Context) {
	var in struct {
		URL   string   `json:"url"`
		Types []string `json:"types"`
	}
	if _, err := readJSON(c, &in); err != nil {
		s.refuse(c, err)
		return
	}
	e, secret, err := s.Endpoints.Create(c.Request.Context(), caller(c).ClientID, in.URL, in.Types)
	if err != nil {
		s.refuse(c, feedProblem(err))
		return
	}
	c.JSON(http.StatusCreated, struct {
		feed.Endpoint
		Secret string `json:"secret"` // shown once
	}{e, secret})
}

func (s *server) listEndpoints(c *gin.Context) {
	items, err := s.Endpoints.List(c.Request.Context(), caller(c).ClientID)
	if err != nil {
		s.refuse(c, feedProblem(err))
		return
	}
	c.JSON(http.StatusOK, gin.H{"items": append([]feed.Endpoint{}, items...), "next": nil})
}

func (s *server) deleteEndpoint(c *gin.Context) {
	endpoint, err := id(c, "whe_")
	if err == nil {
		err = feedProblem(s.Endpoints.Delete(c.Request.Context(), caller(c).ClientID, endpoint))
	}
	if err != nil {
		s.refuse(c, err)
		return
	}
	s.audit(c, "webhook.deleted", endpoint)
	c.Status(http.StatusNoContent)
}

// rotateSecret gives a new secret; the one before signs too for a day.
func (s *server) rotateSecret(c *gin.Context) {
	endpoint, err := id(c, "whe_")
	if err == nil {
		err = readOptional(c, &struct{}{})
	}
	if err != nil {
		s.refuse(c, err)
		return
	}
	secret, err := s.Endpoints.Rotate(c.Request.Context(), caller(c).ClientID, endpoint)
	if err != nil {
		s.refuse(c, feedProblem(err))
		return
	}
	s.audit(c, "webhook.rotated", endpoint)
	c.JSON(http.StatusOK, gin.H{"secret": secret}) // shown once
}

func (s *server) listDeliveries(c *gin.Context) {
	endpoint, err := id(c, "whe_")
	if err != nil {
		s.refuse(c, err)
		return
	}
	limit, err := limitOf(c)
	if err != nil {
		s.refuse(c, err)
		return
	}
	before := s.Now().Add(time.Hour)
	if q := c.Query("before"); q != "" {
		if before, err = time.Parse(time.RFC3339, q); err != nil {
			s.refuse(c, invalid("before", "must be a time like 2026-01-31T08:00:00+07:00"))
			return
		}
	}
	items, err := s.Endpoints.Deliveries(c.Request.Context(), caller(c).ClientID, endpoint, before, limit)
	if err != nil {
		s.refuse(c, feedProblem(err))
		return
	}
	c.JSON(http.StatusOK, gin.H{"items": append([]feed.Delivery{}, items...), "next": nil})
}

func (s *server) replayEndpoint(c *gin.Context) {
	endpoint, err := id(c, "whe_")
	if err != nil {
		s.refuse(c, err)
		return
	}
	var in struct {
		From int64 `json:"from"`
	}
	if _, err := readJSON(c, &in); err != nil {
		s.refuse(c, err)
		return
	}
	if err := s.Endpoints.Replay(c.Request.Context(), caller(c).ClientID, endpoint, in.From); err != nil {
		s.refuse(c, feedProblem(err))
		return
	}
	c.Status(http.StatusAccepted)
}

// feedProblem gives the feed's errors the API's names.
func feedProblem(err error) error {
	switch {
	case errors.Is(err, feed.ErrNoEndpoint), errors.Is(err, feed.ErrNoClient):
		return &gateway.Problem{Name: gateway.ProblemNotFound, Detail: "there is no such endpoint"}
	case errors.Is(err, feed.ErrURLRefused):
		return invalid("url", err.Error())
	case errors.Is(err, feed.ErrTypesRefused):
		return invalid("types", err.Error())
	case errors.Is(err, feed.ErrTooMany):
		return invalid("url", err.Error())
	}
	return err
}
