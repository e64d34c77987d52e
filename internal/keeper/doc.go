// Package keeper is what the router and the keeper have in common: the messages between them, the names of files in a
// data directory, and the marks by which a launch's processes are known. It starts no goroutine and no process, and
// uses nothing beyond the standard library and x/sys, because the keeper is made of it.
//
// The two talk over one Unix stream socket, in lines of JSON, each a Message of at most MaxMessage bytes. Whoever sees
// another Version, a line that is too long or one that is no Message ends the connection. For the keeper that is the
// router's end: it then stops every worker.
//
//	router                         keeper
//	                            ←  waiting*   a predecessor still holds the data directory
//	                            ←  hello      leftovers are reaped, commands may come
//	start {launch}              →
//	                            ←  spawned | refused
//	stop {launch, force}        →
//	                            ←  exited     the root process ended, asked for or not; at most once
//	                            ←  not_gone*  something is left after the deadline; the keeper goes on trying
//	                            ←  gone       proven; the last word on a launch
//	shutdown                    →
//	                            ←  done       all launches are gone, the keeper ends
package keeper
