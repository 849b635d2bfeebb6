package discover

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"sluice/configs"
	"sluice/internal/assert"
)

// A script is a source whose results come from the test, one a look, and which remembers when it was looked at.
type script struct {
	results []result // the last one is repeated
	looks   []time.Time
	waits   []time.Duration
	during  func(ctx context.Context)
	closed  bool
}

func (s *script) look(ctx context.Context) result {
	s.looks = append(s.looks, time.Now())
	if s.during != nil {
		s.during(ctx)
	}
	r := s.results[min(len(s.looks), len(s.results))-1]
	r.found = slices.Clone(r.found)
	return r
}

func (s *script) wait(ctx context.Context, d time.Duration) {
	s.waits = append(s.waits, d)
	sleep(ctx, d)
}

func (s *script) close() { s.closed = true }

// answers is a good result.
func answers(good time.Duration, hosts ...string) result {
	return result{found: at(hosts...), answered: true, good: good}
}

// at returns servers on port 80.
func at(hosts ...string) (found []Found) {
	for _, host := range hosts {
		found = append(found, Found{Addr: netip.AddrPortFrom(netip.MustParseAddr(host), 80)})
	}
	return found
}

// within fails the test unless d is want, spread by a tenth.
func within(t *testing.T, d, want time.Duration) {
	t.Helper()
	if d < want-want/10 || d > want+want/10 {
		t.Fatalf("slept %v, want %v ± 10 %%", d, want)
	}
}

var someSpec = Spec{Kind: "dns", Name: "app.test", Port: 80}

func TestLooksWhenDue(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &script{results: []result{answers(time.Second, "10.0.0.1"), answers(time.Minute, "10.0.0.2"), answers(5*time.Minute, "10.0.0.2")}}
		o := Options{}
		told := hears(&o)
		w := follow(someSpec, o.withDefaults(), s)
		time.Sleep(time.Hour)
		w.Close()
		within(t, s.looks[1].Sub(s.looks[0]), time.Second)
		within(t, s.looks[2].Sub(s.looks[1]), time.Minute)
		for i := 3; i < len(s.looks); i++ {
			within(t, s.looks[i].Sub(s.looks[i-1]), 5*time.Minute)
		}
		if slices.Max(s.waits[2:]) == slices.Min(s.waits[2:]) {
			t.Error("sleeps are not spread")
		}
		told.expect(t, "update: 10.0.0.1:80")
		told.expect(t, "update: 10.0.0.2:80")
		told.silence(t)
		assert.Equal(t, s.closed, true)
	})
}

func TestBackoff(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		failed := result{err: errors.New("no luck")}
		results := append([]result{answers(time.Minute, "10.0.0.1")}, slices.Repeat([]result{failed}, 8)...)
		s := &script{results: append(results, answers(time.Minute, "10.0.0.1"), failed, answers(time.Minute, "10.0.0.2"))}
		o := Options{}
		told := hears(&o)
		w := follow(someSpec, o.withDefaults(), s)
		time.Sleep(time.Hour)
		w.Close()
		for i, want := range []time.Duration{60, 1, 2, 4, 8, 16, 30, 30, 30, 60, 1, 60} {
			within(t, s.waits[i], want*time.Second)
		}
		for _, want := range []string{"update: 10.0.0.1:80", "trouble: no luck", "recovered", "trouble: no luck", "update: 10.0.0.2:80", "recovered"} {
			told.expect(t, want)
		}
		told.silence(t)
	})
}

// A partial answer is used, reported, and asked for again soon, but never later than it is due.
func TestPartialAnswers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		partial := answers(3*time.Second, "10.0.0.1")
		partial.err = errors.New("half of it")
		again := partial
		again.err, again.news = errors.New("broken anew"), true
		s := &script{results: []result{partial, partial, again, partial}}
		o := Options{}
		told := hears(&o)
		w := follow(someSpec, o.withDefaults(), s)
		time.Sleep(time.Minute)
		w.Close()
		for i, want := range []time.Duration{1, 2, 3, 3} {
			within(t, s.waits[i], want*time.Second)
		}
		told.expect(t, "update: 10.0.0.1:80")
		told.expect(t, "trouble: half of it")
		told.expect(t, "trouble: broken anew")
		told.silence(t)
	})
}

func TestUpdateOnlyWhenChanged(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		withdrawn := result{answered: true, good: time.Second}
		s := &script{results: []result{
			withdrawn, withdrawn, answers(time.Second, "10.0.0.2", "10.0.0.1"), answers(time.Second, "10.0.0.1", "10.0.0.2", "10.0.0.1"),
			withdrawn, answers(time.Minute, "10.0.0.1"),
		}}
		o := Options{}
		told := hears(&o)
		w := follow(someSpec, o.withDefaults(), s)
		time.Sleep(time.Minute)
		w.Close()
		told.expect(t, "update: ") // the first answer counts, even if it is empty
		told.expect(t, "update: 10.0.0.1:80, 10.0.0.2:80")
		told.expect(t, "update: ")
		told.expect(t, "update: 10.0.0.1:80")
		told.silence(t)
	})
}

