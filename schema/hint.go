package schema

import (
	"maps"
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"cuelang.org/go/cue"
)

// The ways out that errors show. A hint is a text that can be pasted wherever
// there is one: guesses are checked like what a user writes, and shown only
// when they are right.

// quote returns a text in quotes, cut when it is long.
func quote(text string) string {
	if runes := []rune(text); len(runes) > 60 {
		text = string(runes[:57]) + "..."
	}
	return strconv.Quote(text)
}

// shown returns a text without quotes, unless it needs them.
func shown(text string) string {
	if isPlain(text) && len(text) <= 60 {
		return text
	}
	return quote(text)
}

// didYouMean asks for what comes nearest to a typo, "" when nothing is near.
func didYouMean(typo string, choices []string) string {
	near := nearest(typo, choices)
	if len(near) == 0 {
		return ""
	}
	return "did you mean " + either(quoted(near)) + "?"
}

// nearest returns all choices that differ least from a typo: at most a third of
// its letters may differ.
func nearest(typo string, choices []string) []string {
	var near []string
	least := max(1, len(typo)/3)
	for _, choice := range choices {
		if strings.EqualFold(typo, choice) {
			return []string{choice}
		}
		switch d := distance(strings.ToLower(typo), strings.ToLower(choice)); {
		case d > least || d >= len(choice):
		case d < least:
			least, near = d, []string{choice}
		default:
			near = append(near, choice)
		}
	}
	return near
}

// quoted returns every text in quotes.
func quoted(texts []string) []string {
	out := make([]string, len(texts))
	for i, text := range texts {
		out[i] = quote(text)
	}
	return out
}

// distance is the number of letters to insert, delete, replace or swap with
// their neighbour to make b of a.
func distance(one, other string) int {
	a, b := []rune(one), []rune(other)
	if len(a) > 64 || len(b) > 64 {
		return 64
	}
	before, last, row := make([]int, len(b)+1), make([]int, len(b)+1), make([]int, len(b)+1)
	for j := range last {
		last[j] = j
	}
	for i := 1; i <= len(a); i++ {
		row[0] = i
		for j := 1; j <= len(b); j++ {
			cost := 1
			if a[i-1] == b[j-1] {
				cost = 0
			}
			row[j] = min(row[j-1]+1, last[j]+1, last[j-1]+cost)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				row[j] = min(row[j], before[j-2]+1)
			}
		}
		before, last, row = last, row, before
	}
	return last[len(b)]
}

// misspelt returns the hint for an unknown key, and the fields it may mean.
func (s *shape) misspelt(name string) (hint string, meant []string) {
	if near := nearest(name, s.names); len(near) > 0 {
		return didYouMean(name, s.names), near
	}
	return "the fields here are " + strings.Join(slices.Sorted(maps.Keys(s.fields)), ", ") + "; keys that begin with x- are free", nil
}

// toAdd returns the hint for a required field that nobody wrote.
func (s *shape) toAdd(name string) string {
	switch {
	case len(s.examples) > 0:
		return "add " + name + ": " + s.examples[0]
	case s.want != "":
		return "add " + name + ": " + s.want
	}
	return "add " + name
}

// insteadOfNull returns the hint for a null that removes nothing.
func (s *shape) insteadOfNull() string {
	const hint = "remove the line; null takes away what defaults wrote, or in an environment what the file wrote"
	switch {
	case s.name == "#App":
		return "indent the fields of the app below its name, or remove it"
	case s.short["string"] == "value" || s.free && s.kind == cue.StringKind:
		return `write "" for an empty text, or ` + hint
	case s.short["false"] == "enabled" || s.short["bool"] == "enabled" || s.short["go"] == "health" || s.kind&cue.BoolKind != 0:
		return "write false to switch it off, or " + hint
	}
	return hint
}

// insteadOfKey returns the hint for a key that no entry of a map can have.
func (c *checker) insteadOfKey(key *shape, name string, value *node, path []string) string {
	if c.trial {
		return ""
	}
	if hint := foreignKey(name, value, path); hint != "" {
		return hint
	}
	if field := path[len(path)-1]; field == "needs" || field == "apps" && c.environment {
		if hint := didYouMean(name, c.apps); hint != "" {
			return hint
		}
	}
	if fix := c.repaired(key, name); fix != "" {
		return "did you mean " + quote(fix) + "?"
	}
	return ""
}

// insteadOfAmbiguous returns the hint for a plain scalar that parsers read
// differently, "" when none of its readings is right.
func (c *checker) insteadOfAmbiguous(n *node, s *shape) string {
	if value, ok := yesNo(n.text); ok && !s.text && s.kind&cue.BoolKind != 0 && s.takes(boolKind, value) {
		return "write " + value
	}
	if s.takes(textKind, n.text) {
		return "put it in quotes: " + quote(n.text)
	}
	numbers := readings(n.text)
	for _, number := range numbers {
		if !s.takes(intKind, number) {
			return ""
		}
	}
	if len(numbers) == 0 {
		return ""
	}
	return "write " + strings.Join(numbers, " or ")
}

