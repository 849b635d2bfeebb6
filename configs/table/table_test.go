package table

// A toy schema, read from texts: what a table promises, whatever it is a table of.

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"sluice/configs/kinds"
	"sluice/configs/tree"
)

type kettle struct {
	At     tree.Position
	Name   string
	Litres int
	Teas   []string
	Lid    lid
	Stove  *stove
	Cups   []cup
}

type lid struct{ Open bool }

type stove struct {
	At    tree.Position
	Rings int
}

type cup struct{ Count int }

var stoves = &Of[stove]{At: func(s *stove) *tree.Position { return &s.At }, Rows: []Row[stove]{
	{Key: "rings", To: One(kinds.Count.Between("1", "6"), func(s *stove) *int { return &s.Rings }), Default: "4", Only: "http", Apply: NewRequests},
}}

var kettles = &Of[kettle]{
	At: func(k *kettle) *tree.Position { return &k.At },
	Rows: []Row[kettle]{
		{Key: "name", To: One(kinds.Name, func(k *kettle) *string { return &k.Name }), Need: true},
		{Key: "litres", To: One(kinds.Count.Between("1", "9"), func(k *kettle) *int { return &k.Litres }), Default: "2", Apply: Restart},
		{Key: "teas", To: Defaults(kinds.Name, func(k *kettle) *[]string { return &k.Teas }), Default: "green, black", Some: true, Most: 3},
		{Key: "lid", To: Group(&Of[lid]{Rows: []Row[lid]{
			{Key: "open", To: One(kinds.Boolean, func(l *lid) *bool { return &l.Open }), Default: "false", Apply: Restart},
		}}, func(k *kettle) *lid { return &k.Lid })},
		{Key: "stove", To: Switched(stoves, func(k *kettle) **stove { return &k.Stove })},
		{Key: "cups", To: Items(&Of[cup]{Short: "count", Rows: []Row[cup]{
			{Key: "count", To: One(kinds.Count, func(c *cup) *int { return &c.Count })},
		}}, func(k *kettle) *[]cup { return &k.Cups })},
	},
}

// boil reads a kettle and returns it with all that is wrong with it, a line each.
func boil(t *testing.T, text string) (k kettle, in *Reader, wrong string) {
	t.Helper()
	root, faults := tree.Parse(text)
	if len(faults) > 0 {
		t.Fatal(faults)
	}
	in = NewReader(tree.NewSource("kettle.yaml", text), ".")
	kettles.Fill(&k)
	ReadObject(in, kettles, &k, root)
	var lines []string
	for _, i := range in.Failure() {
		lines = append(lines, fmt.Sprintf("%d: %s", i.At.Line, i.Message))
	}
	return k, in, strings.Join(lines, "\n")
}

func TestAbsentKeysHaveTheirDefaults(t *testing.T) {
	t.Parallel()
	k, _, wrong := boil(t, "name: a")
	if k.Litres != 2 || !slices.Equal(k.Teas, []string{"green", "black"}) || k.Stove != nil || wrong != "" {
		t.Errorf("%+v %s", k, wrong)
	}
}

func TestWhatIsWrittenReplacesDefaults(t *testing.T) {
	t.Parallel()
	k, _, wrong := boil(t, "name: a\nteas: mint\nstove: true\nlid: {open: true}\ncups: [3, {count: 4}]")
	if !slices.Equal(k.Teas, []string{"mint"}) || k.Stove == nil || k.Stove.Rings != 4 || !k.Lid.Open || !slices.Equal(k.Cups, []cup{{3}, {4}}) || wrong != "" {
		t.Errorf("%+v %s", k, wrong)
	}
}

func TestMistakesAreToldTogetherAndOnce(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"litres: 10":                           "1: the key \"name\" is missing\n1: 10 is out of range",
		"nam: a":                               "1: unknown key \"nam\"", // and not that name is missing
		"name: a\nlitres: 3\nlitres: x":        "3: duplicate key \"litres\"\n3: \"x\" is not a whole number",
		"name: a\nteas: []":                    "2: teas is empty",
		"name: a\nteas: [a, b, c, d]":          "2: teas has 4 entries, and 3 are allowed",
		"name: a\nlid: [1]\nstove: {rings: 7}": "2: expected a mapping, found a list\n3: 7 is out of range",
	} {
		if _, _, wrong := boil(t, text); wrong != want {
			t.Errorf("%q:\n%s\nwant\n%s", text, wrong, want)
		}
	}
}

// A key that is written again does not change what was read, and who wants to is told of it.
func TestSecondValueIsSetAside(t *testing.T) {
	t.Parallel()
	text := "name: a\nlitres: 3\nlitres: 4"
	root, _ := tree.Parse(text)
	in := NewReader(tree.NewSource("kettle.yaml", text), ".")
	var k, aside kettle
	in.Aside = func(object any) { aside = *object.(*kettle) }
	ReadObject(in, kettles, &k, root)
	if k.Litres != 3 || aside.Litres != 4 {
		t.Errorf("%d litres, and %d aside", k.Litres, aside.Litres)
	}
}

func TestReaderKnowsWhereThingsAre(t *testing.T) {
	t.Parallel()
	k, in, _ := boil(t, "name: a\nteas:\n  - mint\n  - sage\nstove:\n  rings: 2\ncups: [x]")
	if at := in.At(k.At, "teas", 1); at.Line != 4 {
		t.Errorf("sage is at %v", at)
	}
	if at := in.At(k.At, "litres", 0); at != k.At || in.Written(k.At, "litres") {
		t.Errorf("litres, which nobody wrote, are at %v", at)
	}
	if only := in.OnlyFor("http", k.At, kettles.Describe()); len(only) != 1 || only[0].Key != "rings" || only[0].At.Line != 6 {
		t.Errorf("only for http: %v", only)
	}
	if cup := in.At(k.At, "cups", 0); !in.Broken(cup) || in.Broken(k.Stove.At) {
		t.Error("the cup is broken, and the stove is not")
	}
}

func TestFixedNamesWholeKeys(t *testing.T) {
	t.Parallel()
	a, _, _ := boil(t, "name: a")
	b, _, _ := boil(t, "\n\nname: b\nlitres: 3\nlid: {open: true}\nteas: [x]")
	if got := kettles.Fixed(&a, &b); !slices.Equal(got, []string{"litres", "lid.open"}) {
		t.Errorf("%q", got)
	}
}
