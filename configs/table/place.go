package table

// A place is the typed end of a row: where in the struct S the value goes, and how. Its kind says how a scalar is written.
//
//	scalar.go   One, Maybe       a scalar; a pointer to one
//	            List             scalars; a single one needs no brackets
//	            Defaults         a List with a default; Switchable is one that the word off empties
//	            Words            a List with a default whose words become something else
//	            Present          the word true, without a field
//	            Lines            the path of a file with one scalar a line
//	object.go   Group            a nested object; Optional is one that may be nil, Switched also if it is false
//	            Items, Named     a list of objects; a mapping from names to objects
//	            Fields           a mapping from names of header fields to texts
//
// Places are the reason why reading needs no reflection: a row that names a field of the wrong type does not compile.

import (
	"sluice/configs/reference"
	"sluice/configs/tree"
)

// A Place is where the value of a key goes.
type Place[S any] interface {
	Read(in *Reader, s *S, n *tree.Node) // reports what is wrong; leaves s alone then
	Fill(s *S, def string)               // sets the default; "" for a nested object fills its rows
	Target(s *S) any                     // the pointer to the field
	Shape() reference.Shape              // what may be written, for the reference
}
