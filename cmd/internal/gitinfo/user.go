package gitinfo

import (
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// UserName returns the name git would write as the author of a commit made in
// dir, "" when none is configured. getenv is [os.Getenv] or a stand-in.
func UserName(dir string, getenv func(string) string) string {
	if name := getenv("GIT_AUTHOR_NAME"); name != "" {
		return name
	}
	var files []string
	if r, err := open(dir); err == nil {
		files = append(files, filepath.Join(r.common, "config"))
	}
	home := getenv("HOME")
	if home == "" {
		home = getenv("USERPROFILE")
	}
	if home != "" {
		files = append(files, filepath.Join(home, ".gitconfig"))
	}
	switch base := getenv("XDG_CONFIG_HOME"); {
	case base != "":
		files = append(files, filepath.Join(base, "git", "config"))
	case home != "":
		files = append(files, filepath.Join(home, ".config", "git", "config"))
	}
	for _, file := range files {
		if name := configured(file, "user", "name"); name != "" {
			return name
		}
	}
	return ""
}

// configured returns the last value of a key in a section of a config file.
func configured(file, section, key string) string {
	text, err := os.ReadFile(file)
	if err != nil {
		return ""
	}
	value, inside := "", false
	for line := range strings.Lines(string(text)) {
		line = strings.TrimSpace(line)
		switch {
		case line == "" || line[0] == '#' || line[0] == ';':
		case line[0] == '[':
			name, _, _ := strings.Cut(line[1:], "]")
			inside = strings.EqualFold(strings.TrimSpace(name), section)
		case inside:
			k, v, _ := strings.Cut(line, "=")
			if strings.EqualFold(strings.TrimSpace(k), key) {
				value = unquote(strings.TrimSpace(v))
			}
		}
	}
	return value
}

// unquote takes the quotes and the comment off a value.
func unquote(v string) string {
	if strings.HasPrefix(v, `"`) {
		if quoted, err := strconv.QuotedPrefix(v); err == nil {
			if text, err := strconv.Unquote(quoted); err == nil {
				return text
			}
		}
	}
	for _, mark := range []string{" #", " ;", "\t#", "\t;"} {
		v, _, _ = strings.Cut(v, mark)
	}
	return strings.TrimSpace(v)
}
