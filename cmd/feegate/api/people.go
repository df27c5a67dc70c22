package api

import (
	"context"
	"errors"
	"net/http"
	"time"

	"github.com/gin-gonic/gin"

	"feegate/gateway"
	"feegate/gateway/identity"
	"feegate/reconciliation/adoption"
)

// problemPeople says that what was asked cannot be done to this person or key as they stand.
const problemPeople = "people-state"

// heldDetail tells a person who is held what to do; it is done on a page, where a person is.
var heldDetail = map[identity.Held]string{
	identity.HeldPassword: "somebody else made your password: change it first, on the console's page Tài khoản của tôi",
	identity.HeldOTP:      "one of your roles needs a second factor: enrol it first, on the console's page Tài khoản của tôi",
}

// mountPeople adds people, programs and their keys. Who is limited to agencies gives nobody rights: they would reach beyond.
func (s *server) mountPeople(v1 *gin.RouterGroup) {
	may := s.may("", identity.Admin)
	v1.GET("/users", may, s.listUsers)
	v1.POST("/users", may, s.createUser)
	v1.GET("/users/:id", may, s.getUser)
	v1.PUT("/users/:id/roles", may, s.putRoles)
	v1.POST("/users/:id/disable", may, s.onUser(s.Identity.DisableUser))
	v1.POST("/users/:id/enable", may, s.onUser(s.Identity.EnableUser))
	v1.POST("/users/:id/password", may, s.resetPassword)
	v1.DELETE("/users/:id/otp", may, s.onUser(s.Identity.DropOTP))
	v1.DELETE("/users/:id/sessions", may, s.endSessions)
	v1.GET("/clients", may, s.listClients)
	v1.POST("/clients", may, s.createClient)
	keys := s.may("", identity.Admin, identity.PortalAdmin)
	v1.GET("/keys", keys, s.listKeys)
	v1.POST("/keys", keys, s.createKey)
	v1.POST("/keys/:id/rotate", keys, s.rotateKey)
	v1.DELETE("/keys/:id", keys, s.revokeKey)
}

// peopleProblem turns what stands in the way into a problem.
func peopleProblem(err error) error {
	var wrong *identity.InvalidError
	if errors.As(err, &wrong) {
		return invalid(wrong.Field, wrong.Detail)
	}
	for known, name := range map[error]string{identity.ErrNotFound: gateway.ProblemNotFound, identity.ErrTaken: problemPeople, identity.ErrOwnRights: gateway.ProblemSecondPerson,
		identity.ErrLastAdmin: problemPeople, identity.ErrOutside: problemPeople, identity.ErrEnded: problemPeople} {
		if errors.Is(err, known) {
			return &gateway.Problem{Name: name, Detail: known.Error()}
		}
	}
	return err
}

// everywhere refuses a person who is limited to agencies.
func everywhere(c *gin.Context) error {
	if !principal(c).AllAgencies() {
		return &gateway.Problem{Name: adoption.ProblemProvinceOnly, Detail: "people and programs are the whole province's: who is limited to agencies does not manage them"}
	}
	return nil
}

// another refuses what nobody does to themselves.
func another(c *gin.Context) error {
	if !principal(c).Another(c.Param("id")) {
		return peopleProblem(identity.ErrOwnRights)
	}
	return nil
}

func (s *server) listUsers(c *gin.Context) {
	err := everywhere(c)
	var all []identity.User
	if err == nil {
		all, err = s.Identity.Users(c.Request.Context())
	}
	if err != nil {
		s.refuse(c, err)
		return
	}
	list(c, append([]identity.User{}, all...), "")
}

func (s *server) getUser(c *gin.Context) {
	err := everywhere(c)
	var u *identity.User
	if err == nil {
		u, err = s.Identity.User(c.Request.Context(), c.Param("id"))
	}
	if err != nil {
		s.refuse(c, peopleProblem(err))
		return
	}
	c.JSON(http.StatusOK, u)
}

