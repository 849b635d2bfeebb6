package main

// What a running proxy is doing, on one screen.

import (
	"bytes"
	"cmp"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"os"
	"slices"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"
	"unicode"

	"sluice/engine/observe"
)

type statusCmd struct {
	Config string `short:"c" default:"./sluice.yaml" help:"The configuration file of the proxy." placeholder:"FILE"`
	JSON   bool   `name:"json" help:"Print everything as JSON."`
}

// Run prints the state of the proxy that runs the file. It fails if there is none.
func (v *statusCmd) Run() error {
	text, err := v.text()
	if err != nil {
		return err
	}
	_, err = os.Stdout.Write(text)
	return err
}

func (v *statusCmd) text() ([]byte, error) {
	client, err := observe.Dial(v.Config)
	if err != nil {
		return nil, err
	}
	if v.JSON {
		return client.Ask(http.MethodGet, "/api/status", nil)
	}
	s, err := client.Status()
	if err != nil {
		return nil, err
	}
	var text bytes.Buffer
	printStatus(&text, &s)
	return text.Bytes(), nil
}

// printStatus writes the screen. It says when things happened by the proxy's own clock.
func printStatus(w io.Writer, s *observe.Status) {
	fmt.Fprintf(w, "sluice %s   %s for %s   pid %d   %s\n", printable(s.Version), printable(s.State), age(s.Time.Sub(s.Started)), s.PID, count(s.Loops, "loop"))
	printConfig(w, s)
	totals := table(w)
	fmt.Fprintf(totals, "connections\t%d open   %d accepted   %d refused\n", s.Connections.Active, s.Connections.Accepted, s.Connections.Refused)
	fmt.Fprintf(totals, "requests\t%d running   %d begun   %d bad\n", s.Requests.Active, s.Requests.Total, s.Requests.Bad)
	fmt.Fprintf(totals, "answers\t%s\n", pairs(slices.Sorted(maps.Keys(s.Requests.Answers)), s.Requests.Answers))
	fmt.Fprintf(totals, "bytes\t%s to servers   %s to clients\n", bytesOf(s.Bytes.Up), bytesOf(s.Bytes.Down))
	ended := make(map[string]uint64)
	for _, counts := range []map[string]uint64{s.Ended.Connections, s.Ended.Exchanges} {
		for reason, n := range counts {
			ended[reason] += n
		}
	}
	fmt.Fprintf(totals, "ended\t%s\n", pairs(most(ended), ended))
	_ = totals.Flush()
	if len(s.Listeners) > 0 {
		printListeners(w, s.Listeners)
	}
	printCertificates(w, s)
	for i := range s.Upstreams {
		printUpstream(w, &s.Upstreams[i], s.Time)
	}
}

// printCertificates shows what is shown to others, and how long that will do.
func printCertificates(w io.Writer, s *observe.Status) {
	if len(s.TLS.Credentials) == 0 {
		return
	}
	fmt.Fprintln(w)
	t := table(w)
	fmt.Fprintln(t, "CERTIFICATE\tOF\tKEY\tGOOD FOR\tFILE")
	for _, owner := range s.TLS.Credentials {
		of := "listener " + owner.Listener
		if owner.Upstream != "" {
			of = "upstream " + owner.Upstream
		}
		for _, c := range owner.Certificates {
			fmt.Fprintf(t, "%s\t%s\t%s\t%s\t%s\n", orDash(printable(strings.Join(c.Names, " "))), printable(of), c.Key, left(c.NotAfter, s.Time), printable(c.File))
		}
		if owner.Refused > 0 {
			fmt.Fprintf(t, "(%d broken files are refused, see the log)\t%s\t\t\t\n", owner.Refused, printable(of))
		}
	}
	_ = t.Flush()
}

// left is the time until a certificate expires.
func left(end, now time.Time) string {
	if !now.Before(end) {
		return "EXPIRED"
	}
	return age(end.Sub(now))
}

// printConfig says which configuration runs, and whether it is that of the file.
func printConfig(w io.Writer, s *observe.Status) {
	c := &s.Config
	if c.Generation == 0 { // it is not told
		fmt.Fprintln(w)
		return
	}
	fmt.Fprintf(w, "configuration %d   for %s   %s", c.Generation, age(s.Time.Sub(c.Since)), count(int(c.Reloads), "reload"))
	if c.Refused > 0 {
		fmt.Fprintf(w, "   %d refused", c.Refused)
	}
	fmt.Fprintln(w)
	if len(c.Fixed) > 0 {
		fmt.Fprintf(w, "  a restart is needed for %s\n", printable(strings.Join(c.Fixed, ", ")))
	}
	if c.Refusal != nil {
		fmt.Fprintf(w, "  the last reload, %s ago, was refused:\n", age(s.Time.Sub(c.Refusal.At)))
		for line := range strings.Lines(c.Refusal.Why) {
			fmt.Fprintf(w, "    %s\n", printable(strings.TrimSuffix(line, "\n")))
		}
	}
	fmt.Fprintln(w)
}

func printListeners(w io.Writer, all []observe.Listener) {
	fmt.Fprintln(w)
	t := table(w)
	fmt.Fprintln(t, "LISTENER\tPROTOCOL\tOPEN\tADDRESSES")
	for _, l := range all {
		fmt.Fprintf(t, "%s\t%s\t%s\t%s\n", printable(l.Name), printable(l.Protocol), of(l.Active, l.Max), printable(strings.Join(l.Addresses, " ")))
	}
	_ = t.Flush()
}