// eitherNumberOrText returns the hint for such a scalar where anything may
// stand.
func eitherNumberOrText(text string) string {
	hint := "put it in quotes: " + quote(text)
	if value, ok := yesNo(text); ok {
		return hint + ", or write " + value
	}
	if numbers := readings(text); len(numbers) > 0 {
		return hint + ", or write " + strings.Join(numbers, " or ")
	}
	return hint
}

// readings returns the whole numbers that parsers make of a text.
func readings(text string) []string {
	var out []string
	digits := strings.ReplaceAll(text, "_", "")
	for _, base := range []int{0, 10, 8} {
		if base == 8 && !strings.HasPrefix(strings.TrimLeft(digits, "+-"), "0") {
			continue
		}
		if i, err := strconv.ParseInt(strings.TrimPrefix(digits, "+"), base, 64); err == nil {
			out = append(out, strconv.FormatInt(i, 10))
		}
	}
	if f, err := strconv.ParseFloat(digits, 64); err == nil && len(out) == 0 && f == float64(int64(f)) {
		out = append(out, strconv.FormatInt(int64(f), 10))
	}
	slices.Sort(out)
	return slices.Compact(out)
}

// takes reports whether a scalar would be right.
func (s *shape) takes(kind kind, text string) bool {
	return s.accepts(&node{kind: kind, text: text})
}

// accepts reports whether a value would be right. It may change the value.
func (s *shape) accepts(n *node) bool {
	trial := &checker{trial: true}
	trial.check(n, s, nil, nil)
	return len(trial.errs) == 0
}

// insteadOfType returns the hint for a value of a type that s does not take.
func (c *checker) insteadOfType(n *node, s *shape, path []string) string {
	if c.trial {
		return ""
	}
	if hint := s.foreignValue(n, path); hint != "" {
		return hint
	}
	value, isBool := yesNo(n.text)
	switch {
	case n.kind == listKind && len(n.items) == 1 && s.accepts(n.items[0].copy()):
		return "write " + inline(n.items[0])
	case s.kind == cue.ListKind && n.kind != listKind && s.accepts(&node{kind: listKind, items: []*node{n.copy()}}):
		return "write a list: [" + inline(n) + "]"
	case n.kind == listKind || n.kind == mapKind:
		return s.example(path)
	case n.kind == boolKind && n.text == "true" && s.short["false"] != "":
		return "remove the line, or write more about it: it is there without being asked"
	case n.kind == intKind && s.short["go"] == "autoscale":
		return "write 2.." + n.text
	case n.kind == textKind && isBool && s.takes(boolKind, value):
		return "write " + value
	case n.kind == textKind && decimal().MatchString(n.text) && (s.takes(intKind, n.text) || s.takes(floatKind, n.text)):
		return "write it without quotes: " + n.text
	case n.kind == textKind && s.takes(intKind, secondsOf(n.text)):
		return "write " + secondsOf(n.text)
	case n.kind != textKind && (s.kind&cue.StringKind != 0 || s.short["string"] != "") && s.takes(textKind, n.text):
		return "put it in quotes: " + quote(n.text)
	case n.kind == boolKind && n.text == "false":
		return "remove the line; in an environment, or over a default of the stack, write null"
	}
	if hint := c.insteadOfValue(n, s, path); hint != "" {
		return hint
	}
	return s.example(path)
}

// example returns the hint that shows how a field is written.
func (s *shape) example(path []string) string {
	if len(path) == 0 || len(s.examples) == 0 {
		return ""
	}
	return "write " + path[len(path)-1] + ": " + s.examples[0]
}

// insteadOfValue returns the hint for a scalar that breaks its constraint.
func (c *checker) insteadOfValue(n *node, s *shape, path []string) string {
	if c.trial {
		return ""
	}
	if len(path) > 1 && path[len(path)-2] == "secrets" && s.want == "name/key of a secret" {
		return "name/key names one in the cluster; to bring one along write {fromEnv: NAME} or {fromFile: path}"
	}
	if n.text == "ExternalName" {
		return "write service: {external: db.example.org}"
	}
	choices := s.choices()
	if slices.Contains(path, "network") {
		choices = append(choices, c.apps...)
	}
	if hint := didYouMean(n.text, choices); hint != "" {
		return hint
	}
	if other := otherWords[strings.ToLower(n.text)]; slices.Contains(choices, other) {
		return "did you mean " + quote(other) + "?"
	}
	if fix := c.repaired(s, n.text); fix != "" && n.kind != boolKind {
		return "did you mean " + quote(fix) + "?"
	}
	switch {
	case strings.HasPrefix(s.want, "name/key"):
		return "write the name and one of its keys, such as db/password"
	case n.kind == textKind && s.kind == cue.StringKind && len(s.enum) == 0:
		return s.example(path)
	}
	return ""
}

// choices returns the words that a value can be.
func (s *shape) choices() []string {
	if s.kind == cue.BoolKind {
		return []string{"true", "false"}
	}
	words := slices.Clone(s.enum)
	if strings.HasPrefix(s.want, "a field of the pod") {
		words = podFields
	}
	for kind, field := range s.short {
		switch {
		case kind == "string":
			words = append(words, s.fields[field].enum...)
		case kind == "go" && field == "health":
			words = append(words, "tcp", "grpc")
		case kind == "go" && (field == "volume" || field == "mount"):
			words = append(words, "tmp")
		}
	}
	return words
}

