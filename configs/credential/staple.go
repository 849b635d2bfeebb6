package credential

// OCSP responses (RFC 6960, section 4.2), as far as they must be understood to staple one: for which certificate, how it is, and
// until when. Whether the CA has signed it is for clients to check; they do.

import (
	"bytes"
	"crypto/x509/pkix"
	"encoding/asn1"
	"math/big"
	"time"
)

// A Staple is what an OCSP response says about one certificate, which is good.
type Staple struct {
	Serial     *big.Int
	ThisUpdate time.Time
	NextUpdate time.Time // zero = newer information is always there
}

type ocspResponse struct {
	Status asn1.Enumerated
	Bytes  struct {
		Type     asn1.ObjectIdentifier
		Response []byte
	} `asn1:"explicit,tag:0,optional"`
}

type ocspBasic struct {
	Data struct {
		Version    int           `asn1:"optional,default:0,explicit,tag:0"`
		Responder  asn1.RawValue // a choice of two
		ProducedAt time.Time     `asn1:"generalized"`
		Responses  []ocspSingle
		Extensions []pkix.Extension `asn1:"explicit,tag:1,optional"`
	}
	Algorithm    pkix.AlgorithmIdentifier
	Signature    asn1.BitString
	Certificates []asn1.RawValue `asn1:"explicit,tag:0,optional"`
}

type ocspSingle struct {
	ID struct {
		Hash              pkix.AlgorithmIdentifier
		NameHash, KeyHash []byte
		Serial            *big.Int
	}
	Status     asn1.RawValue    // tag 0 good, 1 revoked, 2 unknown
	ThisUpdate time.Time        `asn1:"generalized"`
	NextUpdate time.Time        `asn1:"generalized,explicit,tag:0,optional"`
	Extensions []pkix.Extension `asn1:"explicit,tag:1,optional"`
}

// ocspBasicType is id-pkix-ocsp-basic, the only type there is.
var ocspBasicType = asn1.ObjectIdentifier{1, 3, 6, 1, 5, 5, 7, 48, 1, 1}

// ocspTags are the states of a certificate by their tags.
var ocspTags = []string{"good", "revoked", "unknown"}

// Staples reads an OCSP response in DER. It speaks of at least one certificate, and all of them are good, or there is an error.
func Staples(der []byte) ([]Staple, error) {
	const remedy = "fetch one with: openssl ocsp -issuer issuer.pem -cert site.pem -url URL -respout staple.der"
	if bytes.Contains(der, []byte(begin)) {
		return nil, bad(remedy, "is PEM, and an OCSP response is expected in DER form")
	}
	var response ocspResponse
	if rest, err := asn1.Unmarshal(der, &response); err != nil || len(rest) > 0 {
		return nil, bad(remedy, "is not an OCSP response")
	}
	if response.Status != 0 || !response.Bytes.Type.Equal(ocspBasicType) {
		return nil, bad(remedy, "is an OCSP response that says nothing about a certificate: its status is %d", response.Status)
	}
	var basic ocspBasic
	if rest, err := asn1.Unmarshal(response.Bytes.Response, &basic); err != nil || len(rest) > 0 || len(basic.Data.Responses) == 0 {
		return nil, bad(remedy, "is not an OCSP response")
	}
	var staples []Staple
	for _, s := range basic.Data.Responses {
		if tag := s.Status.Tag; tag != 0 {
			return nil, bad("clients that see it refuse to connect", "says that the certificate with the serial number %x is %s", s.ID.Serial, ocspTags[min(tag, 2)])
		}
		staples = append(staples, Staple{Serial: s.ID.Serial, ThisUpdate: s.ThisUpdate, NextUpdate: s.NextUpdate})
	}
	return staples, nil
}