func printUpstream(w io.Writer, u *observe.Upstream, now time.Time) {
	fmt.Fprintf(w, "\nUPSTREAM %s   %s   in use %s", printable(u.Name), printable(u.Policy), of(u.InUse, u.Max))
	if u.QueueSize > 0 {
		fmt.Fprintf(w, "   waiting %s   queue full %d   waited in vain %d", of(u.Waiting, u.QueueSize), u.QueueFull, u.QueueTimeouts)
	}
	if u.Retries > 0 || u.RetriesRefused > 0 {
		fmt.Fprintf(w, "   retries %d   refused %d", u.Retries, u.RetriesRefused)
	}
	if u.Panic {
		fmt.Fprint(w, "   PANIC: too few servers are usable, so all are used")
	}
	fmt.Fprintln(w)
	if len(u.Servers) == 0 {
		fmt.Fprintln(w, "no servers")
		return
	}
	t := table(w)
	fmt.Fprintln(t, "SERVER\tSTATE\tSINCE\tIN USE\tIDLE\tWEIGHT\tPICKS\tFAILED\tLATENCY\tLAST CHECK\tCAUSE")
	for i := range u.Servers {
		s := &u.Servers[i]
		fmt.Fprintf(t, "%s\t%s\t%s\t%s\t%d\t%s\t%d\t%d\t%s\t%s\t%s\n", serverName(s), printable(s.State), since(s.Since, now), of(s.InUse, s.Max),
			s.Idle, weight(s), s.Picks, s.Failures, latency(s.Latency), lastCheck(s.Check, now), orDash(printable(cause(s))))
	}
	_ = t.Flush()
}

func table(w io.Writer) *tabwriter.Writer { return tabwriter.NewWriter(w, 0, 0, 2, ' ', 0) }

// serverName is what the user wrote, and where that leads if it says something else.
func serverName(s *observe.Server) string {
	host, _, err := net.SplitHostPort(s.Address)
	if err != nil {
		host = s.Address
	}
	if strings.Contains(s.Name, host) {
		return printable(s.Name)
	}
	return printable(s.Name + " → " + s.Address)
}

func weight(s *observe.Server) string {
	text := strconv.Itoa(s.Weight)
	const all = 1000
	if s.SlowStart < all && s.State == observe.ServerUp {
		text += fmt.Sprintf(" at %d %%", s.SlowStart/10)
	}
	if s.Backup {
		text += " backup"
	}
	return text
}

func lastCheck(c *observe.Checked, now time.Time) string {
	if c == nil {
		return "–"
	}
	result := "failed"
	if c.OK {
		result = "ok"
	}
	return fmt.Sprintf("%s %s ago in %s", result, age(now.Sub(c.At)), latency(c.Took))
}

// cause is why a server is in its state, or what its last check had to complain about.
func cause(s *observe.Server) string {
	if s.Cause == "" && s.Check != nil && !s.Check.OK {
		return "check: " + s.Check.Detail
	}
	return s.Cause
}

// of is a number and its limit, where there is one.
func of(n, limit int) string {
	if limit == 0 {
		return strconv.Itoa(n)
	}
	return fmt.Sprintf("%d/%d", n, limit)
}

func since(t, now time.Time) string {
	if t.IsZero() {
		return "–"
	}
	return age(now.Sub(t))
}

// age is a duration in its two largest units.
func age(d time.Duration) string {
	const day = 24 * time.Hour
	switch d = max(d, 0); {
	case d < time.Minute:
		return fmt.Sprintf("%ds", d/time.Second)
	case d < time.Hour:
		return fmt.Sprintf("%dm%ds", d/time.Minute, d%time.Minute/time.Second)
	case d < day:
		return fmt.Sprintf("%dh%dm", d/time.Hour, d%time.Hour/time.Minute)
	}
	return fmt.Sprintf("%dd%dh", d/day, d%day/time.Hour)
}

// latency is a duration to three digits or so.
func latency(d time.Duration) string {
	switch {
	case d == 0:
		return "–"
	case d < 10*time.Millisecond:
		return d.Round(10 * time.Microsecond).String()
	case d < time.Second:
		return d.Round(time.Millisecond).String()
	}
	return d.Round(10 * time.Millisecond).String()
}

func bytesOf(n uint64) string {
	const unit = 1024
	if n < unit {
		return fmt.Sprintf("%d B", n)
	}
	value, names := float64(n)/unit, []string{"KiB", "MiB", "GiB", "TiB", "PiB", "EiB"}
	i := 0
	for ; value >= unit && i < len(names)-1; i++ {
		value /= unit
	}
	return fmt.Sprintf("%.1f %s", value, names[i])
}

// most are the names of the largest counts, few enough for a line.
func most(counts map[string]uint64) []string {
	const room = 6
	names := slices.SortedFunc(maps.Keys(counts), func(a, b string) int {
		return cmp.Or(cmp.Compare(counts[b], counts[a]), cmp.Compare(a, b))
	})
	return names[:min(len(names), room)]
}

func pairs(names []string, counts map[string]uint64) string {
	var all []string
	for _, name := range names {
		all = append(all, fmt.Sprintf("%s %d", printable(name), counts[name]))
	}
	return orDash(strings.Join(all, "   "))
}

func orDash(text string) string {
	if text == "" {
		return "–"
	}
	return text
}

// printable keeps what a server or a name server said from touching the terminal.
func printable(text string) string {
	return strings.Map(func(r rune) rune {
		if !unicode.IsPrint(r) {
			return '\uFFFD'
		}
		return r
	}, text)
}
