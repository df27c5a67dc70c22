package console

import (
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"feegate/gateway"
	"feegate/gateway/identity"
	"feegate/reconciliation/adoption"
)

var (
	managing = []identity.Role{identity.Admin}
	keeping  = []identity.Role{identity.Admin, identity.PortalAdmin}
)

// mountPeople adds people, and programs with their keys.
func (c *Console) mountPeople(mux *http.ServeMux) {
	c.on(mux, "GET /console/users", managing, c.users)
	c.on(mux, "POST /console/users", managing, c.createUser)
	c.on(mux, "POST /console/users/otp", managing, c.setOTPRoles)
	c.on(mux, "GET /console/users/{id}", managing, c.user)
	c.on(mux, "POST /console/users/{id}/{deed}", managing, c.onUser)
	c.on(mux, "GET /console/keys", keeping, c.keys)
	c.on(mux, "POST /console/keys", keeping, c.createKey)
	c.on(mux, "POST /console/clients", managing, c.createClient)
	c.on(mux, "POST /console/keys/{id}/{deed}", keeping, c.onKey)
}

// everywhere refuses who is limited to agencies: people and programs are the whole province's.
func (v *visit) everywhere() error {
	if !v.session.Principal.AllAgencies() {
		return &gateway.Problem{Name: adoption.ProblemProvinceOnly}
	}
	return nil
}

type roleRow struct {
	Code string
	Name text
	Has  bool
}

func roleRows(has []identity.Role) (out []roleRow) {
	for _, r := range identity.Roles() {
		out = append(out, roleRow{string(r), or(roleWords)(string(r)), slices.Contains(has, r)})
	}
	return out
}

type userRow struct {
	identity.User
	Does []text
}

func rowOf(u *identity.User) userRow {
	row := userRow{User: *u}
	for _, r := range u.Roles {
		row.Does = append(row.Does, or(roleWords)(string(r)))
	}
	return row
}

type usersData struct {
	Rows    []userRow
	Roles   []roleRow
	Needed  []roleRow
	Clients []identity.Client
	Manages bool
}

func (c *Console) users(v *visit) error {
	if err := v.everywhere(); err != nil {
		return err
	}
	ctx := v.r.Context()
	all, err := c.Identity.Users(ctx)
	if err != nil {
		return err
	}
	d := usersData{Roles: roleRows(nil), Manages: v.may(managing...)}
	for i := range all {
		d.Rows = append(d.Rows, rowOf(&all[i]))
	}
	needed, err := c.Identity.OTPRoles(ctx)
	if err != nil {
		return err
	}
	d.Needed = roleRows(needed)
	if d.Clients, err = c.Identity.Clients(ctx); err != nil {
		return err
	}
	return v.show(http.StatusOK, "users", "Người dùng", d)
}

// toldData is a secret that is shown this once.
type toldData struct {
	Heading string
	What    text
	Secret  string
	Next    text
	Back    string
}

// tell shows a secret in the answer to the act that made it.
func (v *visit) tell(d toldData) error { return v.show(http.StatusOK, "told", text(d.Heading), d) }

func (v *visit) roles() (out []identity.Role) {
	for _, r := range v.r.PostForm["role"] {
		out = append(out, identity.Role(r))
	}
	return out
}

// agencies reads codes with commas, blanks or lines between them, and holds them to the catalogue.
func (v *visit) agencies() ([]string, error) {
	codes := strings.FieldsFunc(v.r.PostForm.Get("agencies"), func(r rune) bool { return r == ',' || r == ';' || r <= ' ' })
	known, err := v.c.Gateway.Agencies(v.r.Context())
	if err != nil {
		return nil, err
	}
	for _, code := range codes {
		if known[code] == "" {
			return nil, &gateway.Problem{Name: gateway.ProblemInvalid, Fields: []gateway.FieldError{{Field: "agencies", Detail: v.in.Sayf("không có cơ quan %s trong danh mục", code)}}}
		}
	}
	return codes, nil
}

