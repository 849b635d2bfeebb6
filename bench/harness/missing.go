package harness

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"time"

	"sluice/bench/rivals"
	"sluice/bench/scenarios"
)

const (
	// reloadTimeout is how long a proxy may take to serve what a new configuration says,
	// reloadPatience after how long it is asked again.
	reloadTimeout  = 3 * time.Second
	reloadPatience = time.Second
)

// missing says why a contestant cannot be measured in a scenario: it is not there, or
// it cannot do what is asked for, in its own words. Nothing is assumed about what a
// version can do: the row comes alive when the program takes the configuration.
func (h *Harness) missing(ctx context.Context, sc *scenarios.Scenario, c contestant) string {
	if why := c.proxy.Missing(sc.Protocol); why != "" {
		return why
	}
	var refusal string
	err := inDirectory(func(dir string) (err error) {
		r := run{contestant: c, sc: sc, timing: h.timing(sc), dir: dir}
		if refusal, err = h.refusal(ctx, r); err == nil && refusal == "" && sc.Fault == scenarios.Reload {
			refusal, err = h.reloads(ctx, r)
		}
		return err
	})
	switch {
	case err != nil:
		return "could not be asked: " + err.Error()
	case refusal == "":
		return ""
	case c.proxy.Name == rivals.Sluice:
		return "cannot yet serve this: " + refusal
	case c.proxy.Started():
		return "cannot serve this: " + refusal
	}
	return refusal
}

// refusal asks the program about the configuration that the scenario needs.
func (h *Harness) refusal(ctx context.Context, r run) (string, error) {
	origins := make([]string, r.sc.Origins)
	for i := range origins {
		origins[i] = fmt.Sprintf("127.0.2.%d:80", i+1)
	}
	plan, err := h.plan(r, origins)
	if err != nil {
		return "", err
	}
	return r.proxy.Refusal(ctx, plan)
}

// reloads tries whether a reload makes the proxy serve one more address.
func (h *Harness) reloads(ctx context.Context, r run) (refusal string, err error) {
	stubs, err := h.startOrigins(ctx, r)
	if err != nil {
		return "", err
	}
	defer stubs.stop()
	plan, err := h.plan(r, stubs.addresses)
	if err != nil {
		return "", err
	}
	proxy, err := r.proxy.Start(plan, h.ProxyCPU)
	if err != nil {
		return "", err
	}
	defer proxy.Stop()
	if err := waitReady(ctx, proxy, asker(r.sc, plan, proxy.Listen)); err != nil {
		return "", err
	}
	also, err := h.also(plan)
	if err != nil {
		return "", err
	}
	// One that has just started may not listen to signals yet.
	served := errors.New("")
	for end := time.Now().Add(reloadTimeout); served != nil && time.Now().Before(end) && ctx.Err() == nil; {
		if err := proxy.Reload(also); err != nil {
			return "", err
		}
		patience, cancel := context.WithTimeout(ctx, reloadPatience)
		served = waitReady(patience, proxy, asker(r.sc, also, also.Also))
		cancel()
	}
	if served != nil {
		refusal = "a reload changes nothing"
		if words := message(proxy.LastWords()); words != "" {
			refusal += ": " + words
		}
	}
	return refusal, nil
}

var messagePattern = regexp.MustCompile(`\bmsg="?([^"]+)"?`)

// message is what a line of a structured log says, without its time and level.
func message(words string) string {
	if found := messagePattern.FindStringSubmatch(words); found != nil {
		return found[1]
	}
	return words
}
