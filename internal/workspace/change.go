package workspace

// Change is what is to be different of a tenant or a workspace; nil is as it was.
type Change struct {
	DisplayName *string
	Active      *bool // of a tenant only
	Revision    int64 // as it was read; 0 is any
}

// Answer is what a request that may be sent again was answered with.
type Answer struct {
	Status int // 0: the first one is still being worked on, or its router ended before it was answered
	Body   []byte
}

// DeniedError says which permission a principal lacks. It wraps ErrPermissionDenied.
type DeniedError struct{ Permission Permission }

// Denied makes a DeniedError.
func Denied(permission Permission) error { return &DeniedError{permission} }

func (e *DeniedError) Error() string { return "permission denied: " + e.PublicDetail() }

// PublicDetail is for whoever asked: a route's permission is no secret.
func (e *DeniedError) PublicDetail() string {
	return "The credential does not permit this: it needs " + e.Permission.String() + "."
}

// Unwrap gives ErrPermissionDenied.
func (e *DeniedError) Unwrap() error { return ErrPermissionDenied }
