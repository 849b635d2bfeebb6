// Package conv tests the proxy by conversations: scripts of what a client and a server say to each other through a real
// engine on real sockets, byte for byte. One script is one behaviour; testdata has a file for each area of them.
//
//	== a second request uses both connections again
//	client > GET /1 HTTP/1.1
//	       | Host: site.test
//	       |
//	origin < GET /1 HTTP/1.1
//	       | Host: site.test
//	       | %{forwarded}
//	       |
//	origin > HTTP/1.1 204 No Content
//	       |
//	client < HTTP/1.1 204 No Content
//	       |
//	log done 204
//
// The words of the language:
//
//	== TITLE                     begins a script
//	given …                      what the configuration says; see given.go
//	ACTOR > and ACTOR <          it sends, or has to receive, exactly these bytes. Behind "|" and the arrow stands a
//	                             line, which ends with CR LF; behind "+" (or ">+", "<+") bytes that end where they end
//	ACTOR drips TEXT             it sends its bytes one by one, every few milliseconds, until something comes back
//	ACTOR connects [from IP] [for NAME | plain] [narrow]    before it would by its first words, and asks for a name by TLS,
//	                             or speaks none; narrow takes little ahead
//	ACTOR ends, ACTOR resets     sends FIN, with close_notify before it where there is TLS; sends RST
//	ACTOR cuts                   sends FIN alone, which with TLS is no end
//	ACTOR sees end | reset | close       FIN, RST, or either comes next; with TLS, an end has close_notify before it
//	ACTOR sees cut | rest        any bytes, and then RST, or either
//	ACTOR sees alert TEXT        of TLS
//	ACTOR sees page N [later] [close]    an error page of the proxy's own; later if it says Retry-After
//	ACTOR sees nothing           all is quiet, and the connection open; of an origin: nobody has connected
//	proxy drains                 it is told to finish; a client that sees its end knows that it has heard
//	proxy holds N                at most so many buffers and pipes
//	settle                       the proxy has done everything that it can do by now
//	log REASON [STATUS] [KEY=VALUE …]    the record of one exchange; the VALUE * is any
//
// Actors are client, client2 …, which connect when they first speak, and origin, origin2 … (and other, other2 …, at a
// second server): these are connections, accepted in the order in which the script first names them. So a script says
// which connection is used again by the name it has.
//
// What a script does not say must not happen. When it is over, no byte and no connection may be left that it did not
// name, every connection whose end it has not seen must still be open, the log must have exactly its records (and
// without any, nothing but exchanges that are done), no error may have been reported, and every buffer must be back.
//
// In texts, \r \n \t \0 \s \xHH \\ are bytes, and %{…} are what can only be known later; see text.go.
package conv
