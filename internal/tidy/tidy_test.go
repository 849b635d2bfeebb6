package tidy

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/fstest"

	"sluice/internal/assert"
)

// TestTree checks the real tree. Every finding says what to do about it and why.
func TestTree(t *testing.T) {
	root := os.DirFS(findRoot(t))
	for _, finding := range Check(root, House()) {
		t.Error(finding)
	}
	m := Measure(root, House())
	sizes := House().Sizes
	t.Logf("%d packages, %d files, %d functions, %d lines, %d %% of them comments (target 15)",
		m.Packages, m.Files, m.Functions, m.Lines, m.CommentShare())
	t.Logf("%d files over %d lines %v", len(m.FilesOverTarget), sizes.FileTarget, m.FilesOverTarget)
	t.Logf("%d functions over %d lines %v", len(m.FunctionsOverTarget), sizes.FunctionTarget, m.FunctionsOverTarget)
}

// findRoot walks up to the folder with go.mod.
func findRoot(t *testing.T) string {
	dir, err := os.Getwd()
	assert.NoError(t, err)
	for {
		if _, err := os.Stat(filepath.Join(dir, "go.mod")); err == nil {
			return dir
		}
		if dir == filepath.Dir(dir) {
			t.Fatal("no go.mod above the test")
		}
		dir = filepath.Dir(dir)
	}
}

// clean is a small house that keeps all rules; each case below plants one violation in it.
func clean() fstest.MapFS {
	return tree2fs(map[string]string{
		"README.md":                 "# A house\n",
		"pool/pool.go":              "// Package pool is a leaf.\npackage pool\n\nimport _ \"golang.org/x/sys/unix\"\n",
		"engine/loop/loop.go":       "// Package loop turns.\npackage loop\n\nimport _ \"sluice/pool\"\n",
		"engine/loop/loop_test.go":  "package loop\n\nimport _ \"sluice/internal/assert\"\n\nfunc f() { go f() }\n",
		"engine/flow/flow.go":       "// Package flow moves.\npackage flow\n\nimport _ \"sluice/engine/loop\"\n",
		"engine/observe/observe.go": "// Package observe watches.\npackage observe\n\nimport _ \"fmt\"\n\nfunc f() { go f() }\n",
	})
}

func tree2fs(files map[string]string) fstest.MapFS {
	tree := fstest.MapFS{}
	for name, text := range files {
		tree[name] = &fstest.MapFile{Data: []byte(text)}
	}
	return tree
}

// house is House without the exceptions, which are for files of the real tree.
func house() Rules {
	rules := House()
	rules.Exceptions = nil
	return rules
}

func TestCleanTreeHasNoFindings(t *testing.T) {
	assert.Equal(t, Check(clean(), house()), nil)
}