const passwordNext text = "Đưa mật khẩu này cho đúng người, bằng đường khác với tên đăng nhập. Người đó phải đổi ngay lần đăng nhập đầu."

func (c *Console) createUser(v *visit) error {
	if err := v.everywhere(); err != nil {
		return err
	}
	agencies, err := v.agencies()
	if err != nil {
		return err
	}
	password := identity.MadePassword()
	u, err := c.Identity.CreateUser(v.r.Context(), v.actor(), identity.NewUser{Name: v.r.PostForm.Get("name"), Password: password, Roles: v.roles(), Agencies: agencies,
		ClientID: v.r.PostForm.Get("client"), Change: true})
	if err != nil {
		return personProblem(err)
	}
	return v.tell(toldData{v.in.Sayf("Đã thêm %s", u.Name), "Mật khẩu lần đầu", password, passwordNext, "/console/users/" + u.ID})
}

func (c *Console) setOTPRoles(v *visit) error {
	if err := v.everywhere(); err != nil {
		return err
	}
	if err := c.Identity.SetOTPRoles(v.r.Context(), v.actor(), v.roles()); err != nil {
		return personProblem(err)
	}
	return v.back("/console/users?done=otp-roles")
}

type userData struct {
	userRow
	Roles         []roleRow
	Scope         string
	Self, Manages bool
}

func (c *Console) user(v *visit) error {
	if err := v.everywhere(); err != nil {
		return err
	}
	u, err := c.Identity.User(v.r.Context(), v.r.PathValue("id"))
	if err != nil {
		return personProblem(err)
	}
	return v.show(http.StatusOK, "user", text(v.in.Sayf("Người dùng %s", u.Name)), userData{userRow: rowOf(u), Roles: roleRows(u.Roles), Scope: strings.Join(u.Agencies, ", "), Self: u.ID == v.session.Principal.ID, Manages: v.may(managing...)})
}

// onUser does something to another person.
func (c *Console) onUser(v *visit) error {
	if err := v.everywhere(); err != nil {
		return err
	}
	ctx, id, deed := v.r.Context(), v.r.PathValue("id"), v.r.PathValue("deed")
	if id == v.session.Principal.ID {
		return personProblem(identity.ErrOwnRights)
	}
	var err error
	switch deed {
	case "roles":
		var agencies []string
		if agencies, err = v.agencies(); err == nil {
			err = c.Identity.SetRoles(ctx, v.actor(), id, v.roles(), agencies)
		}
	case "disable":
		err = c.Identity.DisableUser(ctx, v.actor(), id)
	case "enable":
		err = c.Identity.EnableUser(ctx, v.actor(), id)
	case "otp":
		err = c.Identity.DropOTP(ctx, v.actor(), id)
	case "sessions":
		err = c.Identity.EndSessions(ctx, v.actor(), id, "")
	case "password":
		password := identity.MadePassword()
		if err = c.Identity.SetPassword(ctx, v.actor(), id, password); err == nil {
			return v.tell(toldData{v.in.Say("Đã đặt lại mật khẩu"), "Mật khẩu tạm", password, passwordNext, "/console/users/" + url.PathEscape(id)})
		}
	default:
		err = identity.ErrNotFound
	}
	if err != nil {
		return personProblem(err)
	}
	return v.back("/console/users/" + url.PathEscape(id) + "?done=user-changed")
}

type keyRow struct {
	identity.Key
	Client, Mode string
	Live, Rotate bool
}

type keysData struct {
	Rows    []keyRow
	Clients []identity.Client
	Scopes  []identity.Scope
	Makes   bool // may make keys
	Admin   bool
	Today   string
}

// ownClient is the client whose keys the person keeps; any ("") for an admin or auditor of all agencies.
func (v *visit) ownClient() (string, error) {
	if v.may(identity.PortalAdmin) {
		return v.session.Principal.ClientID, nil
	}
	return "", v.everywhere()
}

