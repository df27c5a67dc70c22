package api

import (
	"errors"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/gin-gonic/gin"

	"feegate/gateway"
	"feegate/gateway/identity"
)

// may lets a program's key with the scope through ("" = no program), and a person with any of the roles. An auditor may read
// whatever any person may read.
func (s *server) may(scope identity.Scope, roles ...identity.Role) gin.HandlerFunc {
	return s.mayAny([]identity.Scope{scope}, roles...)
}

// mayAny is may for a call that any of several scopes opens.
func (s *server) mayAny(scopes []identity.Scope, roles ...identity.Role) gin.HandlerFunc {
	return func(c *gin.Context) {
		p, err := s.authenticate(c)
		if err != nil {
			if gateway.ProblemName(err) == problemUnauthorised && !s.admit(c, s.unknown, c.ClientIP()) {
				return
			}
			s.refuse(c, err)
			return
		}
		c.Set(principalKey, p)
		if !s.admit(c, s.known, p.ID) {
			return
		}
		if p.Held != "" && c.FullPath() != "/v1/sessions" { // a sign-out is always possible
			s.refuse(c, &gateway.Problem{Name: problemForbidden, Detail: heldDetail[p.Held]})
			return
		}
		allowed := roles
		if len(roles) > 0 && c.Request.Method == http.MethodGet {
			allowed = append(slices.Clone(roles), identity.Auditor)
		}
		if slices.ContainsFunc(scopes, func(sc identity.Scope) bool { return sc != "" && p.HasScope(sc) }) || p.HasRole(allowed...) {
			if err := s.contract.asked(c); err != nil {
				s.refuse(c, err)
			}
			return
		}
		detail := "your roles do not allow this"
		if p.Kind == identity.KindClient {
			detail = "the key lacks the scope " + string(scopes[0])
			if scopes[0] == "" {
				detail = "this is for people, not for a program's key"
			}
		}
		s.refuse(c, &gateway.Problem{Name: problemForbidden, Detail: detail})
	}
}

func (s *server) authenticate(c *gin.Context) (*identity.Principal, error) {
	token := bearer(c)
	if token == "" {
		return nil, &gateway.Problem{Name: problemUnauthorised, Detail: "Authorization: Bearer and a key or session token are required"}
	}
	p, err := s.Identity.Authenticate(c.Request.Context(), token)
	if errors.Is(err, identity.ErrUnauthenticated) {
		return nil, &gateway.Problem{Name: problemUnauthorised, Detail: "the key or session is not valid"}
	}
	return p, err
}

// bearer is the token of the request, "" where there is none that could be one.
func bearer(c *gin.Context) string {
	scheme, token, _ := strings.Cut(c.GetHeader("Authorization"), " ")
	if !strings.EqualFold(scheme, "Bearer") || len(token) > 512 {
		return ""
	}
	return token
}

func principal(c *gin.Context) *identity.Principal {
	v, _ := c.Get(principalKey)
	if p, ok := v.(*identity.Principal); ok {
		return p
	}
	return &identity.Principal{}
}

// caller is who asks, as the gateway needs to know it.
func caller(c *gin.Context) gateway.Caller {
	who := CallerOf(principal(c))
	who.Address, who.RequestID = c.ClientIP(), c.GetString(requestIDKey)
	return who
}

// CallerOf turns a principal into the gateway's caller.
func CallerOf(p *identity.Principal) gateway.Caller {
	if p.Kind == identity.KindUser {
		return gateway.Caller{Mode: "live", Actor: p.ID, Person: true, Agencies: p.Agencies}
	}
	return gateway.Caller{ClientID: p.ClientID, SourceSystem: p.SourceSystem, Mode: p.Mode, Actor: p.ID}
}

// actor is who did it, for the audit.
func actor(c *gin.Context) identity.Actor {
	p := principal(c)
	return identity.Actor{Kind: p.Kind, ID: p.ID, Address: c.ClientIP(), RequestID: c.GetString(requestIDKey)}
}

type credentials struct {
	Name     string `json:"name"`
	Password string `json:"password"`
	OTP      string `json:"otp,omitempty"` // of who has enrolled a second factor
}

type sessionView struct {
	Token     string      `json:"token"`
	ExpiresAt time.Time   `json:"expires_at"`
	User      sessionUser `json:"user"`
}

type sessionUser struct {
	ID       string          `json:"id"`
	Name     string          `json:"name"`
	Roles    []identity.Role `json:"roles"`
	Agencies []string        `json:"agencies"`
}

// signIn opens a person's session.
func (s *server) signIn(c *gin.Context) {
	var in credentials
	if _, err := readJSON(c, &in); err != nil {
		s.refuse(c, err)
		return
	}
	token, session, err := s.Identity.Login(c.Request.Context(), identity.Attempt{Name: in.Name, Password: in.Password, OTP: in.OTP, Address: c.ClientIP(), RequestID: c.GetString(requestIDKey)})
	var locked *identity.LockedError
	switch {
	case errors.As(err, &locked):
		retryAfter(c, int(locked.RetryAfter.Seconds())+1)
		s.refuse(c, &gateway.Problem{Name: problemTooMany, Detail: locked.Error()})
		return
	case errors.Is(err, identity.ErrBadCredentials):
		s.refuse(c, &gateway.Problem{Name: problemUnauthorised, Detail: err.Error()})
		return
	case err != nil:
		s.refuse(c, err)
		return
	}
	p := session.Principal
	c.JSON(http.StatusCreated, sessionView{token, session.ExpiresAt, sessionUser{p.ID, p.Name, p.Roles, append([]string{}, p.Agencies...)}})
}

// signOut ends the session that asks.
func (s *server) signOut(c *gin.Context) {
	if err := s.Identity.Logout(c.Request.Context(), actor(c), bearer(c)); err != nil {
		s.refuse(c, err)
		return
	}
	c.Status(http.StatusNoContent)
}