type newUser struct {
	Name     string          `json:"name"`
	Roles    []identity.Role `json:"roles"`
	Agencies []string        `json:"agencies,omitempty"`
	ClientID string          `json:"client_id,omitempty"`
}

// agencies holds codes to the catalogue: a person who is limited to a code that is nobody's would see nothing, and nobody would know why.
func (s *server) agencies(c *gin.Context, codes []string) error {
	if len(codes) == 0 {
		return nil
	}
	known, err := s.Gateway.Agencies(c.Request.Context())
	if err != nil {
		return err
	}
	for _, code := range codes {
		if known[code] == "" {
			return invalid("agencies", code+" is no agency of the catalogue")
		}
	}
	return nil
}

// createUser makes a person; the password is told once, and is to be changed at the first sign-in.
func (s *server) createUser(c *gin.Context) {
	var in newUser
	err := everywhere(c)
	if err == nil {
		_, err = readJSON(c, &in)
	}
	if err == nil {
		err = s.agencies(c, in.Agencies)
	}
	if err != nil {
		s.refuse(c, err)
		return
	}
	password := identity.MadePassword()
	u, err := s.Identity.CreateUser(c.Request.Context(), actor(c), identity.NewUser{Name: in.Name, Password: password, Roles: in.Roles, Agencies: in.Agencies, ClientID: in.ClientID, Change: true})
	if err != nil {
		s.refuse(c, peopleProblem(err))
		return
	}
	c.JSON(http.StatusCreated, struct {
		*identity.User
		Password string `json:"password"`
	}{u, password})
}

type newRoles struct {
	Roles    []identity.Role `json:"roles"`
	Agencies []string        `json:"agencies,omitempty"`
}

func (s *server) putRoles(c *gin.Context) {
	var in newRoles
	err := everywhere(c)
	if err == nil {
		_, err = readJSON(c, &in)
	}
	if err == nil {
		err = s.agencies(c, in.Agencies)
	}
	if err == nil {
		err = s.Identity.SetRoles(c.Request.Context(), actor(c), c.Param("id"), in.Roles, in.Agencies)
	}
	s.shownUser(c, err)
}

// shownUser answers with the person as they are now, or why not.
func (s *server) shownUser(c *gin.Context, err error) {
	if err != nil {
		s.refuse(c, peopleProblem(err))
		return
	}
	s.getUser(c)
}

// onUser does something to another person.
func (s *server) onUser(do func(context.Context, identity.Actor, string) error) gin.HandlerFunc {
	return func(c *gin.Context) {
		err := everywhere(c)
		if err == nil {
			err = another(c)
		}
		if err == nil {
			err = do(c.Request.Context(), actor(c), c.Param("id"))
		}
		s.shownUser(c, err)
	}
}

func (s *server) resetPassword(c *gin.Context) {
	err := everywhere(c)
	if err == nil {
		err = another(c)
	}
	password := identity.MadePassword()
	if err == nil {
		err = s.Identity.SetPassword(c.Request.Context(), actor(c), c.Param("id"), password)
	}
	if err != nil {
		s.refuse(c, peopleProblem(err))
		return
	}
	c.JSON(http.StatusOK, gin.H{"password": password})
}

func (s *server) endSessions(c *gin.Context) {
	err := everywhere(c)
	if err == nil {
		_, err = s.Identity.User(c.Request.Context(), c.Param("id"))
	}
	if err == nil {
		err = s.Identity.EndSessions(c.Request.Context(), actor(c), c.Param("id"), "")
	}
	if err != nil {
		s.refuse(c, peopleProblem(err))
		return
	}
	c.Status(http.StatusNoContent)
}

func (s *server) listClients(c *gin.Context) {
	err := everywhere(c)
	var all []identity.Client
	if err == nil {
		all, err = s.Identity.Clients(c.Request.Context())
	}
	if err != nil {
		s.refuse(c, err)
		return
	}
	list(c, append([]identity.Client{}, all...), "")
}

