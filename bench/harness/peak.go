package harness

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"sluice/bench/load"
	"sluice/bench/report"
	"sluice/bench/rivals"
	"sluice/bench/scenarios"
)

// peakRounds is how often each peer is asked: its median counts.
func (h *Harness) peakRounds() int {
	if h.Quick {
		return 1
	}
	return 3
}

// findPeak finds the highest rate of the better peer in a closed loop of the same
// requests. Without a peer, that of sluice itself has to do.
func (h *Harness) findPeak(ctx context.Context, sc scenarios.Scenario, present []contestant) (*report.Peak, error) {
	if h.peak != nil {
		return h.peak, nil
	}
	peers := slices.DeleteFunc(slices.Clone(present), func(c contestant) bool { return c.proxy.Name == rivals.Sluice })
	if len(peers) == 0 {
		peers = present
	}
	sc.Share, sc.Load.Mode, sc.Load.Connections = 0, load.Keep, scenarios.PeakConnections
	rates := make([][]float64, len(peers))
	var failed error
	for range h.peakRounds() {
		for i, c := range peers {
			rate, err := h.closedRate(ctx, &sc, c)
			switch {
			case ctx.Err() != nil:
				return nil, ctx.Err()
			case err != nil:
				failed = err
			default:
				h.tell(&sc, Step{Proxy: c.series.Title(), Text: fmt.Sprintf("peak of %.0f requests/s", rate)})
				rates[i] = append(rates[i], rate)
			}
		}
	}
	best := &report.Peak{}
	for i, all := range rates {
		if slices.Sort(all); len(all) > 0 && all[len(all)/2] > best.Rate {
			best.Proxy, best.Rate = peers[i].series.Title(), all[len(all)/2]
		}
	}
	if best.Rate == 0 {
		return nil, fmt.Errorf("no peer could be measured: %w", failed)
	}
	h.peak = best
	return best, nil
}

// closedRate is one round in requests per second.
func (h *Harness) closedRate(ctx context.Context, sc *scenarios.Scenario, c contestant) (float64, error) {
	got := h.round(ctx, run{sc: sc, contestant: c, timing: h.timing(sc)})
	if got.Failed != "" {
		return 0, errors.New(got.Failed)
	}
	if !got.OK() {
		return 0, fmt.Errorf("%s had errors: %v", c.series.Title(), got.Result.Errors)
	}
	return got.Result.Units * float64(time.Second) / float64(got.Result.Wall), nil
}