var (
	amount    = onUse(`^[0-9 ]*[.,]?[0-9]+ ?[a-zA-Z%]*$`)
	notName   = onUse(`[^a-z0-9]+`)
	notLabel  = onUse(`[^A-Za-z0-9_.]+`)
	offset    = onUse(`^(?:UTC|GMT) ?([+-])0?([0-9]{1,2})$`)
	scheme    = onUse(`^[a-z]+://`)
	bytesText = onUse(`^([0-9]+(?:\.[0-9]+)?) ?([mgkt]?)(i?)b?$`)
	timeText  = onUse(`^([0-9]+) ?(s|m|h|d)(?:ec|in|our|ay|econd|inute)?s?$`)
	rangeText = onUse(`^([0-9]+)(?:\.{3}| ?(?:-|to|:|,|\.\.) ?)([0-9]+)$`)
)

// secondsOf returns the seconds of a duration such as 10s, "" for other texts.
func secondsOf(text string) string {
	m := timeText().FindStringSubmatch(strings.ToLower(text))
	var seconds Seconds
	if m == nil || seconds.readText(m[1]+m[2]) != nil {
		return ""
	}
	return strconv.Itoa(int(seconds))
}

// titled begins the words of a time zone with capitals.
func titled(text string) string {
	out := []byte(text)
	for i := range out {
		if (i == 0 || out[i-1] == '/' || out[i-1] == '_') && out[i] >= 'a' && out[i] <= 'z' {
			out[i] -= 'a' - 'A'
		}
	}
	return string(out)
}

// repaired guesses what was meant by a text that breaks the constraint s, ""
// when no guess satisfies it.
func (c *checker) repaired(s *shape, text string) string {
	lower := strings.ToLower(strings.TrimSpace(text))
	host, _, _ := strings.Cut(scheme().ReplaceAllString(lower, ""), "/")
	host, _, _ = strings.Cut(host, ":")
	guesses := []string{strings.TrimSpace(text), lower, strings.ReplaceAll(lower, "_", "-"), titled(lower)}
	if strings.Contains(text, "/") && !strings.Contains(text, "..") && !scheme().MatchString(lower) {
		guesses = append(guesses, cleanPath("/"+text))
	}
	guesses = append(guesses, scheme().ReplaceAllString(text, ""), host)
	for _, between := range []string{".", ":"} {
		guesses = append(guesses, strings.Replace(text, between, "/", 1)) // name/key
	}
	if strings.HasPrefix(s.want, "secret/") {
		guesses = append(guesses, "secret/"+text)
	}
	if m := offset().FindStringSubmatch(strings.ToUpper(text)); m != nil {
		guesses = append(guesses, "Etc/GMT"+map[string]string{"+": "-", "-": "+"}[m[1]]+m[2]) // which counts westwards
	}
	if amount().MatchString(text) {
		plain := strings.Replace(strings.ReplaceAll(text, " ", ""), ",", ".", 1)
		if strings.HasPrefix(plain, ".") {
			plain = "0" + plain
		}
		guesses = append(guesses, plain)
	}
	if i, err := strconv.ParseInt(text, 10, 64); err == nil && i >= 1<<20 && i%(1<<20) == 0 {
		guesses = append(guesses, strconv.FormatInt(i>>20, 10)+"Mi") // bytes
	}
	if m := bytesText().FindStringSubmatch(lower); m != nil {
		unit := strings.ToUpper(m[2])
		switch {
		case unit == "" && (s.short["go"] == "volume" || strings.HasPrefix(s.want, "a size")):
			unit = "G"
		case unit == "":
			unit = "M"
		}
		guesses = append(guesses, m[1]+unit+"i") // 512mb is meant as 512Mi
	}
	if address, err := netip.ParseAddr(text); err == nil {
		guesses = append(guesses, text+"/"+strconv.Itoa(address.BitLen()))
	}
	if m := timeText().FindStringSubmatch(lower); m != nil {
		guesses = append(guesses, m[1]+m[2])
	}
	if m := rangeText().FindStringSubmatch(lower); m != nil {
		guesses = append(guesses, m[1]+".."+m[2])
	}
	if !strings.Contains(text, "/") {
		guesses = append(guesses, cleanPath("/"+text), strings.Trim(notLabel().ReplaceAllString(text, "-"), "-_."), strings.NewReplacer(" ", "_", "-", "_").Replace(text))
	}
	name := strings.Trim(notName().ReplaceAllString(lower, "-"), "-")
	if strings.ContainsAny(text, "./:") {
		name = "" // no name, but something longer
	}
	guesses = append(guesses, name)
	for _, most := range []int{63, 52, 15} {
		if len(name) > most {
			guesses = append(guesses, strings.TrimRight(name[:most], "-"))
		}
	}
	for _, guess := range guesses {
		if guess != text && guess != "" && s.takes(textKind, guess) {
			return guess
		}
	}
	return ""
}
