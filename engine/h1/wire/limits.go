package wire

// Limits and refusals: how much a message may cost before it is whole, and everything the codec may find wrong with it.
//
// A fault has one row: the reason it gets in a request, and a static text for the log. In an answer every fault is the
// server's, so only the text is used there. Nothing here allocates: a *Bad points into a table.

import "sluice/engine/record"

// Limits bounds one head. All are inclusive.
type Limits struct {
	Head   int // bytes, from the first one received to the empty line's last
	Fields int // field lines, those that are dropped included
	Target int // bytes of a request's target
}

const (
	// maxMethod is above every registered method (UPDATEREDIRECTREF has 17 letters). Longer ones get 501, as RFC 9112,
	// section 3, advises.
	maxMethod = 32

	// maxOptions bounds the members of Connection, because each may name fields to be removed: 32 × 128 comparisons cost
	// less than the head itself did.
	maxOptions = 32

	// maxHost is a domain name's 253 bytes, or an address in brackets, with a port.
	maxHost = 262

	// maxSizeDigits is what 64 bits need; leading zeros count too.
	maxSizeDigits = 16

	// maxExtension bounds the extensions of one chunk in bytes, maxExtensions those of a whole message beyond two for each
	// byte of data: they are checked and thrown away, so nobody may make that a pastime (CVE-2023-39326).
	maxExtension  = 256
	maxExtensions = 16 << 10

	// maxTrailer and maxTrailerFields bound the trailer section, in bytes with line ends and in lines.
	maxTrailer       = 8 << 10
	maxTrailerFields = 32
)

// Bad says why a message was refused. The connection it came on must not be used again: where the next message begins is
// unknown.
type Bad struct {
	Reason record.Reason // with the status to answer
	Detail string        // which rule was broken, for the log; a constant
}

// Error makes a Bad an error.
func (b *Bad) Error() string { return b.Detail }

// fault is what was found wrong; fine is nothing.
type fault uint8

const (
	fine fault = iota

	nulByte
	controlByte
	bareCR
	bareLF

	clientHello
	badMethod
	longMethod
	noVersion
	badVersion
	otherVersion
	oldVersion
	emptyTarget
	longTarget
	badTarget
	fragmentInTarget
	badEscape
	starNotOptions
	badAuthority
	noPort
	userInfo

	noHost
	repeatedHost
	emptyHost
	badHost
	hostDiffers

	foldedLine
	spaceBeforeColon
	emptyName
	badName
	noColon
	tooManyFields
	headTooLong
	tooManyOptions

	repeatedLength
	badLength
	hugeLength
	lengthAndCoding
	repeatedCoding
	otherCoding
	oldCoding
	connectContent
	otherExpectation

	badStatusLine
	badStatus
	impossibleBody

	badChunkSize
	hugeChunk
	badExtension
	longExtension
	manyExtensions
	badChunkEnd
	longTrailer
	manyTrailers

	faultCount
)

// faults is the table of everything that can be wrong.
var faults = [faultCount]Bad{
	nulByte:     {record.BadRequest, "NUL byte"},
	controlByte: {record.BadRequest, "control byte"},
	bareCR:      {record.BadRequest, "CR without LF"},
	bareLF:      {record.BadRequest, "LF without CR"},

	clientHello:      {record.BadRequest, "TLS on a port for plain HTTP"},
	badMethod:        {record.BadRequest, "method is not a token"},
	longMethod:       {record.NotImplemented, "method longer than 32 bytes"},
	noVersion:        {record.BadRequest, "request line without version"},
	badVersion:       {record.BadRequest, "malformed version"},
	otherVersion:     {record.VersionNotSupported, "version other than HTTP/1.0 and HTTP/1.1"},
	oldVersion:       {record.BadRequest, "HTTP/0.9"},
	emptyTarget:      {record.BadRequest, "empty request target"},
	longTarget:       {record.URITooLong, "request target too long"},
	badTarget:        {record.BadRequest, "request target in no valid form"},
	fragmentInTarget: {record.BadRequest, "fragment in request target"},
	badEscape:        {record.BadRequest, "malformed percent escape in path"},
	starNotOptions:   {record.BadRequest, "request target * without OPTIONS"},
	badAuthority:     {record.BadRequest, "malformed authority in request target"},
	noPort:           {record.BadRequest, "CONNECT without port"},
	userInfo:         {record.BadRequest, "user information in request target"},

	noHost:       {record.BadRequest, "no Host"},
	repeatedHost: {record.BadRequest, "Host repeated"},
	emptyHost:    {record.BadRequest, "empty Host"},
	badHost:      {record.BadRequest, "malformed Host"},
	hostDiffers:  {record.BadRequest, "Host differs from request target"},

	foldedLine:       {record.BadRequest, "line begins with white space"},
	spaceBeforeColon: {record.BadRequest, "white space in field name"},
	emptyName:        {record.BadRequest, "empty field name"},
	badName:          {record.BadRequest, "field name is not a token"},
	noColon:          {record.BadRequest, "field line without colon"},
	tooManyFields:    {record.HeaderTooLarge, "too many fields"},
	headTooLong:      {record.HeaderTooLarge, "head too long"},
	tooManyOptions:   {record.BadRequest, "too many members in Connection"},

	repeatedLength:   {record.BadRequest, "Content-Length repeated"},
	badLength:        {record.BadRequest, "malformed Content-Length"},
	hugeLength:       {record.BadRequest, "Content-Length beyond 2^63-1"},
	lengthAndCoding:  {record.BadRequest, "Content-Length with Transfer-Encoding"},
	repeatedCoding:   {record.BadRequest, "Transfer-Encoding repeated"},
	otherCoding:      {record.NotImplemented, "Transfer-Encoding other than chunked"},
	oldCoding:        {record.BadRequest, "Transfer-Encoding in HTTP/1.0"},
	connectContent:   {record.BadRequest, "CONNECT with content"},
	otherExpectation: {record.BadExpectation, "Expect other than 100-continue"},

	badStatusLine: {record.AnswerBad, "malformed status line"},
	badStatus:     {record.AnswerBad, "status is not three digits from 100 on"},

	impossibleBody: {record.AnswerBad, "1xx or 204 that announces a body"},

	badChunkSize:   {record.BadRequest, "malformed chunk size"},
	hugeChunk:      {record.BadRequest, "chunk size too large"},
	badExtension:   {record.BadRequest, "malformed chunk extension"},
	longExtension:  {record.BadRequest, "chunk extension too long"},
	manyExtensions: {record.BadRequest, "too many chunk extensions"},
	badChunkEnd:    {record.BadRequest, "chunk data not followed by CRLF"},
	longTrailer:    {record.HeaderTooLarge, "trailers too long"},
	manyTrailers:   {record.HeaderTooLarge, "too many trailers"},
}

// answerFaults is the same table for answers, where the server is to blame for everything.
var answerFaults = func() (table [faultCount]Bad) {
	for f := range table {
		table[f] = Bad{record.AnswerBad, faults[f].Detail}
		if faults[f].Reason == record.HeaderTooLarge {
			table[f].Reason = record.AnswerTooLarge
		}
	}
	return table
}()

// inRequest is the refusal of a request; nil if all is fine.
func (f fault) inRequest() *Bad {
	if f == fine {
		return nil
	}
	return &faults[f]
}

// inAnswer is the refusal of an answer; nil if all is fine.
func (f fault) inAnswer() *Bad {
	if f == fine {
		return nil
	}
	return &answerFaults[f]
}