func (c *Console) keys(v *visit) error {
	client, err := v.ownClient()
	if err != nil {
		return err
	}
	ctx, now := v.r.Context(), c.Now()
	all, err := c.Identity.Keys(ctx, client)
	if err != nil {
		return err
	}
	clients, err := c.Identity.Clients(ctx)
	if err != nil {
		return err
	}
	d := keysData{Scopes: identity.Scopes(), Makes: v.may(keeping...), Admin: v.may(managing...), Today: now.In(vietnam).AddDate(0, 0, 1).Format(time.DateOnly)}
	followed := map[string]bool{}
	for i := range all {
		if all[i].Replaces != nil {
			followed[*all[i].Replaces] = true
		}
	}
	for _, k := range all {
		row := keyRow{Key: k, Live: k.RevokedAt == nil && (k.ExpiresAt == nil || now.Before(*k.ExpiresAt))}
		row.Rotate = row.Live && !followed[k.ID]
		for _, cl := range clients {
			if cl.ID == k.ClientID {
				row.Client, row.Mode = cl.Name, cl.Mode
			}
		}
		d.Rows = append(d.Rows, row)
	}
	for _, cl := range clients {
		if client == "" || cl.ID == client {
			d.Clients = append(d.Clients, cl)
		}
	}
	return v.show(http.StatusOK, "keys", "Khóa API", d)
}

const keyNext text = "Chép ngay vào nơi giữ bí mật của phần mềm gọi: feegate chỉ giữ dấu vết, không xem lại được."

func (c *Console) createKey(v *visit) error {
	client, err := v.ownClient()
	if err != nil {
		return err
	}
	if client == "" {
		client = v.r.PostForm.Get("client")
	}
	var scopes []identity.Scope
	for _, s := range v.r.PostForm["scope"] {
		scopes = append(scopes, identity.Scope(s))
	}
	var expires *time.Time
	if day := v.r.PostForm.Get("expires"); day != "" {
		end, err := startOf(day, "expires_at", 1)
		if err != nil {
			return err
		}
		expires = &end
	}
	k, secret, err := c.Identity.CreateKey(v.r.Context(), v.actor(), client, v.r.PostForm.Get("name"), scopes, expires)
	if err != nil {
		return personProblem(err)
	}
	return v.tell(toldData{v.in.Sayf("Đã tạo khóa %s", k.Name), "Khóa", secret, keyNext, "/console/keys"})
}

func (c *Console) createClient(v *visit) error {
	if err := v.everywhere(); err != nil {
		return err
	}
	if _, err := c.Identity.CreateClient(v.r.Context(), v.actor(), v.r.PostForm.Get("name"), v.r.PostForm.Get("source_system"), v.r.PostForm.Get("mode")); err != nil {
		return personProblem(err)
	}
	return v.back("/console/keys?done=client")
}

// onKey rotates or revokes a key.
func (c *Console) onKey(v *visit) error {
	client, err := v.ownClient()
	if err != nil {
		return err
	}
	ctx, id := v.r.Context(), v.r.PathValue("id")
	switch v.r.PathValue("deed") {
	case "rotate":
		hours, err := strconv.Atoi(v.r.PostForm.Get("overlap_hours"))
		if err != nil {
			return personProblem(&identity.InvalidError{Field: "overlap_hours"})
		}
		k, secret, err := c.Identity.RotateKey(ctx, v.actor(), client, id, time.Duration(hours)*time.Hour)
		if err != nil {
			return personProblem(err)
		}
		return v.tell(toldData{v.in.Sayf("Đã tạo khóa thay %s", k.Name), "Khóa mới", secret, text(v.in.Say(keyNext) + " " + v.in.Sayf("Khóa cũ còn dùng được thêm %d giờ.", hours)), "/console/keys"})
	case "revoke":
		if err := c.Identity.RevokeKey(ctx, v.actor(), client, id); err != nil {
			return personProblem(err)
		}
		return v.back("/console/keys?done=key-revoked")
	}
	return personProblem(identity.ErrNotFound)
}
