package observe

// Certificates: which are shown, and how long they are good for.

import (
	"strconv"
	"time"

	"sluice/engine/stat"
)

// TLS is what can be seen of the TLS of a proxy.
type TLS struct {
	UnderWay    int           `json:"handshakes_under_way"` // with clients and servers
	Waiting     int           `json:"handshakes_waiting"`   // steps of them that wait for a worker
	Credentials []Credentials `json:"credentials"`
}

// Credentials are the files of one listener, which it shows to clients, or of one upstream, which are shown to its servers.
type Credentials struct {
	Listener     string        `json:"listener,omitempty"`
	Upstream     string        `json:"upstream,omitempty"`
	Refused      int           `json:"refused_files"` // that are broken: their last good content is used
	Certificates []Certificate `json:"certificates"`
}

// Certificate is what can be seen of a certificate in use.
type Certificate struct {
	File        string    `json:"file"`
	Names       []string  `json:"names"`
	Key         string    `json:"key"` // for example "ECDSA P-256"
	Issuer      string    `json:"issuer"`
	Fingerprint string    `json:"fingerprint"` // SHA-256, in hexadecimal
	NotBefore   time.Time `json:"not_before"`
	NotAfter    time.Time `json:"not_after"`
}

// labels are the owner's.
func (c *Credentials) labels() string {
	return label("listener", c.Listener) + "," + label("upstream", c.Upstream)
}

// name is the certificate's first, for people.
func (c *Certificate) name() string {
	if len(c.Names) == 0 {
		return ""
	}
	return c.Names[0]
}

var credentialsFamilies = []family[Credentials]{
	{"sluice_certificate_files_refused", stat.Gauge, "Files of certificates, keys and authorities that are broken now: their last good content is used.", func(c *Credentials) float64 { return float64(c.Refused) }},
}

var certificateFamilies = []family[Certificate]{
	{"sluice_certificate_not_before_seconds", stat.Gauge, "From when a certificate is good, in seconds since the epoch.", func(c *Certificate) float64 { return seconds(c.NotBefore) }},
	{"sluice_certificate_not_after_seconds", stat.Gauge, "Until when a certificate is good, in seconds since the epoch.", func(c *Certificate) float64 { return seconds(c.NotAfter) }},
}

// tls adds handshakes and certificates. Files and names come from the configuration and from what it names, so their number is
// bounded by it.
func (e *exposition) tls(t TLS) {
	e.family("sluice_tls_handshakes_under_way", stat.Gauge, "TLS handshakes that have begun and not ended, with clients and servers.")
	e.count("sluice_tls_handshakes_under_way", "", uint64(t.UnderWay))
	e.family("sluice_tls_handshakes_waiting", stat.Gauge, "Steps of TLS handshakes that wait for a worker.")
	e.count("sluice_tls_handshakes_waiting", "", uint64(t.Waiting))
	owners := labelled(t.Credentials, (*Credentials).labels)
	emit(e, credentialsFamilies, owners)
	var all []series[Certificate]
	for _, owner := range owners {
		for i := range owner.of.Certificates {
			c := &owner.of.Certificates[i]
			all = append(all, series[Certificate]{c, owner.labels + "," + label("certificate", strconv.Itoa(i+1)) + "," + label("file", c.File) + "," + label("name", c.name())})
		}
	}
	emit(e, certificateFamilies, all)
}
