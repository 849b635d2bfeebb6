package configs

// Defaults are texts in the tables, read by the same parser as a user's: no default can be one that a user could not write.
// Objects are filled before their keys are read, so a key that is absent, or wrong, leaves the default.

// fill sets the defaults of every row of t in s.
func (t *table[S]) fill(s *S) {
	for _, r := range t.rows {
		r.to.fill(s, r.def)
	}
}
