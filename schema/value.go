package schema

import (
	"fmt"
	"strconv"
	"strings"
)

// Seconds is a duration. It is written as a number of seconds or as 30s, 5m,
// 1h or 7d.
type Seconds int32

// IntOrPercent is a number of pods, or a percentage such as "25%".
type IntOrPercent struct {
	Int     int32
	Percent string // "" means Int counts
}

// PortRef is the number or the name of a port; the zero value is unset.
type PortRef struct {
	Number int32
	Name   string
}

// IsZero reports whether nothing was written.
func (p PortRef) IsZero() bool { return p == PortRef{} }

// Quantity is an amount of CPU or memory as it was written; "" is unset.
type Quantity string

// KeyRef is one key of a Secret or ConfigMap, written name/key.
type KeyRef struct{ Name, Key string }

// Percent is a percentage, written 80 or 80%; 0 is unset.
type Percent int32

// textReader is a value that reads itself from the text of a valid scalar.
type textReader interface{ readText(string) error }

func (s *Seconds) readText(text string) error {
	unit := 1
	switch {
	case strings.HasSuffix(text, "d"):
		unit = 24 * 3600
	case strings.HasSuffix(text, "h"):
		unit = 3600
	case strings.HasSuffix(text, "m"):
		unit = 60
	}
	n, err := strconv.Atoi(strings.TrimRight(text, "smhd"))
	if err != nil {
		return err
	}
	*s = Seconds(n * unit)
	return nil
}

func (v *IntOrPercent) readText(text string) error {
	if strings.HasSuffix(text, "%") {
		*v = IntOrPercent{Percent: text}
		return nil
	}
	n, err := strconv.ParseInt(text, 10, 32)
	*v = IntOrPercent{Int: int32(n)}
	return err
}

func (p *PortRef) readText(text string) error {
	if n, err := strconv.ParseInt(text, 10, 32); err == nil {
		*p = PortRef{Number: int32(n)}
		return nil
	}
	*p = PortRef{Name: text}
	return nil
}

func (q *Quantity) readText(text string) error {
	*q = Quantity(text)
	return nil
}

func (k *KeyRef) readText(text string) error {
	name, key, ok := strings.Cut(text, "/")
	if !ok {
		return fmt.Errorf("no / in %q", text)
	}
	*k = KeyRef{Name: name, Key: key}
	return nil
}

func (p *Percent) readText(text string) error {
	n, err := strconv.ParseInt(strings.TrimSuffix(text, "%"), 10, 32)
	*p = Percent(n)
	return err
}
