package report

import (
	"fmt"
	"slices"
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
	p.line("checked: status, length, and its bytes (all of a small one, samples of a large one); errors are counted and shown.\n")
	p.line("What this does not show: traffic is loopback, so there is no network card and no interrupt of one, and the kernel")
	p.line("delivers a segment on the sender's time; the loop is closed, so latencies are those of a saturated core and leave out")
	p.line("waiting that an open loop would count; one core says nothing about scaling over many. Memory is the proportional")
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
