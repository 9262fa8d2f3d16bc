package ui

import (
	"fmt"
	"io"
	"strings"
	"time"

	"stackctl.dev/stackctl/apply"
)

// WriteHistory writes revisions as a table, oldest first.
func WriteHistory(w io.Writer, revisions []apply.Summary, o Options) error {
	var t table
	t.row("REVISION", "AGE", "STATUS", "CAUSE", "AUTHOR", "COMMIT", "IMAGES", "CHANGES")
	for _, r := range revisions {
		t.row(r.Revision, Age(o.Now, r.CreatedAt), revisionStatus(r), orNone(shorten(r.Cause, 60)),
			orNone(r.Author), orNone(commit(r)), orNone(images(r.Images)), changes(r.Changes))
	}
	p := NewPrinter(w, o)
	t.write(p)
	for _, r := range revisions {
		switch r.Status {
		case apply.StatusCorrupt:
			p.printf("%s the record of revision %d was changed: %s\n", styled{red, "corrupt:"}, r.Revision, orNone(r.Error))
		case apply.StatusNewer:
			p.printf("%s %s\n", styled{yellow, "note:"}, r.Error)
		}
	}
	return p.Err()
}

// revisionStatus is the status of a revision, and whether nobody waited to see
// what became of it.
func revisionStatus(r apply.Summary) styled {
	text := string(r.Status)
	if r.Unverified && (r.Status == apply.StatusDeployed || r.Status == apply.StatusSuperseded) {
		return styled{yellow, text + ", unverified"}
	}
	switch r.Status {
	case apply.StatusDeployed:
		return styled{green, text}
	case apply.StatusFailed, apply.StatusCorrupt:
		return styled{red, text}
	case apply.StatusPending, apply.StatusInterrupted, apply.StatusNewer:
		return styled{yellow, text}
	}
	return styled{plain, text}
}

// commit is a short git commit, with a star when the files differed from it.
func commit(r apply.Summary) string {
	c := r.Commit
	if len(c) > 7 {
		c = c[:7]
	}
	if c != "" && r.Dirty {
		c += "*"
	}
	return c
}

// images shortens a list of images: without the registry, digests cut, and at
// most three.
func images(all []string) string {
	var short []string
	for _, image := range all {
		if len(short) == 3 {
			short = append(short, fmt.Sprintf("+%d", len(all)-3))
			break
		}
		image = image[strings.LastIndex(image, "/")+1:]
		if name, digest, ok := strings.Cut(image, "@sha256:"); ok && len(digest) > 7 {
			image = name + "@" + digest[:7]
		}
		short = append(short, image)
	}
	return strings.Join(short, ",")
}

// changes writes counts as +created ~updated -deleted.
func changes(c apply.Counts) string {
	return fmt.Sprintf("+%d ~%d -%d", c.Created, c.Updated, c.Deleted)
}

func orNone(s string) string {
	if s == "" {
		return "-"
	}
	return s
}

// WriteStacks writes a list of stacks as a table, with their namespaces when
// there may be several.
func WriteStacks(w io.Writer, stacks []apply.StackSummary, namespaces bool, o Options) error {
	var t table
	head := []any{"NAMESPACE", "STACK", "REVISION", "STATUS", "LIVE", "AGE", "IMAGES"}
	cut := 1
	if namespaces {
		cut = 0
	}
	t.row(head[cut:]...)
	for _, s := range stacks {
		cells := []any{s.Namespace, s.Name, s.Latest.Revision, revisionStatus(s.Latest), live(s.Deployed),
			Age(o.Now, s.Latest.CreatedAt), orNone(images(s.Latest.Images))}
		t.row(cells[cut:]...)
	}
	p := NewPrinter(w, o)
	t.write(p)
	return p.Err()
}

// live is the number of the live revision.
func live(n int) string {
	if n == 0 {
		return "none"
	}
	return fmt.Sprint(n)
}

// round makes a duration readable: 400ms, 1m12s, 5m.
func round(d time.Duration) string {
	if d < 10*time.Second {
		return d.Round(100 * time.Millisecond).String()
	}
	s := d.Round(time.Second).String()
	if strings.HasSuffix(s, "m0s") {
		s = strings.TrimSuffix(s, "0s")
	}
	return s
}
