package reconciliation

// TheLongWay is the reconciler without its short way: every line and every payment goes through the working set.
func (r *Reconciler) TheLongWay() *Reconciler {
	long := *r
	long.longWay = true
	return &long
}
