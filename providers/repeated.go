package providers

import "context"

type repeatedKey struct{}

// Repeated marks a call as the repetition of one whose outcome is not known: such calls live on a budget.
func Repeated(ctx context.Context) context.Context {
	return context.WithValue(ctx, repeatedKey{}, true)
}

// IsRepeated reports whether a call is marked as a repetition.
func IsRepeated(ctx context.Context) bool {
	yes, _ := ctx.Value(repeatedKey{}).(bool)
	return yes
}
