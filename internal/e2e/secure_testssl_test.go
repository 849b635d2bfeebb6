package e2e

// What testssl.sh finds: minutes of every client, cipher and attack that it knows.

import (
	"encoding/csv"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"testing"

	"sluice/internal/assert"
)

// tolerated are findings that are not about the proxy: they are about a certificate that only a test has, and about what the server
// behind says. The last is what crypto/tls says of every ticket of TLS 1.3; the keys behind it open for 48 hours at most.
var tolerated = []string{"cert_", "DNS_CAArecord", "OCSP_", "HSTS", "security_headers", "TLS_session_ticket"}

// testssl.sh finds nothing that is worse than fine.
func TestSecureByTestSSL(t *testing.T) {
	if os.Getenv("SLUICE_TESTSSL") == "" {
		t.Skip("testssl.sh takes minutes: set SLUICE_TESTSSL=1 to run it (Debian has it in the package testssl.sh)")
	}
	path := tool(t, "testssl")
	s := opensSafe(t)
	p := s.run(shop, site(t, names("ok")).address, nobody(t))
	report := s.path("report.csv")
	cmd := exec.CommandContext(t.Context(), path, "--color", "0", "--warnings", "off", "--quiet", "--ip", "127.0.0.1", "--csvfile", report,
		"--add-ca", s.path("root.pem"), fmt.Sprintf("a.example.com:%d", p.port(1)))
	cmd.Env = append(os.Environ(), "TERM=dumb")
	out, _ := cmd.CombinedOutput() // its status counts findings
	rows, err := csv.NewReader(strings.NewReader(textOf(t, report))).ReadAll()
	assert.NoError(t, err)
	if len(rows) < 100 {
		t.Fatalf("testssl.sh has not come to its end:\n%s", out)
	}
	for _, row := range rows[1:] {
		switch id, severity, finding := row[0], row[3], row[4]; {
		case severity == "OK" || severity == "INFO" || isTolerated(id):
		default:
			t.Errorf("%s: %s: %s", severity, id, finding)
		}
	}
	t.Logf("%s", out)
}

func isTolerated(id string) bool {
	for _, prefix := range tolerated {
		if strings.HasPrefix(id, prefix) {
			return true
		}
	}
	return false
}
