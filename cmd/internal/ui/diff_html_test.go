package ui

import (
	"bytes"
	"image/png"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// htmlPage writes a page to a file and returns its address.
func htmlPage(t *testing.T, all ...Diff) string {
	t.Helper()
	var out bytes.Buffer
	if err := WriteDiffs(&out, "html", all, noon); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "diff.html")
	if err := os.WriteFile(path, out.Bytes(), 0o600); err != nil {
		t.Fatal(err)
	}
	return "file://" + path
}

// TestHTMLInChromium looks at the page as its readers do: light and dark, wide
// and narrow, by the keyboard. STACKCTL_SCREENSHOTS=DIR keeps what it saw.
func TestHTMLInChromium(t *testing.T) {
	b := startBrowser(t)
	recorded := recordedDiffs(t)
	url := htmlPage(t, recorded["environment"], recorded["scaled-by-hand"], recorded["recreate"], recorded["ingress"], recorded["gone-app"], recorded["drift"])
	pictures := map[string]float64{}
	for _, view := range []struct {
		name, scheme  string
		width, height int
	}{{"light", "light", 1200, 1600}, {"dark", "dark", 1200, 1600}, {"narrow", "light", 360, 2400}, {"narrow-dark", "dark", 360, 2400}} {
		b.look(view.scheme, view.width, view.height)
		b.open(url)
		if urls := b.loaded(); !slices.Equal(urls, []string{url}) {
			t.Errorf("%s: the page loads %q", view.name, urls)
		}
		if said := b.complaints(); len(said) > 0 {
			t.Errorf("%s: Chromium says\n%s", view.name, strings.Join(said, "\n"))
		}
		var width int
		if b.eval("document.scrollingElement.scrollWidth", &width); width > view.width {
			t.Errorf("%s: the page is %d wide, the window %d", view.name, width, view.width)
		}
		var faint []string
		if b.eval(lowContrast, &faint); len(faint) > 0 {
			t.Errorf("%s: hard to read:\n%s", view.name, strings.Join(faint, "\n"))
		}
		shot := b.screenshot()
		if dir := os.Getenv("STACKCTL_SCREENSHOTS"); dir != "" {
			if err := os.WriteFile(filepath.Join(dir, view.name+".png"), shot, 0o644); err != nil {
				t.Error(err)
			}
		}
		pictures[view.name] = brightness(t, view.name, shot)
	}
	if pictures["light"] < 0.7 || pictures["dark"] > 0.3 || pictures["narrow-dark"] > 0.3 {
		t.Errorf("brightness of the pictures: %v", pictures)
	}
}

// TestHTMLByKeyboard: everything that can be used is reached by Tab, in order,
// shows that it has the focus, and works.
func TestHTMLByKeyboard(t *testing.T) {
	b := startBrowser(t)
	b.look("light", 1000, 800)
	b.open(htmlPage(t, recordedDiffs(t)["environment"], recordedDiffs(t)["gone-app"]))
	var usable int
	b.eval(`document.querySelectorAll('a[href], summary, [tabindex="0"]').length`, &usable)
	const focused = `(() => { const e = document.activeElement, s = getComputedStyle(e), all = [...document.querySelectorAll('a[href], summary, [tabindex="0"]')];
		return {Index: all.indexOf(e), Name: e.tagName, Ring: s.outlineStyle != 'none' && parseFloat(s.outlineWidth) >= 2, Left: e.getBoundingClientRect().left, Named: !!(e.textContent.trim() || e.ariaLabel)} })()`
	var on struct {
		Index       int
		Name        string
		Ring, Named bool
		Left        float64
	}
	for i := range usable {
		b.press("Tab", 9, "")
		b.eval(focused, &on)
		if on.Index != i || !on.Ring || !on.Named || on.Left < 0 {
			t.Fatalf("after %d times Tab: %+v", i+1, on)
		}
	}
	if usable < 12 {
		t.Errorf("only %d elements can be used: the test proves little", usable)
	}
	var open, after bool
	b.eval(`(() => { const s = document.querySelector('details.object summary'); s.focus(); return s.parentElement.open })()`, &open)
	b.press("Enter", 13, "\r")
	if b.eval(`document.activeElement.parentElement.open`, &after); open == after {
		t.Error("Enter does not fold an object")
	}
	b.eval(`document.querySelector('.skip').focus(), true`, &open)
	b.press("Enter", 13, "\r")
	var at string
	if b.eval(`location.hash + ' ' + document.activeElement.id`, &at); at != "#changes-1 changes-1" {
		t.Errorf("the link that skips leads to %q", at)
	}
}

