package report

import (
	"fmt"
	"slices"
	"strings"

	"sluice/bench/load"
)

// method is how it was measured and what that cannot show.
func (p *page) method(r *Report) {
	p.line("## Method and limits\n")
	pinning := "The proxy runs alone on one core as one worker, thread or loop; stub origin and load generator share another."
	if !r.Machine.Pinned {
		pinning = "**This machine offers one core only: nothing was pinned, and proxy and tools disturbed each other.**"
	}
	p.line("%s", pinning)
	p.line("Processor time is what the kernel charges to the proxy's processes (the process CPU clock, all threads,")
	p.line("user and system) in a window, divided by the units of work the clients completed in the same window. Each run starts")
	p.line("origin, proxy and generator anew and warms up; the proxies take turns (A B C, A B C, …), a ratio is formed between")
	p.line("neighbours of one round, and the verdict is the median ratio, with its range. A row whose range exceeds %d %% of the", int(100*noisyAbove))
	p.line("median says that it is noisy; one in which the rounds do not agree on who is ahead says that. All logs are off;")
	p.line("timeouts, backlog and connection limits are the same, and TLS is 1.3 with ECDSA P-256, X25519 and AES-128-GCM for all.")
	p.line("Every answer is checked: status, length, and its bytes (all of a small one, samples of a large one); errors are counted")
	p.line("and shown, and a round of a proxy that had any is not valid: it has no part in a median or ratio. Where a backend is")
	p.line("killed or a proxy reloads, errors are what is measured. As HTTP proxies all keep their connections to the origin, pass")
	p.line("Host on and add X-Forwarded-For, without which the origin refuses a request. A proxy that refuses the configuration a")
	p.line("scenario needs is a row that quotes it.\n")
	p.line("An open loop (http-rate) sends at random times fixed beforehand, the same for every proxy, and counts latency from the")
	p.line("time at which a request was due. How late the generator itself was is shown; if it was late by more than %s with", load.MaxLag)
	p.line("one request in a thousand, or others used more than %.0f %% of the machine, the schedule was not kept and the round is", load.MaxOthers)
	p.line("not valid. The generator does not sleep, so its own cost is no measure there.\n")
	p.line("What this does not show: traffic is loopback, so there is no network card and no interrupt of one, and the kernel")
	p.line("delivers a segment on the sender's time; where the loop is closed, latencies are those of a saturated core and leave")
	p.line("out waiting that an open loop counts; a peak rate is that of proxy and tools together; one core says nothing about")
	p.line("scaling over many. Memory is the proportional resident size of the proxy's processes, without what the kernel keeps for")
	p.line("sockets. The split into user and system time comes from clock ticks and is approximate. System calls are counted by")
	p.line("strace in a run of its own, in which everything is slow: a proxy that does more at a time under load makes fewer.\n")
}

// setting says where, with what and by which command.
func (p *page) setting(r *Report) {
	p.line("## Where and how\n")
	p.line("- Command: `%s`", r.Command)
	p.line("- Date: %s", r.Date.UTC().Format("2006-01-02 15:04 MST"))
	p.line("- Machine: %s", r.Machine)
	p.line("- Harness built with %s", r.Machine.Go)
	var versions []string
	for _, section := range r.Sections {
		for _, s := range section.Series {
			if s.Version != "" {
				versions = append(versions, strings.TrimSpace(fmt.Sprintf("- %s %s %s", s.Proxy, baseName(&s), s.Version)))
			}
		}
	}
	slices.Sort(versions)
	for _, version := range slices.Compact(versions) {
		p.line("%s", strings.ReplaceAll(version, "  ", " "))
	}
}

// baseName marks the second of two sluices.
func baseName(s *Series) string {
	if s.Setting == "base" {
		return s.Setting
	}
	return ""
}
