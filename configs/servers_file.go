package configs

// Files of servers, as in servers: "file:servers.txt". One server a line; what is true of a server in the configuration is true
// of one in here, because a line is read by the same rows:
//
//	10.0.0.1:8080 weight=2 max_connections=100   # the big one
//	unix:/run/app.sock backup

import (
	"fmt"
	"path/filepath"
	"strings"

	"sluice/configs/foreign"
	"sluice/configs/kinds"
	"sluice/configs/literal"
	"sluice/configs/table"
	"sluice/configs/tree"
)

// Limits of a file of servers.
const (
	serversFileMax  = 1_000_000 // bytes
	serversLinesMax = 10_000    // servers
)

// serverWords is how a line becomes a mapping.
var serverWords = tree.Line{First: "address", Flags: []string{"backup"}}

// serverLine is a server whose address is one: places where servers are found do not nest.
var serverLine = &table.Of[Server]{
	At:      func(s *Server) *Position { return &s.At },
	Foreign: foreign.Server,
	Rows:    serverRows(kinds.FixedAddress),
}

// ParseServers reads the text of a file of servers, which has at most 1,000,000 bytes and 10,000 servers. The servers are in the
// order of their lines, At is their place in that file, and what a line does not say has its default: see Server.Inherit. A file
// without servers is valid here. With issues, there are no servers: half a list is none. It is pure; file is the path for
// messages, and relative paths of unix sockets start at its folder.
func ParseServers(text, file string) ([]Server, Issues) {
	if len(text) > serversFileMax {
		return nil, Issues{{File: file, Message: fmt.Sprintf("the file has %d bytes, and %d are allowed", len(text), serversFileMax)}}
	}
	l := &loader{Reader: table.NewReader(tree.NewSource(file, tree.Normal(text)), filepath.Dir(file))}
	var servers []Server
	lines := map[Address]int{}
	for i, line := range l.Lines {
		n := serverWords.Object(i+1, line)
		if n == nil {
			continue
		}
		if len(servers) == serversLinesMax {
			l.Report(n.At, fmt.Sprintf("the file lists more than %d servers", serversLinesMax), "")
		}
		if len(servers) == serversLinesMax || l.Found > tree.FindingsMax {
			break // what follows is as much work, and says no more
		}
		s := l.serverOf(n)
		if first, ok := lines[s.Address]; ok && s.Address != (Address{}) {
			l.Report(n.At, fmt.Sprintf("the server %s is listed twice", s.Address), fmt.Sprintf("it is at line %d too; use weight for a larger share", first))
		}
		lines[s.Address] = n.At.Line
		servers = append(servers, s)
	}
	if l.Found > 0 {
		return nil, l.Failure()
	}
	return servers, nil
}

// serverOf reads a line by the rows of a server.
func (l *loader) serverOf(n *tree.Node) Server {
	var s Server
	for _, p := range n.Pairs {
		if strings.Contains(p.Value.Text, "${") {
			l.Report(p.Value.At, "variables do not stand in a file of servers", "write the value")
			return s
		}
	}
	serverLine.Fill(&s)
	table.ReadObject(l.Reader, serverLine, &s, n)
	s.takeScheme()
	for key, bit := range map[string]settings{"weight": saidWeight, "backup": saidBackup, "max_connections": saidMaxConnections} {
		if l.Written(n.At, key) {
			s.said |= bit
		}
	}
	return s
}

// loadServers reads the file that an entry of an upstream names. Its servers have what the entry says.
func (l *loader) loadServers(entry Server) (found []Server, ok bool) {
	text, err := literal.ReadText(entry.Address.Path, serversFileMax)
	if err != nil {
		l.Blame(entry.At, err)
		return nil, false
	}
	found, issues := ParseServers(text, entry.Address.Path)
	for _, i := range issues {
		l.Add(i)
	}
	for i := range found {
		found[i] = found[i].Inherit(entry)
	}
	return found, len(issues) == 0
}
