package keeper

// Renew has the keeper go on with another program, in place: its pid, its launches and its connections stay. It comes to
// that when nothing is half done, and no leaving router could have the session back. The answer is Renewed.
type Renew struct {
	Path    string  `json:"path"`    // absolute
	Program Program `json:"program"` // of the file that was found able to; the keeper executes no other one
}

// Renewed answers Renew: by the new program, or by the old one, which goes on.
type Renewed struct {
	PID      int     `json:"pid"`
	Program  Program `json:"program"` // that runs now
	Launches int     `json:"launches"`
	Failure  string  `json:"failure,omitempty"` // why it is the old one
}
