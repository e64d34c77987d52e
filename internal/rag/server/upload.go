package server

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"mime/multipart"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"time"
	"unicode/utf8"

	"workspace-router/internal/rag/extract"
	"workspace-router/internal/rag/store"
)

// uploadPrefix begins the name of a file that is still being received. A document's name never begins with a dot.
const uploadPrefix = ".upload-"

// maxName bounds a file name; file systems take 255 bytes.
const maxName = 240

// formOverhead is what a form may weigh beside its file.
const formOverhead = 64 << 10

// upload takes a file, and answers when it and its row are on the disk.
func (s *Server) upload(w http.ResponseWriter, r *http.Request) {
	d, err := s.receive(w, r)
	_ = r.Body.Close() // what follows the file is of no interest
	if err != nil {
		s.fail(w, r, err)
		return
	}
	s.json(w, http.StatusOK, accepted(d.TrackID, fmt.Sprintf("File %q uploaded successfully. Processing will continue in background.", d.FilePath)))
}

func accepted(trackID, message string) map[string]string {
	return map[string]string{"status": "success", "message": message, "track_id": trackID}
}

func (s *Server) receive(w http.ResponseWriter, r *http.Request) (store.Document, error) {
	r.Body = http.MaxBytesReader(w, r.Body, s.config.MaxUpload+formOverhead)
	part, err := filePart(r)
	if err != nil {
		return store.Document{}, err
	}
	name, err := documentName(part.FileName())
	if err != nil {
		return store.Document{}, err
	}
	if !extract.Supported(name) {
		return store.Document{}, &apiError{http.StatusBadRequest, fmt.Sprintf("Unsupported file type. Supported types: %s", strings.Join(extract.Types(), ", "))}
	}
	temporary, err := os.CreateTemp(s.config.UploadDir, uploadPrefix)
	if err != nil {
		return store.Document{}, fmt.Errorf("cannot receive an upload: %w", err)
	}
	defer os.Remove(temporary.Name()) // gone already when all went well
	defer temporary.Close()
	d, err := s.copyUpload(temporary, part, name)
	if err != nil {
		return store.Document{}, err
	}
	if err := s.deps.Documents.Add(r.Context(), d, "", func() error { return place(temporary.Name(), filepath.Join(s.config.UploadDir, name)) }); err != nil {
		return store.Document{}, err
	}
	s.deps.Pipeline.Wake()
	return d, nil
}

// copyUpload writes a file's bytes to the disk, for good, and makes the document of them.
func (s *Server) copyUpload(to *os.File, from io.Reader, name string) (store.Document, error) {
	digest := sha256.New()
	size, err := io.Copy(io.MultiWriter(to, digest), io.LimitReader(from, s.config.MaxUpload+1))
	if err != nil {
		return store.Document{}, receiving(err)
	}
	if size > s.config.MaxUpload {
		return store.Document{}, &apiError{http.StatusRequestEntityTooLarge, fmt.Sprintf("File too large. Maximum size is %d bytes.", s.config.MaxUpload)}
	}
	if size == 0 {
		return store.Document{}, &apiError{http.StatusBadRequest, fmt.Sprintf("File %q is empty.", name)}
	}
	if err := to.Sync(); err != nil {
		return store.Document{}, fmt.Errorf("cannot keep an upload: %w", err)
	}
	return store.Document{
		ID: documentID(name, digest.Sum(nil)), Origin: store.OriginUpload, FilePath: name, Size: size, TrackID: trackID("upload"),
	}, nil
}

// receiving says whose fault it is that a body cannot be received.
func receiving(err error) error {
	var tooLarge *http.MaxBytesError
	var disk *fs.PathError
	switch {
	case errors.As(err, &tooLarge):
		return err
	case errors.As(err, &disk):
		return fmt.Errorf("cannot keep an upload: %w", err)
	}
	return &apiError{http.StatusBadRequest, "The request ended in the middle."}
}

// place gives a received file its name, for good.
func place(from, to string) error {
	if err := os.Rename(from, to); err != nil {
		return err
	}
	directory, err := os.Open(filepath.Dir(to))
	if err != nil {
		return err
	}
	defer directory.Close()
	return directory.Sync()
}

func filePart(r *http.Request) (*multipart.Part, error) {
	form, err := r.MultipartReader()
	if err != nil {
		return nil, missing("file")
	}
	for {
		part, err := form.NextPart()
		if errors.Is(err, io.EOF) {
			return nil, missing("file")
		}
		if err != nil {
			return nil, receiving(err)
		}
		if part.FormName() == "file" && part.FileName() != "" {
			return part, nil
		}
	}
}

// documentName is the last part of a client's path, if it can be a file's name here.
func documentName(given string) (string, error) {
	name := given[strings.LastIndexAny(given, `/\`)+1:]
	name = strings.TrimSpace(name)
	bad := name == "" || strings.HasPrefix(name, ".") || len(name) > maxName || !utf8.ValidString(name) ||
		strings.ContainsFunc(name, func(r rune) bool { return r < ' ' || r == 0x7F })
	if bad {
		return "", &apiError{http.StatusBadRequest, fmt.Sprintf("Invalid file name %q.", given)}
	}
	return name, nil
}

// documentID is the same for the same content under the same name, so that sending a document twice adds it once.
func documentID(name string, digest []byte) string {
	sum := sha256.Sum256(append([]byte(name+"\x00"), digest...))
	return "doc-" + hex.EncodeToString(sum[:16])
}

// trackID is a name for one request's documents.
func trackID(kind string) string {
	random := make([]byte, 4)
	_, _ = rand.Read(random) // never fails
	return kind + "_" + time.Now().UTC().Format("20060102_150405") + "_" + hex.EncodeToString(random)
}

// CleanUploads removes what uploads that never ended left behind. Nothing else may be receiving.
func CleanUploads(directory string) error {
	if err := os.MkdirAll(directory, 0o700); err != nil {
		return fmt.Errorf("cannot make the input directory: %w", err)
	}
	entries, err := os.ReadDir(directory)
	if err != nil {
		return fmt.Errorf("cannot read the input directory: %w", err)
	}
	for _, e := range entries {
		if strings.HasPrefix(e.Name(), uploadPrefix) {
			if err := os.Remove(filepath.Join(directory, e.Name())); err != nil {
				return fmt.Errorf("cannot remove an unfinished upload: %w", err)
			}
		}
	}
	return nil
}
