package apply

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
)

// planFormat is what every plan file says it is, whatever its version.
const (
	planFormat  = "stackctl.dev/plan"
	planVersion = 1
)

// PlanFile is a file of plans that are carried out in their order.
type PlanFile struct {
	Format  string       `json:"format"`
	Version int          `json:"version"`
	Digest  string       `json:"digest"` // of all else
	Plans   []*SavedPlan `json:"plans"`
}

// ErrNoPlan says that a text is no plan file, but something else.
var ErrNoPlan = errors.New("not a plan of stackctl")

// PlanFileError says that a plan file is not what was written.
type PlanFileError struct{ Reason string }

func (e *PlanFileError) Error() string { return e.Reason }

// Hint says how to go on.
func (e *PlanFileError) Hint() string {
	return "nothing was written; a plan is carried out as it was made or not at all: make a new one with `stackctl diff --out`"
}

// NewerPlanError says that a plan file was written by a later version of
// stackctl.
type NewerPlanError struct{ Version int }

func (e *NewerPlanError) Error() string {
	return fmt.Sprintf("was written by a newer stackctl (plan format %d, this one knows %d)", e.Version, planVersion)
}

// Hint says how to go on.
func (e *NewerPlanError) Hint() string {
	return "use the version that wrote it, or a later one, or make a new plan with this one: `stackctl diff --out`"
}

// EncodePlans writes plans as one file.
func EncodePlans(plans []*SavedPlan) ([]byte, error) {
	file := PlanFile{Format: planFormat, Version: planVersion, Plans: plans}
	text, err := json.Marshal(file)
	if err != nil {
		return nil, err
	}
	if file.Digest, err = planDigest(text); err != nil {
		return nil, err
	}
	var b bytes.Buffer
	encoder := json.NewEncoder(&b)
	encoder.SetEscapeHTML(false)
	encoder.SetIndent("", "  ")
	err = encoder.Encode(file)
	return b.Bytes(), err
}

// planDigest is the digest of a file's content, however it is laid out.
func planDigest(text []byte) (string, error) {
	content, err := exactly[map[string]any](text)
	if err != nil {
		return "", err
	}
	delete(content, "digest")
	return "sha256:" + sum(canonical(content)), nil
}

// exactly decodes JSON whose numbers stay as they are written.
func exactly[T any](text []byte) (v T, err error) {
	d := json.NewDecoder(bytes.NewReader(text))
	d.UseNumber()
	if err = d.Decode(&v); err == nil && d.More() {
		err = errors.New("something follows its end")
	}
	return v, err
}

// IsPlanFile reports whether a text was meant to be a plan file, be it damaged.
func IsPlanFile(text []byte) bool {
	head := text[:min(len(text), 1<<10)]
	return bytes.HasPrefix(bytes.TrimSpace(head), []byte("{")) && bytes.Contains(head, []byte(`"`+planFormat+`"`))
}

// DecodePlans reads a plan file. One that was edited, cut short or written by a
// newer version is refused.
func DecodePlans(text []byte) (*PlanFile, error) {
	if !IsPlanFile(text) {
		return nil, ErrNoPlan
	}
	head, err := exactly[struct {
		Format  string
		Version int
	}](text)
	if err != nil {
		return nil, &PlanFileError{Reason: "it is damaged or cut short: " + strings.TrimPrefix(err.Error(), "json: ")}
	}
	if head.Format != planFormat {
		return nil, ErrNoPlan
	}
	if head.Version > planVersion {
		return nil, &NewerPlanError{Version: head.Version}
	}
	file, err := exactly[*PlanFile](text)
	if err != nil {
		return nil, &PlanFileError{Reason: "it is damaged: " + strings.TrimPrefix(err.Error(), "json: ")}
	}
	if digest, err := planDigest(text); err != nil || digest != file.Digest || head.Version != planVersion || len(file.Plans) == 0 {
		return nil, &PlanFileError{Reason: "it was edited or damaged: its digest does not match"}
	}
	for _, s := range file.Plans {
		if s == nil {
			return nil, &PlanFileError{Reason: "it is damaged: a plan of it is empty"}
		}
		if s.shown, err = exactly[Plan](s.Shown); err != nil {
			return nil, &PlanFileError{Reason: "it is damaged: " + strings.TrimPrefix(err.Error(), "json: ")}
		}
		s.digest = file.Digest
	}
	return file, nil
}
