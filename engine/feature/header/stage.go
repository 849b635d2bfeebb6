package header

import (
	"sluice/engine/exchange"
	"sluice/engine/flow"
)

type responseStage struct{ edits *edits }

// Join implements exchange.Stage. The body is none of its business.
func (s *responseStage) Join(x *exchange.Exchange, src flow.Source) flow.Source {
	s.edits.apply(x, &x.Response)
	return src
}
