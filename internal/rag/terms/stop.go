package terms

import "strings"

// stopWords are English words that say nothing of what a question is about: the words that hold a sentence together,
// and those by which one asks. A question of these alone finds nothing.
var stopWords = set(`
a an the this that these those
i me my mine myself we us our ours ourselves you your yours yourself yourselves
he him his himself she her hers herself it its itself they them their theirs themselves one ones
and or but nor so if then else than as because while though although unless until since whether
of at by for with about against between among into through during before after above below to from up down in out on
off over under again further once onto upon within without toward towards via per
am is are was were be been being isn aren wasn weren
have has had having haven hasn hadn
do does did doing done don doesn didn
can could cannot couldn will would won wouldn shall should shouldn may might must ought mustn
not no yes all any both each few more most other some such only own same too very just also even still ever never
always often here there now
who whom whose what which when where why how many much
tell say says said give gives given show shows explain describe list name mean means meant please let lets know
get gets got make makes made happen happens happened
s t d ll m re ve etc
`)

func set(words string) map[string]bool {
	found := make(map[string]bool)
	for _, w := range strings.Fields(words) {
		found[w] = true
	}
	return found
}
