package steward

// Who is listed: servers of the configuration, and those that sources find.

import (
	"context"
	"os"
	"testing"
	"testing/synctest"
	"time"

	"sluice/configs"
	"sluice/engine/discover"
	"sluice/internal/assert"
)

// listed is the set, with what matters to who gets what.
func (r *rig) listed() (all []string) {
	v, _, _ := r.s.View()
	for _, one := range v.Servers {
		if one.State == "removed" {
			continue
		}
		text := one.Name
		if one.Weight != 1 {
			text += " ×" + string(rune('0'+one.Weight))
		}
		if one.Backup {
			text += " backup"
		}
		if one.Max > 0 {
			text += " max " + string(rune('0'+one.Max))
		}
		all = append(all, text)
	}
	return all
}

const fixed = "192.0.2.100:80"

func TestSourcesAndFixedServers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := discovering(t, nil, at(server(1), ""))
		assert.Equal(t, r.listed(), []string{fixed, server(1)})
		kept := r.backend(server(1))
		r.find(at(server(1), ""), at(server(2), "weight=3"), at(fixed, "weight=9"), at(server(3), "backup"))
		assert.Equal(t, r.listed(), []string{fixed, server(1), server(2) + " ×3", server(3) + " backup"}) // of one address the first counts
		r.said("INFO server is new server="+server(2), "INFO server is new server="+server(3))
		assert.Equal(t, r.backend(server(1)) == kept, true)

		kept.Acquire()
		r.find(at(server(2), "weight=3"))
		assert.Equal(t, r.listed(), []string{fixed, server(2) + " ×3"})
		r.said("INFO server is gone server="+server(1)+" in_use=1", "INFO server is gone server="+server(3)+" in_use=0")
		gone, dead := r.hooked()
		assert.Equal(t, [][]string{gone, dead}, [][]string{{server(1), server(3)}, nil})
		assert.Equal(t, []bool{kept.Removed(), r.backend(server(2)).Removed()}, []bool{true, false})

		r.find() // whatever becomes of a list, what is fixed stays
		assert.Equal(t, r.listed(), []string{fixed})
		r.said("INFO server is gone server=" + server(2) + " in_use=0")
	})
}

// A list that is found again says nothing new.
func TestTheSameListAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := discovering(t, nil, at(server(1), ""))
		r.check(server(1), false, "timeout")
		r.log.take()
		r.find(at(server(1), ""))
		r.said()
		gone, _ := r.hooked()
		assert.Equal(t, len(gone), 0)
		assert.Equal(t, r.seen(server(1)).Cause, "check: timeout")
	})
}

// Who comes back begins anew, even while connections of before are still in use; but what an operator has told is not
// forgotten because a list had a gap.
func TestAServerThatComesBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := discovering(t, func(c *configs.Upstream) { c.Eject.MaxPercent = 100 }, at(server(1), ""))
		before := r.backend(server(1))
		before.Acquire()
		assert.NoError(t, r.s.SetDraining(server(1), true))
		r.fail(server(1), 3)
		r.check(server(1), false, "timeout")
		r.find()
		assert.Equal(t, before.State().String(), "removed")
		r.log.take()
		r.find(at(server(1), ""))
		r.said("INFO server is new server=" + server(1))
		v := r.seen(server(1))
		assert.Equal(t, []any{v.State, v.InUse, v.Cause}, []any{"draining", 1, "told to drain"})
		assert.NoError(t, r.s.SetDraining(server(1), false))
		assert.Equal(t, r.seen(server(1)).State, "up")
		r.log.take()
		time.Sleep(time.Minute) // the ejection of before does not end once more
		synctest.Wait()
		r.said()
	})
}

// A limit that changes makes another backend of the same server: what is known about it stays, and nobody is told that it
// has gone.
func TestAChangedLimit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := discovering(t, nil, at(server(1), ""))
		old := r.backend(server(1))
		old.Acquire()
		r.fail(server(1), 3)
		r.log.take()
		r.find(at(server(1), "max_connections=2"))
		r.said()
		assert.Equal(t, r.listed(), []string{fixed, server(1) + " max 2"})
		gone, _ := r.hooked()
		assert.Equal(t, gone, []string{server(1)}) // its idle connections are of no use to the new one
		now := r.backend(server(1))
		assert.Equal(t, []any{now == old, now.InUse(), now.Ejected(), now.Removed()}, []any{false, int32(1), true, false})
		time.Sleep(10 * time.Second)
		synctest.Wait()
		r.said(back(server(1)))
		assert.Equal(t, now.Ejected(), false)
	})
}

