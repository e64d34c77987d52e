// Package keeper is what the router and the keeper have in common: the messages between them, the names of files in a
// data directory, and the marks by which a launch's processes are known. It starts no goroutine and no process, and
// uses nothing beyond the standard library and x/sys, because the keeper is made of it.
//
// The two talk over one Unix stream socket, in lines of JSON, each a Message of at most MaxMessage bytes. Whoever sees
// another Version, a line that is too long or one that is no Message ends the connection. For the keeper that is the
// router's end: it then stops every worker.
//
//	router                         keeper
//	attach {keep}               →
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
//
// The router that starts a keeper has the other end of a socket pair. One that comes later connects to KeeperSocket. It
// must be of the keeper's user, no descendant of the keeper, and know the content of KeeperToken, so that no worker can
// take a router's place. One router has the session at a time; it hands it over, or leaves it by its death where the
// keeper holds the launches:
//
//	leaving router              keeper                      next router
//	attach {keep} (both at the beginning of their connection)
//	                            denied ending | busy     →  asks again, or starts a keeper that waits
//	leave {leases}           →
//	                         ←  taken | held*, hello     →  has the session
//	leases                   →  elsewhere                →
//	                         ←  yield                     ←  stop
//	yielded                  →  elsewhere                →  and the stop, when no request is left
//	stay                     →  stayed, unless it was taken before
//	                         ←  returned                     where the next router died before release
//	release                  →                              the other keeps the session
//
// A keeper that runs another file than the router that attaches has as its program is told to go on with that one:
//
//	router                         keeper
//	                            ←  hello {program, state}
//	renew {path, program}       →
//	                            ←  renewed    by the new program, or with the reason by the old one
package keeper
