package main

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"sluice/configs"
)

// What the file says, what the name server says and what the disk says comes in one list, in the order of the file.
func TestEverythingThatIsWrongIsSaidAtOnce(t *testing.T) {
	path := filepath.Join(t.TempDir(), "sluice.yaml")
	text := `listeners:
  web: {bind: ":80", protcol: http, upstream: app}
upstreams:
  app:
    servers: ["no-such-server.invalid:80", "10.0.0.256:80", "nor-this-one.invalid:80"]
    balance: roundrobin
log: {access: {to: no/such/folder/access.log}}
`
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	for verb, run := range map[string]func() error{"check": (&checkCmd{Config: path}).Run, "run": (&runCmd{Config: path}).Run} {
		err := run()
		if err == nil {
			t.Fatalf("%s: no error", verb)
		}
		var got []string
		for _, line := range regexp.MustCompile(`sluice\.yaml:(\d+:\d+: .*)`).FindAllStringSubmatch(err.Error(), -1) {
			got = append(got, line[1])
		}
		want := []string{
			`2:22: unknown key "protcol"`,
			`5:15: the name no-such-server.invalid does not resolve: `,
			`5:44: "10.0.0.256" is not an IP address`,
			`5:61: the name nor-this-one.invalid does not resolve: `,
			`6:14: "roundrobin" is not round_robin, `,
			`7:15: access log: `,
		}
		for i := range want {
			if i >= len(got) || len(got) != len(want) || !strings.HasPrefix(got[i], want[i]) {
				t.Fatalf("%s: got\n%s\nwant\n%s", verb, strings.Join(got, "\n"), strings.Join(want, "\n"))
			}
		}
	}
}

// A file without mistakes is not looked at twice.
func TestAValidFileIsNotLookedAt(t *testing.T) {
	path := filepath.Join(t.TempDir(), "sluice.yaml")
	text := "listeners: {web: {bind: \":80\", upstream: app}}\nupstreams: {app: {servers: \"no-such-server.invalid:80\"}}\n"
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	_, err := configs.Load(path, func(*configs.Config) configs.Issues {
		t.Error("looked at")
		return nil
	})
	if err != nil {
		t.Error(err)
	}
}
