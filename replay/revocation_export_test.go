package replay

// ForgetUntil makes r look as if the clock had been set back to before the end of what it forgot.
func (r *Revocations) ForgetUntil(unixMilli int64) { r.forgot.Store(unixMilli) }