func TestPlantedViolationsAreFound(t *testing.T) {
	lines := func(n int, line string) string { return strings.Repeat(line+"\n", n) }
	loop := func(text string) (string, string) { return "engine/loop/bad.go", "package loop\n\n" + text + "\n" }
	in := func(name, text string) func() (string, string) {
		return func() (string, string) { return name, text }
	}
	inLoop := func(text string) func() (string, string) {
		return func() (string, string) { return loop(text) }
	}
	for _, c := range []struct {
		name  string
		plant func() (file, text string)
		want  string // part of the only finding
	}{
		{"upwards", inLoop(`import _ "sluice/engine/flow"`), "engine/loop/bad.go:3: engine/loop must not import engine/flow: rooms import lower rows only"},
		{"sideways", in("pool/bad.go", "package pool\n\nimport _ \"sluice/configs\"\n"), "pool must not import configs: it is a leaf"},
		{"from a test", in("engine/loop/bad_test.go", "package loop\n\nimport _ \"sluice/engine/flow\"\n"), "engine/loop must not import engine/flow"},
		{"helpers in production", inLoop(`import _ "sluice/internal/assert"`), "must not import internal/assert"},
		{"library", in("pool/bad.go", "package pool\n\nimport _ \"github.com/a/b\"\n"), "pool must not import github.com/a/b: each library has its rooms"},
		{"cgo", inLoop(`import "C"`), "cgo is not used"},
		{"unknown room", in("engine/attic/attic.go", "// Package attic is new.\npackage attic\n"), "no arrow of internal/tidy/house.go covers this package"},
		{"room below a room", in("engine/loop/sub/sub.go", "// Package sub is new.\npackage sub\n"), "no arrow of"},

		{"file", inLoop(lines(600, "// x")), "file has 603 lines, limit 600"},
		{"function", inLoop("func f() {\n" + lines(69, "\tf()") + "}"), "engine/loop/bad.go:3: function f has 71 lines, limit 70"},
		{"parameters", inLoop("func f(a, b, c int, d, e string) {}"), "5 parameters, limit 4"},
		{"method of an interface", inLoop("type i interface{ f(a, b, c, d, e int) }"), "5 parameters, limit 4"},

		{"goroutine", inLoop("func f() { go f() }"), "go in a room of the loop: a loop's rooms start no goroutines"},
		{"clock", inLoop("import \"time\"\n\nvar t = time.Now"), "engine/loop/bad.go:5: time.Now in a room of the loop: time is an argument"},
		{"clock by another name", inLoop("import c \"time\"\n\nfunc f() { c.Sleep(1) }"), "time.Sleep in a room of the loop"},
		{"runtime timer", inLoop("import \"time\"\n\nfunc f() { <-time.After(1) }"), "time.After in a room of the loop"},
		{"lock", inLoop("import \"sync\"\n\ntype s struct{ mu sync.Mutex }"), "sync.Mutex in a room of the loop: no locks"},
		{"read lock", inLoop("import \"sync\"\n\ntype s struct{ *sync.RWMutex }"), "sync.RWMutex in a room of the loop"},
		{"formatting", inLoop("import \"fmt\"\n\nvar s = fmt.Sprint(1)"), "engine/loop/bad.go:3: fmt in a room of the loop"},

		{"function without doc", inLoop("func Run() {}"), "Run is exported without a doc comment"},
		{"type without doc", inLoop("type Loop struct{}"), "Loop is exported without a doc comment"},
		{"method without doc", inLoop("// Loop turns.\ntype Loop[T any] struct{}\n\nfunc (l *Loop[T]) Run() {}"), "engine/loop/bad.go:6: Run is exported"},
		{"contract without doc", inLoop("// Poller polls.\ntype Poller interface{ Poll() }"), "Poll is exported without"},
		{"type in a group without doc", inLoop("// Types.\ntype (\n\tLoop int\n)"), "Loop is exported without"},
		{"method its neighbour does not name", inLoop("// P polls.\ntype P interface {\n\t// Add and Delete.\n\tAdd()\n\tDelete()\n\tWake()\n}"), "engine/loop/bad.go:8: Wake is exported"},
		{"constant without doc", inLoop("const (\n\ta = 1\n\tB = 2\n)"), "engine/loop/bad.go:5: B is exported"},
		{"package without comment", in("engine/hello/hello.go", "package hello\n"), "engine/hello: no package comment"},

		{"uncounted allocations", in("engine/loop/bad_test.go", "package loop\n\nimport \"sluice/internal/assert\"\n\nfunc TestFast() { assert.Allocs(nil, 0, nil) }\n"), "TestFast counts allocations: put Alloc into its name"},

		{"intention in code", inLoop("// TO" + "DO: later"), "engine/loop/bad.go:3: TO" + "DO: an intention is not code"},
		{"intention in a text", in("docs/a.md", "one\nFIX"+"ME two\n"), "docs/a.md:2: FIX" + "ME: an intention"},
		{"path of a machine", in("Makefile", "all:\n\tcd /wo"+"rk/main\n"), "Makefile:2: /wo" + "rk/: an absolute path"},
		{"number in a tracker", in("docs/a.md", "see Issue"+" #12\n"), "docs/a.md:1: Issue" + " #12: a number in a tracker"},
		{"broken source", in("docs/a.go", "package\n"), "docs/a.go: docs/a.go:1:9: expected 'IDENT'"},
	} {
		t.Run(c.name, func(t *testing.T) {
			tree := clean()
			name, text := c.plant()
			tree[name] = &fstest.MapFile{Data: []byte(text)}
			findings := Check(tree, house())
			if len(findings) != 1 || !strings.Contains(findings[0].String(), c.want) {
				t.Fatalf("findings:\n%v\nwant one that says\n%s", findings, c.want)
			}
		})
	}
}

func TestLargePackageIsFound(t *testing.T) {
	tree := clean()
	for i := range 8 {
		tree[fmt.Sprintf("engine/loop/f%d.go", i)] = &fstest.MapFile{
			Data: []byte("package loop\n" + strings.Repeat("\n", 398)),
		}
	}
	findings := Check(tree, house())
	assert.Equal(t, len(findings), 1)
	assert.Equal(t, findings[0].String(),
		"engine/loop: package has 3196 lines, limit 3000: a room that large holds two ideas, part them (size)")
}

