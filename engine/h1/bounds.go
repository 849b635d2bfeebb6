package h1

import "time"

// Every fixed limit of this room, with its reason; those of single heads and bodies are wire's.

const (
	// maxAnswerHead and maxAnswerFields bound an answer's head: more than any server's default sends, and what the
	// largest buffer holds.
	maxAnswerHead   = 52 << 10
	maxAnswerFields = 1000

	// maxInterims is how many interim answers (1xx) an answer may have before it.
	maxInterims = 16

	// maxWrittenHead is what a head may take when it is written: with answers that wait to leave (pipelineMax), a chunk's
	// size line and small chunks it fits the largest buffer.
	maxWrittenHead = 56 << 10

	// headExtra is what the encoder may add to a head's own bytes: version, framing, connection and Host
	// fields.
	headExtra = 640

	// pipelineMax is how many bytes of answers may wait to leave before the next pipelined request is read.
	pipelineMax = 4 << 10

	// chunkHeadMax holds the size line of any chunk.
	chunkHeadMax = 18

	// idleStreams is how many streams a listener keeps for its next requests on each loop: more than are ever under way
	// at once but in a burst, whose streams are left to the collector.
	idleStreams = 256

	// drainGrace is how long a connection that was accepted just before a drain may take to send its first byte.
	drainGrace = 2 * time.Second
)