// A weight set at run time counts for as long as the server is listed, whatever its list says meanwhile.
func TestAWeightOutlivesItsList(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := discovering(t, nil, at(server(1), "weight=2"))
		assert.NoError(t, r.s.SetWeight(server(1), 7))
		r.said("INFO weight is changed server=" + server(1) + " from=2 to=7")
		assert.Equal(t, r.listed(), []string{fixed, server(1) + " ×7"})
		r.find(at(server(1), "weight=3"), at(server(2), ""))
		assert.Equal(t, r.listed(), []string{fixed, server(1) + " ×7", server(2)})
		r.find(at(server(2), ""))
		time.Sleep(absentFor / 2)
		r.find(at(server(1), "weight=3")) // a gap in the list is not the end of it
		assert.Equal(t, r.listed(), []string{fixed, server(1) + " ×7"})
		r.find(at(server(2), ""))
		time.Sleep(absentFor + time.Second)
		r.find(at(server(2), ""), at(server(3), ""))
		r.find(at(server(1), "weight=3"))
		assert.Equal(t, r.listed(), []string{fixed, server(1) + " ×3"})
	})
}

func TestNamesOfDiscoveredServers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		named := at(server(1), "")
		named.Name = "app.example"
		r := discovering(t, nil, named, discover.Found{Path: "/run/app.sock", Weight: 4})
		assert.Equal(t, r.listed(), []string{fixed, "app.example:80 (192.0.2.1)", "unix:/run/app.sock ×4"})
		assert.Equal(t, r.backend(server(1)).HostName(), "app.example:80")
		assert.NoError(t, r.s.SetWeight("unix:/run/app.sock", 2))
		assert.NoError(t, r.s.SetWeight("app.example:80 (192.0.2.1)", 2))
		assert.NoError(t, r.s.SetWeight(server(1), 3))
		assert.Equal(t, r.listed(), []string{fixed, "app.example:80 (192.0.2.1) ×3", "unix:/run/app.sock ×2"})
	})
}

// A real file: the start waits for it, and changes of it are followed.
func TestAFileOfServers(t *testing.T) {
	t.Parallel()
	path := t.TempDir() + "/servers"
	write := func(text string) {
		assert.NoError(t, os.WriteFile(path+"~", []byte(text), 0o600))
		assert.NoError(t, os.Rename(path+"~", path))
	}
	write(server(1) + "\n")
	r := hire(t, func(c *configs.Upstream) {
		c.Servers = []configs.Server{{Discover: "file", Weight: 1, Address: configs.Address{Network: "file", Path: path}}}
	})
	assert.Equal(t, r.listed(), []string{server(1)})
	r.said()
	write("192.0.2.1:80\n192.0.2.2:80 weight=2\n")
	r.hears("INFO server is new server=" + server(2))
	write("nonsense\n")
	r.hears("WARN discovering servers failed; what is known is kept error=" + path + ":1:1: ")
	assert.Equal(t, len(r.listed()), 2)
	write("192.0.2.2:80 weight=2\n")
	r.hears("INFO server is gone server=" + server(1) + " in_use=0")
	r.hears("INFO discovering servers works again from=file://" + path)
	assert.Equal(t, r.listed(), []string{server(2) + " ×2"})
	r.said()
}

// Servers that cannot be discovered keep the start waiting for as long as it is willing to.
func TestStartingWithoutServers(t *testing.T) {
	t.Parallel()
	path := t.TempDir() + "/servers"
	r := prepare(t, func(c *configs.Upstream) {
		c.Servers = []configs.Server{{Discover: "file", Weight: 1, Address: configs.Address{Network: "file", Path: path}}}
	})
	ctx, cancel := context.WithCancel(t.Context())
	started := make(chan struct{})
	go func() {
		r.s.Start(ctx)
		close(started)
	}()
	r.hears("WARN discovering servers failed; what is known is kept error=")
	cancel()
	<-started
	r.hears("WARN starting without servers that could not be discovered in time error=file://" + path + " is not resolved yet: ")
	assert.Equal(t, len(r.listed()), 0)
	assert.NoError(t, os.WriteFile(path, []byte(server(1)+"\n"), 0o600))
	r.hears("INFO server is new server=" + server(1)) // it comes when it comes
	r.hears("INFO discovering servers works again from=file://" + path)
	r.said()
}