func TestExceptionsAllowExactlyWhatTheySay(t *testing.T) {
	tree := clean()
	tree["engine/loop/post.go"] = &fstest.MapFile{Data: []byte("package loop\n\nimport \"sync\"\n\nvar a, b sync.Mutex\n\nfunc f() { go f() }\n")}
	rules := house()
	rules.Exceptions = []Exception{
		{File: "engine/loop/post.go", Construct: "sync.Mutex", Reason: "other goroutines come in here"},
		{File: "engine/loop/post.go", Construct: "go"},
		{File: "engine/loop/post.go", Construct: "fmt", Reason: "was needed once"},
		{File: "engine/loop/gone.go", Construct: "go", Reason: "was needed once"},
	}
	var got []string
	for _, finding := range Check(tree, rules) {
		got = append(got, finding.String())
	}
	assert.Equal(t, strings.Join(got, "\n"), strings.Join([]string{
		"engine/loop/gone.go: exception for go is not needed (any more): strike it from the list (loop)",
		"engine/loop/post.go: exception for go gives no reason (loop)",
		"engine/loop/post.go: exception for fmt is not needed (any more): strike it from the list (loop)",
	}, "\n"))
}

func TestWhatIsInOrderIsNotFound(t *testing.T) {
	tree := clean()
	tree[".git/x.md"] = &fstest.MapFile{Data: []byte("TO" + "DO\n")}
	tree["bin/sluice"] = &fstest.MapFile{Data: []byte("TO" + "DO\n")}
	tree["deploy/logo"] = &fstest.MapFile{Data: []byte("\x00TO" + "DO\n")}
	tree["cache/a@v1/go.mod"] = &fstest.MapFile{Data: []byte("module a\n")}
	tree["cache/a@v1/a.go"] = &fstest.MapFile{Data: []byte("package a // TO" + "DO\n")}
	tree["engine/loop/testdata/x.go"] = &fstest.MapFile{Data: []byte("no Go at all\n")}
	tree["engine/loop/inner.go"] = &fstest.MapFile{Data: []byte("package loop\n\ntype inner struct{}\n\nfunc (i *inner) Close() {}\n")}
	tree["docs/ok.md"] = &fstest.MapFile{Data: []byte("http://host/wo" + "rk/ go.dev/issue/1234 TO" + "DOS\n")}
	assert.Equal(t, Check(tree, house()), nil)

	worktree := clean()
	worktree[".git"] = &fstest.MapFile{Data: []byte("gitdir: /wo" + "rk/main/.git/worktrees/x\n")}
	assert.Equal(t, Check(worktree, house()), nil)
}

// A file that cannot be read is no file that is in order.
func TestUnreadableFileIsFound(t *testing.T) {
	findings := Check(unreadable{clean()}, house())
	assert.Equal(t, len(findings), 1)
	assert.Equal(t, findings[0].String(), "README.md: permission denied (read)")
}

// unreadable is a tree whose README cannot be opened.
type unreadable struct{ fstest.MapFS }

func (u unreadable) Open(name string) (fs.File, error) {
	if name == "README.md" {
		return nil, fs.ErrPermission
	}
	return u.MapFS.Open(name)
}

func (u unreadable) ReadFile(name string) ([]byte, error) {
	if name == "README.md" {
		return nil, fs.ErrPermission
	}
	return u.MapFS.ReadFile(name)
}

func TestMeasureCountsWhatMissesTheTarget(t *testing.T) {
	tree := tree2fs(map[string]string{
		"a/long.go":      "// Package a is long.\npackage a\n\nfunc f() {\n" + strings.Repeat("\tf()\n", 39) + "}\n",
		"a/long_test.go": "package a\n" + strings.Repeat("\n", 500),
		"a/longer.go":    "package a\n\n/* two\nlines */\n" + strings.Repeat("\n", 400),
	})
	assert.Equal(t, Measure(tree, house()), Measures{
		Packages: 1, Files: 2, Functions: 1,
		FilesOverTarget:     []string{"a/longer.go"},
		FunctionsOverTarget: []string{"a/long.go:f"},
		Lines:               448, CommentLines: 3,
	})
}

func TestMatch(t *testing.T) {
	for _, c := range []struct {
		pattern, dir string
		want         bool
	}{
		{"a/b", "a/b", true}, {"a/b", "a/b/c", false}, {"a/b/**", "a/b", true}, {"a/b/**", "a/b/c/d", true},
		{"a/b/**", "a/bc", false}, {"**", "anything/at/all", true}, {"a", "ab", false},
	} {
		assert.Equal(t, match(c.pattern, c.dir), c.want)
	}
}
