package console

import (
	"crypto/subtle"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"path"
	"strings"

	"feegate/gateway/identity"
)

const cookieName = "feegate_console"

// secure says that the cookie goes over TLS alone.
func (c *Console) secure() bool { return strings.HasPrefix(c.PublicURL, "https://") }

func (c *Console) cookie(value string, age int) *http.Cookie {
	return &http.Cookie{Name: cookieName, Value: value, Path: "/console", MaxAge: age, HttpOnly: true, Secure: c.secure(), SameSite: http.SameSiteStrictMode}
}

// enter finds the session of the request.
func (v *visit) enter() error {
	k, err := v.r.Cookie(cookieName)
	if err != nil || len(k.Value) > 512 {
		return identity.ErrUnauthenticated
	}
	session, err := v.c.Identity.Session(v.r.Context(), k.Value)
	if err != nil {
		return err
	}
	v.session, v.token = session, k.Value
	return nil
}

// genuine compares a form's token with the session's, in the same time whatever it is.
func (v *visit) genuine(token string) bool {
	return v.session.CSRF != "" && subtle.ConstantTimeCompare([]byte(token), []byte(v.session.CSRF)) == 1
}

// inside gives a path of the console to go to next, and the console's first page for anything else. As it is written the path must begin like one
// of ours: a browser takes what begins with several slashes for another host, whatever the dots behind it come to.
func inside(next string) string {
	u, err := url.Parse(next)
	if err != nil || u.Scheme != "" || u.Host != "" || !strings.HasPrefix(u.Path, "/console/") || !strings.HasPrefix(path.Clean(u.Path), "/console/") || strings.ContainsAny(next, "\\\r\n") {
		return "/console"
	}
	return u.RequestURI()
}

type signInData struct{ Next, Error, Name, Outside string }

const tooMany text = "Quá nhiều yêu cầu, vui lòng thử lại sau."

func (c *Console) signInPage(w http.ResponseWriter, r *http.Request) {
	if c.visit(w, r).turned() {
		return
	}
	c.showSignIn(w, r, http.StatusOK, signInData{Next: inside(r.URL.Query().Get("next"))})
}

func (c *Console) showSignIn(w http.ResponseWriter, r *http.Request, status int, d signInData) {
	v := c.visit(w, r)
	if c.outside != nil {
		d.Outside = c.outside.Label
	}
	if err := v.show(status, "sign-in", "Đăng nhập", d); err != nil {
		v.refuse(err)
	}
}

// signIn opens a session. That a form of another site cannot do so is seen to by the browser's word on where it comes from.
func (c *Console) signIn(w http.ResponseWriter, r *http.Request) {
	address, in := c.Visitors.Address(r), c.tongues[language(r)]
	if !c.Admit(address) {
		http.Error(w, in.Say(tooMany), http.StatusTooManyRequests)
		return
	}
	r.Body = http.MaxBytesReader(w, r.Body, 8<<10)
	if err := r.ParseForm(); err != nil {
		http.Error(w, in.Say("Biểu mẫu không đọc được."), http.StatusBadRequest)
		return
	}
	d := signInData{Next: inside(r.PostForm.Get("next")), Name: r.PostForm.Get("name")}
	token, _, err := c.Identity.Login(r.Context(), identity.Attempt{Name: d.Name, Password: r.PostForm.Get("password"), OTP: r.PostForm.Get("otp"), Address: address})
	var locked *identity.LockedError
	switch {
	case errors.As(err, &locked):
		w.Header().Set("Retry-After", fmt.Sprint(int(locked.RetryAfter.Seconds())+1))
		d.Error = in.Sayf("Đăng nhập sai quá nhiều lần. Hãy thử lại sau %d phút.", int(locked.RetryAfter.Minutes())+1)
		c.showSignIn(w, r, http.StatusTooManyRequests, d)
	case errors.Is(err, identity.ErrBadCredentials):
		d.Error = in.Say("Tên, mật khẩu hoặc mã xác thực không đúng. Nếu bạn đã bật mã xác thực, mỗi mã chỉ dùng được một lần: hãy chờ mã tiếp theo.")
		c.showSignIn(w, r, http.StatusUnauthorized, d)
	case err != nil:
		c.visit(w, r).refuse(err)
	default:
		http.SetCookie(w, c.cookie(token, int(identity.AbsoluteLimit.Seconds())))
		http.Redirect(w, r, d.Next, http.StatusSeeOther)
	}
}

// signOut ends the session, here and in the browser, and at the provider of identities where it was made by that.
func (c *Console) signOut(v *visit) error {
	if err := c.Identity.Logout(v.r.Context(), v.actor(), v.token); err != nil {
		return err
	}
	http.SetCookie(v.w, c.cookie("", -1))
	if to := v.leaving(); to != "" { // asked for afterwards: the session is over whatever the provider does
		return v.farewell(to)
	}
	return v.back("/console/sign-in")
}
