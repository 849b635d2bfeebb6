package hello

// Status is what a prefix of a connection turned out to be.
type Status uint8

// The verdicts of Parse. All but Partial are final.
const (
	Partial  Status = iota // a hello so far; more bytes are needed
	Complete               // a whole hello
	NotTLS                 // certainly not TLS: another protocol, possibly one this listener serves too
	Bad                    // TLS by its first bytes, but broken
	TooBig                 // beyond MaxHello or MaxWire
)

var statusTokens = [...]string{"partial", "complete", "not_tls", "bad", "too_big"}

// String returns the status' token.
func (s Status) String() string {
	if int(s) < len(statusTokens) {
		return statusTokens[s]
	}
	return "invalid"
}

// Reason is why a hello was refused: an enum for counters, with a token for the log.
type Reason uint8

// The reasons, in the order the parser meets them.
const (
	ReasonNone           Reason = iota
	ReasonNotHandshake          // the first record is no handshake record
	ReasonRecordLength          // a record of 0 or more than 16,384 bytes
	ReasonInterleaved           // another content type between the hello's fragments
	ReasonNotClientHello        // a handshake message of another type
	ReasonHelloSize             // a message beyond MaxHello
	ReasonWireSize              // records beyond MaxWire
	ReasonTrailing              // handshake data after the hello in its record
	ReasonMalformed             // fields or extensions do not fill their message exactly
	ReasonDuplicate             // an extension twice
	ReasonServerNameList        // server_name: broken list
	ReasonSeveralNames          // server_name: more than one host_name
	ReasonServerName            // server_name: not a host name
	ReasonALPN                  // ALPN: broken or empty list
	ReasonVersions              // supported_versions: broken or empty list
	reasonCount
)

var reasonTokens = [reasonCount]string{
	ReasonNone:           "none",
	ReasonNotHandshake:   "not_tls",
	ReasonRecordLength:   "record_length",
	ReasonInterleaved:    "interleaved_record",
	ReasonNotClientHello: "not_client_hello",
	ReasonHelloSize:      "hello_too_big",
	ReasonWireSize:       "too_many_records",
	ReasonTrailing:       "data_after_hello",
	ReasonMalformed:      "malformed_hello",
	ReasonDuplicate:      "duplicate_extension",
	ReasonServerNameList: "malformed_server_name_list",
	ReasonSeveralNames:   "several_server_names",
	ReasonServerName:     "invalid_server_name",
	ReasonALPN:           "malformed_alpn",
	ReasonVersions:       "malformed_versions",
}

// String returns the reason's token, as it appears in logs and metrics.
func (r Reason) String() string {
	if r < reasonCount {
		return reasonTokens[r]
	}
	return "invalid"
}

// status is the verdict a reason leads to; without one the parser simply waits.
func (r Reason) status() Status {
	switch r {
	case ReasonNone:
		return Partial
	case ReasonNotHandshake:
		return NotTLS
	case ReasonHelloSize, ReasonWireSize:
		return TooBig
	}
	return Bad
}