type newClient struct {
	Name         string `json:"name"`
	SourceSystem string `json:"source_system"`
	Mode         string `json:"mode"`
}

func (s *server) createClient(c *gin.Context) {
	var in newClient
	err := everywhere(c)
	if err == nil {
		_, err = readJSON(c, &in)
	}
	var made *identity.Client
	if err == nil {
		made, err = s.Identity.CreateClient(c.Request.Context(), actor(c), in.Name, in.SourceSystem, in.Mode)
	}
	if err != nil {
		s.refuse(c, peopleProblem(err))
		return
	}
	c.JSON(http.StatusCreated, made)
}

// ownClient is the client whose keys the person manages: a portal_admin's own, any ("") for an admin of all agencies.
func ownClient(c *gin.Context) (string, error) {
	if p := principal(c); p.HasRole(identity.PortalAdmin) {
		return p.ClientID, nil
	}
	return "", everywhere(c)
}

func (s *server) listKeys(c *gin.Context) {
	client, err := ownClient(c)
	if asked := c.Query("client_id"); err == nil && asked != "" {
		if client != "" && client != asked {
			err = peopleProblem(identity.ErrNotFound)
		}
		client = asked
	}
	var all []identity.Key
	if err == nil {
		all, err = s.Identity.Keys(c.Request.Context(), client)
	}
	if err != nil {
		s.refuse(c, err)
		return
	}
	list(c, all, "")
}

type newKey struct {
	ClientID  string           `json:"client_id,omitempty"`
	Name      string           `json:"name,omitempty"`
	Scopes    []identity.Scope `json:"scopes"`
	ExpiresAt *time.Time       `json:"expires_at,omitempty"`
}

type keyWithSecret struct {
	*identity.Key
	Secret string `json:"key"`
}

// createKey makes a key; its secret is told once.
func (s *server) createKey(c *gin.Context) {
	var in newKey
	client, err := ownClient(c)
	if err == nil {
		_, err = readJSON(c, &in)
	}
	if err == nil && client != "" {
		if in.ClientID != "" && in.ClientID != client {
			err = peopleProblem(identity.ErrNotFound)
		}
		in.ClientID = client
	}
	if err == nil && in.ClientID == "" {
		err = invalid("client_id", "whose key it is, is needed")
	}
	if err != nil {
		s.refuse(c, err)
		return
	}
	k, secret, err := s.Identity.CreateKey(c.Request.Context(), actor(c), in.ClientID, in.Name, in.Scopes, in.ExpiresAt)
	if err != nil {
		s.refuse(c, peopleProblem(err))
		return
	}
	c.JSON(http.StatusCreated, keyWithSecret{k, secret})
}

type rotation struct {
	Overlap *int `json:"overlap_hours,omitempty"`
}

// rotateKey makes the key that follows; the old one works for as long as is asked, a day where nothing is said.
func (s *server) rotateKey(c *gin.Context) {
	in, hours := rotation{}, 24
	client, err := ownClient(c)
	if err == nil {
		_, err = readJSON(c, &in)
	}
	if err != nil {
		s.refuse(c, err)
		return
	}
	if in.Overlap != nil {
		hours = *in.Overlap
	}
	k, secret, err := s.Identity.RotateKey(c.Request.Context(), actor(c), client, c.Param("id"), time.Duration(hours)*time.Hour)
	if err != nil {
		s.refuse(c, peopleProblem(err))
		return
	}
	c.JSON(http.StatusCreated, keyWithSecret{k, secret})
}

func (s *server) revokeKey(c *gin.Context) {
	client, err := ownClient(c)
	if err == nil {
		err = s.Identity.RevokeKey(c.Request.Context(), actor(c), client, c.Param("id"))
	}
	if err != nil {
		s.refuse(c, peopleProblem(err))
		return
	}
	c.Status(http.StatusNoContent)
}