// The owner may do as it likes with the slice it is given.
func TestUpdateOwnsItsSlice(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &script{results: []result{answers(time.Second, "10.0.0.1", "10.0.0.2")}}
		updates := 0
		w := follow(someSpec, Options{Update: func(found []Found) { updates++; clear(found) }}.withDefaults(), s)
		time.Sleep(time.Minute)
		w.Close()
		assert.Equal(t, updates, 1)
	})
}

func TestTooManyServers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var hosts []string
		for i := range listMax + 7 {
			hosts = append(hosts, fmt.Sprintf("10.0.%d.%d", i/256, i%256))
		}
		slices.Reverse(hosts)
		s := &script{results: []result{answers(time.Second, hosts...), answers(time.Second, hosts...), answers(time.Minute, hosts[7:]...)}}
		var updates [][]Found
		var told []string
		w := follow(someSpec, Options{
			Update:    func(found []Found) { updates = append(updates, found) },
			Trouble:   func(err error) { told = append(told, err.Error()) },
			Recovered: func() { told = append(told, "recovered") },
		}.withDefaults(), s)
		time.Sleep(30 * time.Second)
		w.Close()
		assert.Equal(t, len(updates), 1) // dropped are the last, so the list is the same in any order
		assert.Equal(t, len(updates[0]), listMax)
		assert.Equal(t, updates[0][0].String(), "10.0.0.0:80")
		assert.Equal(t, told, []string{"1007 servers are more than 1000: the last 7 in the order of addresses are left out", "recovered"})
	})
}

func TestFirst(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		failed := result{err: errors.New("no luck")}
		s := &script{results: []result{failed, failed, answers(time.Minute, "10.0.0.1")}}
		o := Options{}
		told := hears(&o)
		w := follow(someSpec, o.withDefaults(), s)
		defer w.Close()
		short, cancel := context.WithTimeout(t.Context(), 2*time.Second)
		defer cancel()
		has(t, w.First(short), "dns://app.test:80 is not resolved yet: no luck")
		assert.NoError(t, w.First(t.Context()))
		told.expect(t, "trouble")
		told.expect(t, "update") // has been told by the time First returns
		told.expect(t, "recovered")
	})
}

func TestFirstWithoutAnyLook(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &script{results: []result{answers(time.Minute, "10.0.0.1")}, during: func(ctx context.Context) { <-ctx.Done() }}
		w := follow(someSpec, Options{Update: func([]Found) {}}.withDefaults(), s)
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		has(t, w.First(ctx), "not resolved yet: context deadline exceeded")
		w.Close()
	})
}

// A look has five seconds, and Close none.
func TestLooksAreBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &script{results: []result{{err: errors.New("too late")}}, during: func(ctx context.Context) { <-ctx.Done() }}
		o := Options{}
		told := hears(&o)
		w := follow(someSpec, o.withDefaults(), s)
		time.Sleep(roundTimeout + time.Millisecond)
		synctest.Wait()
		told.expect(t, "trouble: too late")
		time.Sleep(2 * time.Second) // in the second look now
		synctest.Wait()
		begun := time.Now()
		w.Close()
		w.Close()
		assert.Equal(t, time.Since(begun), 0)
		assert.Equal(t, len(s.looks), 2)
		told.silence(t)
	})
}

func TestSpecs(t *testing.T) {
	assert.Equal(t, someSpec.String(), "dns://app.test:80")
	assert.Equal(t, Spec{Kind: "srv", Name: "_a._tcp.b"}.String(), "srv://_a._tcp.b")
	assert.Equal(t, Spec{Kind: "file", Path: "/a/b"}.String(), "file:///a/b")
	assert.Panics(t, "unknown kind", func() { New(Spec{Kind: "consul"}, Options{}) })
}

func TestServerInherits(t *testing.T) {
	entry := configs.Server{Discover: "", At: configs.Position{Line: 7}, Weight: 5, Backup: false, MaxConnections: 9}
	s := at("10.0.0.1")[0].Server(entry)
	entry.Address = configs.Address{Network: "tcp", Host: "10.0.0.1", Port: 80}
	assert.Equal(t, s, entry)
	s = Found{Path: "/run/a.sock", Weight: 3, Backup: true}.Server(entry)
	entry.Address, entry.Weight, entry.Backup = configs.Address{Network: "unix", Path: "/run/a.sock"}, 3, true
	assert.Equal(t, s, entry)
}

// Without inotify, a file is looked at every five seconds. Time is not real here, the file is.
func TestPolling(t *testing.T) {
	path := t.TempDir() + "/servers"
	assert.NoError(t, os.WriteFile(path, []byte("10.0.0.1:80\n"), 0o600))
	synctest.Test(t, func(t *testing.T) {
		o := Options{}
		told := hears(&o)
		s := newSource(Spec{Kind: "file", Path: path}, o).(*fileSource)
		s.news.Close()
		w := follow(someSpec, o.withDefaults(), s)
		defer w.Close()
		told.expect(t, "update: 10.0.0.1:80")
		assert.NoError(t, os.WriteFile(path, []byte("10.0.0.22:80\n"), 0o600))
		begun := time.Now()
		told.expect(t, "update: 10.0.0.22:80")
		if took := time.Since(begun); took > 6*time.Second {
			t.Errorf("noticed after %v", took)
		}
	})
}
