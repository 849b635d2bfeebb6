package lease

import "testing"

func TestTried(t *testing.T) {
	var none *Tried
	if none.Len() != 0 || none.Full() || none.has(&live{}) {
		t.Error("nil is not an empty Tried")
	}
	var tried Tried
	for i := range MaxAttempts {
		b := &Backend{}
		if tried.Full() || tried.Has(b) {
			t.Fatalf("full or known before attempt %d", i+1)
		}
		tried.Add(b)
		if !tried.Has(b) || tried.Len() != i+1 {
			t.Fatalf("attempt %d forgotten", i+1)
		}
	}
	if !tried.Full() {
		t.Error("not full after the last attempt")
	}
	if tried.Reset(); tried != (Tried{}) {
		t.Error("Reset kept something, perhaps a backend of an old configuration")
	}
}

func TestTriedSurvivesReload(t *testing.T) {
	before, after := &Backend{}, &Backend{}
	after.Inherit(before)
	var tried Tried
	tried.Add(before)
	if !tried.Has(after) {
		t.Error("the same endpoint would be tried again after a reload")
	}
}