// TestHTMLHoldsOff: of hostile texts nothing becomes an element, and the page's
// policy would stop what did.
func TestHTMLHoldsOff(t *testing.T) {
	b := startBrowser(t)
	var all []Diff
	for _, text := range hostileTexts() {
		all = append(all, hostileDiff(text))
	}
	url := htmlPage(t, all...)
	b.open(url)
	if urls := b.loaded(); !slices.Equal(urls, []string{url}) {
		t.Errorf("the page loads %q", urls)
	}
	if said := b.complaints(); len(said) > 0 {
		t.Errorf("Chromium says\n%s", strings.Join(said, "\n"))
	}
	var articles, strange int
	b.eval(`document.querySelectorAll('main > article').length`, &articles)
	b.eval(`document.querySelectorAll('script, img, iframe, object, embed, link, form, base, svg, [src], [onerror], [onmouseover], [style], a:not([href^="#"])').length`, &strange)
	if articles != len(all) || strange != 0 {
		t.Errorf("%d articles of %d, %d elements that are not ours", articles, len(all), strange)
	}
	for what, element := range map[string]string{
		"script-src-elem": `Object.assign(document.createElement('script'), {textContent: 'document.title = "pwned"'})`,
		"img-src":         `Object.assign(new Image(), {src: 'http://127.0.0.1:9/x.png'})`,
		"style-src-elem":  `Object.assign(document.createElement('style'), {textContent: 'body {display: none}'})`,
	} {
		var stopped string
		b.eval(`new Promise(done => { document.addEventListener('securitypolicyviolation', e => done(e.effectiveDirective), {once: true}); document.body.append(`+element+`) })`, &stopped)
		if stopped != what {
			t.Errorf("the policy stops %q, want %q", stopped, what)
		}
	}
}

// lowContrast lists texts whose contrast to what is behind them is below 4.5.
const lowContrast = `(() => {
	const parse = c => { const m = c.match(/[\d.]+/g).map(Number); return {rgb: m.slice(0, 3), a: m.length > 3 ? m[3] : 1} };
	const light = c => { const [r, g, b] = c.map(v => (v /= 255) <= 0.03928 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4); return 0.2126 * r + 0.7152 * g + 0.0722 * b };
	const behind = e => { for (; e; e = e.parentElement) { const c = parse(getComputedStyle(e).backgroundColor); if (c.a > 0) return c.rgb } return [255, 255, 255] };
	const bad = [], walk = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
	while (walk.nextNode()) {
		const e = walk.currentNode.parentElement;
		if (!walk.currentNode.textContent.trim()) continue;
		const a = light(parse(getComputedStyle(e).color).rgb), b = light(behind(e)), ratio = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
		if (ratio < 4.5) bad.push(ratio.toFixed(2) + ': ' + walk.currentNode.textContent.trim().slice(0, 60));
	}
	return [...new Set(bad)];
})()`

// brightness is the mean of a picture, from 0 to 1. One that shows nothing is an
// error.
func brightness(t *testing.T, name string, shot []byte) float64 {
	t.Helper()
	picture, err := png.Decode(bytes.NewReader(shot))
	if err != nil {
		t.Fatal(err)
	}
	size := picture.Bounds()
	sum, n, seen := 0.0, 0, map[[3]uint32]bool{}
	for y := size.Min.Y; y < size.Max.Y; y += 2 {
		for x := size.Min.X; x < size.Max.X; x += 2 {
			r, g, b, _ := picture.At(x, y).RGBA()
			sum, n = sum+float64(r+g+b)/3/0xffff, n+1
			seen[[3]uint32{r >> 12, g >> 12, b >> 12}] = true
		}
	}
	if len(seen) < 8 {
		t.Errorf("%s: the picture has %d colours: nothing is to be seen", name, len(seen))
	}
	return sum / float64(n)
}
