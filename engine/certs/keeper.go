package certs

// The life of what follows files: look, tell, wait until something changes or the clock may have.
//
// Telling is comparing: each look lists everything that is wrong now, and what was not in the list before is told. So a broken
// file is told once a change, an expiry once a stage, and a file with nothing wrong any more has recovered.

import (
	"context"
	"errors"
	"slices"
	"sync/atomic"
	"time"

	"sluice/engine/watch"
)

// A keeper looks again and again. Its fields but the atomic one belong to the goroutine that looks.
type keeper struct {
	watch   Watch
	sources []looker
	told    []*FileError
	refused atomic.Int64
	cancel  context.CancelFunc // nil = nothing to end
	done    chan struct{}
}

// read looks at all sources. changed reports whether what is good has changed.
func (k *keeper) read() (changed bool) {
	for _, s := range k.sources {
		changed = s.look() || changed
	}
	return changed
}

// first reads what must be good to begin. The error is about everything that is not, each on a line.
func (k *keeper) first() error {
	k.read()
	var errs []error
	for _, e := range k.problems() {
		errs = append(errs, e)
	}
	return errors.Join(errs...)
}

// problems lists the files that are not used.
func (k *keeper) problems() (list []*FileError) {
	for _, s := range k.sources {
		if e := s.problem(); e != nil {
			list = append(list, e)
		}
	}
	return list
}

// tell says what is new among refused files and warnings.
func (k *keeper) tell(warnings []*FileError) {
	list := k.problems()
	k.refused.Store(int64(len(list)))
	list = append(list, warnings...)
	old := k.told
	k.told = list
	for _, e := range list {
		if !slices.ContainsFunc(old, func(o *FileError) bool { return o.Error() == e.Error() }) {
			k.watch.Trouble(e)
		}
	}
	recovered := make(map[string]bool)
	for _, o := range old {
		still := slices.ContainsFunc(list, func(e *FileError) bool { return e.File == o.File })
		if !still && !recovered[o.File] {
			recovered[o.File] = true
			k.watch.Recovered(o.File)
		}
	}
}

// follow calls look whenever a file has changed and settled, and from time to time, until close. Without files nothing is done.
func (k *keeper) follow(look func()) {
	var files []*watch.File
	for _, s := range k.sources {
		files = append(files, s.paths()...)
	}
	if len(files) == 0 {
		return
	}
	ctx, cancel := context.WithCancel(context.Background())
	k.cancel, k.done = cancel, make(chan struct{})
	go func() {
		defer close(k.done)
		k.run(ctx, files, look)
	}()
}

// run is the goroutine.
func (k *keeper) run(ctx context.Context, files []*watch.File, look func()) {
	var paths []string
	for _, f := range files {
		paths = append(paths, f.Path)
	}
	news := watch.NewNotifier(paths...)
	defer news.Close()
	for {
		news.Follow()
		watch.Settle(ctx, files...)
		if ctx.Err() != nil {
			return
		}
		look()
		news.Wait(ctx, min(news.Every(), lookEvery))
	}
}

// close ends the goroutine and waits for its end. It may be called twice.
func (k *keeper) close() {
	if k.cancel != nil {
		k.cancel()
		<-k.done
	}
}

// now is the time of the owner.
func (k *keeper) now() time.Time { return k.watch.Now() }
