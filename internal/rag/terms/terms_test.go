package terms

import (
	"database/sql"
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	_ "modernc.org/sqlite" // to compare with
)

func TestQuestion_LeavesOutWhatAsks(t *testing.T) {
	t.Parallel()
	tests := map[string][]string{
		"What is the and of it?":               nil,
		"":                                     nil,
		"?!":                                   nil,
		"How many bridges connect the islands": {"bridges", "connect", "islands"},
		"Bridges, bridge; BRIDGE":              {"bridges"},
		"Who's the leader's deputy?":           {"leader", "deputy"},
		"Ångström Müller café":                 {"angstrom", "muller", "cafe"},
		"version 2.0 of x86_64":                {"version", "2", "0", "x86", "64"},
		"机器学习是什么":                              {"机 器", "器 学", "学 习", "习 是", "是 什", "什 么"},
		"Go语言":                                 {"go", "语 言"},
		"茶":                                    {"茶"},
	}
	for question, want := range tests {
		t.Run(question, func(t *testing.T) {
			t.Parallel()
			var got []string
			for _, term := range Question(question) {
				got = append(got, term.Match)
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("terms of %q (-want +got):\n%s", question, diff)
			}
		})
	}
}

func TestMatcher_MarksWordsInAllTheirForms(t *testing.T) {
	t.Parallel()
	words := Question("connecting bridges, cafés and 机器")
	m := NewMatcher(words)
	tests := map[string][]bool{
		"":                                    {false, false, false, false},
		"A bridge connects them.":             {true, true, false, false},
		"THE CAFE IS CONNECTED":               {true, false, true, false},
		"这台机器":                                {false, false, false, true},
		"abridged disconnection of a machine": {false, false, false, false},
	}
	for text, want := range tests {
		got := make([]bool, len(words))
		m.Mark(text, got)
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("words in %q (-want +got):\n%s", text, diff)
		}
	}
}

func TestSegment_SeparatesUnspacedCharacters(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{"plain  text": "plain  text", "Go语言 fun": "Go 语 言 fun", "カタ": "カ タ", "": ""} {
		if got := Segment(text); got != want {
			t.Errorf("Segment(%q) = %q, want %q", text, got, want)
		}
	}
}

// The index and this package must agree on what a word's stem is, or a passage would be found and then thought not to
// hold the word. They are compared on every word of a real text.
func TestStem_AgreesWithTheIndex(t *testing.T) {
	t.Parallel()
	db, err := sql.Open("sqlite", ":memory:")
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	db.SetMaxOpenConns(1)
	text, err := os.ReadFile("../../../examples/documents/LICENSE.debian-history.txt")
	if err != nil {
		t.Fatal(err)
	}
	manual, err := os.ReadFile("../../../examples/documents/puzzles.html")
	if err != nil {
		t.Fatal(err)
	}
	extra := " caresses ponies ties cats feed agreed plastered bled motoring sing conflated troubled sized hopping falling hissing fizzed failing filing happy sky relational conditional rational valenci digitizer radically differently vilely operator feudalism decisiveness hopefulness callousness formality sensitivity sensibility triplicate formative formalize electricity electrical hopeful goodness revival allowance inference airliner gyroscopic adjustable defensible irritant replacement adjustment dependent adoption communism activate homologous effective bowdlerize probate rate cease controlling rolling by dying Müller's ÅNGSTRÖM"
	seen := make(map[string]bool)
	words(string(text)+string(manual)+extra, func(word string, _ bool) { seen[word] = true })
	if _, err := db.Exec("CREATE VIRTUAL TABLE x USING fts5 (w, tokenize = 'porter unicode61 remove_diacritics 2'); CREATE VIRTUAL TABLE v USING fts5vocab (x, instance)"); err != nil {
		t.Fatal(err)
	}
	tx, err := db.Begin()
	if err != nil {
		t.Fatal(err)
	}
	var all []string
	for word := range seen {
		all = append(all, word)
		if _, err := tx.Exec("INSERT INTO x (rowid, w) VALUES (?, ?)", len(all), word); err != nil {
			t.Fatal(err)
		}
	}
	if err := tx.Commit(); err != nil {
		t.Fatal(err)
	}
	rows, err := db.Query("SELECT doc, group_concat(term) FROM v GROUP BY doc")
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	compared := 0
	for ; rows.Next(); compared++ {
		var n int
		var want string
		if err := rows.Scan(&n, &want); err != nil {
			t.Fatal(err)
		}
		if got := stem(all[n-1]); got != want {
			t.Errorf("stem(%q) = %q, the index has %q", all[n-1], got, want)
		}
	}
	if rows.Err() != nil || compared != len(all) {
		t.Errorf("%d of %d words compared: %v", compared, len(all), rows.Err())
	}
}

func FuzzQuestion(f *testing.F) {
	for _, seed := range []string{"", "How many bridges?", "机器学习 and Go", "\xff\xfe", "a\u0301\u0301", strings.Repeat("ing", 40)} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, question string) {
		words := Question(question)
		found := make([]bool, len(words))
		NewMatcher(words).Mark(question, found)
		for i, w := range words {
			if w.Match == "" || w.Stem == "" || !found[i] {
				t.Errorf("%q: term %+v, found %v", question, w, found[i])
			}
		}
	})
}
