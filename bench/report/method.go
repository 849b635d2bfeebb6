package report

import (
	"fmt"
	"slices"

	"sluice/bench/load"
)

// method is the paragraph on how it was measured and what that cannot show.
func (p *page) method(r *Report) {
	p.line("## Method and limits\n")
	pinning := "The proxy runs alone on one core as one worker, thread or loop; stub origin and load generator share another."
	if !r.Machine.Pinned {
		pinning = "**This machine offers one core only: nothing was pinned, and proxy and tools disturbed each other.**"
	}
	p.line("%s", pinning)
	p.line("Each number is the processor time the kernel charges to the proxy's processes (the process CPU clock, all threads,")
	p.line("user and system) in a window, divided by the units of work the clients completed in the same window. Each run starts")
	p.line("origin, proxy and generator anew and warms up; the proxies take turns (A B C, A B C, …), a ratio is formed between")
	p.line("neighbours of one round, and the verdict is the median ratio, with its range. A row whose range exceeds %d %% of the", int(100*noisyAbove))
	p.line("median says that it is noisy. All logs are off; timeouts, backlog and connection limits are the same. Every answer is")
	p.line("checked: status, length, and its bytes (all of a small one, samples of a large one); errors are counted and shown, and")
	p.line("a round of a proxy that had any is not valid: it has no part in a median or ratio. As HTTP proxies all keep their")
	p.line("connections to the origin, pass Host on and add X-Forwarded-For, without which the origin refuses a request.\n")
	p.line("An open loop (http-rate) sends at random times fixed beforehand, the same for every proxy, and counts latency from the")
	p.line("time at which a request was due. How late the generator itself was is shown; if it was late by more than %s with", load.MaxLag)
	p.line("one request in a thousand, or others used more than %.0f %% of the machine, the schedule was not kept and the round is", load.MaxOthers)
	p.line("not valid. The generator does not sleep, so its own cost is no measure there.\n")
	p.line("What this does not show: traffic is loopback, so there is no network card and no interrupt of one, and the kernel")
	p.line("delivers a segment on the sender's time; where the loop is closed, latencies are those of a saturated core and leave")
	p.line("out waiting that an open loop counts; a peak rate is that of proxy and tools together; one core says nothing about scaling over many. Memory is the proportional")
	p.line("resident size of the proxy's processes, without what the kernel keeps for sockets. The split into user and system time")
	p.line("comes from clock ticks and is approximate.\n")
}

// setting says where, with what and by which command.
func (p *page) setting(r *Report) {
	p.line("## Where and how\n")
	p.line("- Command: `%s`", r.Command)
	p.line("- Date: %s", r.Date.UTC().Format("2006-01-02 15:04 MST"))
	p.line("- Machine: %s, %d cores, %s", r.Machine.CPU, r.Machine.Cores, r.Machine.Kernel)
	p.line("- Harness built with %s", r.Machine.Go)
	var versions []string
	for _, section := range r.Sections {
		for _, s := range section.Series {
			if s.Version != "" {
				versions = append(versions, fmt.Sprintf("- %s %s", s.Proxy, s.Version))
			}
		}
	}
	slices.Sort(versions)
	for _, version := range slices.Compact(versions) {
		p.line("%s", version)
	}
}
