package ui

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"testing"
	"time"
)

// chromiumVariable set to "required" makes a test fail where there is no
// Chromium, as in CI; it is skipped elsewhere.
const chromiumVariable = "STACKCTL_CHROMIUM"

// browser is a headless Chromium with one page, spoken to by its own protocol
// over a pipe: nothing listens.
type browser struct {
	*testing.T
	to      io.Writer
	answers chan message
	session string
	last    int
	events  []message
}

type message struct {
	ID        int             `json:"id,omitempty"`
	Method    string          `json:"method,omitempty"`
	Params    json.RawMessage `json:"params,omitempty"`
	SessionID string          `json:"sessionId,omitempty"`
	Result    json.RawMessage `json:"result,omitempty"`
	Error     *struct{ Message string }
}

// startBrowser starts Chromium and ends it with the test.
func startBrowser(t *testing.T) *browser {
	t.Helper()
	path := ""
	for _, name := range []string{"chromium", "chromium-browser", "google-chrome"} {
		if found, err := exec.LookPath(name); err == nil {
			path = found
			break
		}
	}
	if path == "" {
		if os.Getenv(chromiumVariable) == "required" {
			t.Fatalf("there is no Chromium, and %s=required: install the package chromium", chromiumVariable)
		}
		t.Skipf("there is no Chromium: install the package chromium, or see CI, where %s=required", chromiumVariable)
	}
	in, toBrowser, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	fromBrowser, out, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	// The sandbox of Chromium does not start for root, nor in most containers.
	cmd := exec.Command(path, "--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run",
		"--disable-background-networking", "--disable-extensions", "--force-color-profile=srgb", "--hide-scrollbars",
		"--user-data-dir="+t.TempDir(), "--remote-debugging-pipe", "about:blank")
	cmd.ExtraFiles = []*os.File{in, out}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	in.Close()
	out.Close()
	b := &browser{T: t, to: toBrowser, answers: make(chan message, 1000)}
	t.Cleanup(func() {
		b.session = ""
		b.call("Browser.close", nil)
		toBrowser.Close()
		cmd.Wait()
	})
	go func() {
		defer close(b.answers)
		r := bufio.NewReader(fromBrowser)
		for {
			text, err := r.ReadBytes(0)
			if err != nil {
				return
			}
			var m message
			if json.Unmarshal(text[:len(text)-1], &m) == nil {
				b.answers <- m
			}
		}
	}()
	var target struct{ TargetID, SessionID string }
	b.result(&target, "Target.createTarget", map[string]any{"url": "about:blank"})
	b.result(&target, "Target.attachToTarget", map[string]any{"targetId": target.TargetID, "flatten": true})
	b.session = target.SessionID
	for _, domain := range []string{"Page", "Network", "Log", "Runtime"} {
		b.call(domain+".enable", nil)
	}
	return b
}

// call sends a command and waits for its answer.
func (b *browser) call(method string, params map[string]any) json.RawMessage {
	b.Helper()
	b.last++
	text, err := json.Marshal(map[string]any{"id": b.last, "method": method, "params": params, "sessionId": b.session})
	if params == nil {
		text, err = json.Marshal(map[string]any{"id": b.last, "method": method, "sessionId": b.session})
	}
	if err != nil {
		b.Fatal(err)
	}
	if _, err := b.to.Write(append(text, 0)); err != nil {
		b.Fatalf("%s: %v", method, err)
	}
	answer := b.next(method, func(m message) bool { return m.ID == b.last })
	if answer.Error != nil {
		b.Fatalf("%s: %s", method, answer.Error.Message)
	}
	return answer.Result
}

func (b *browser) result(to any, method string, params map[string]any) {
	b.Helper()
	if err := json.Unmarshal(b.call(method, params), to); err != nil {
		b.Fatalf("%s: %v", method, err)
	}
}

// next waits for a message and keeps the events that come before.
func (b *browser) next(what string, is func(message) bool) message {
	b.Helper()
	patience := time.After(2 * time.Minute)
	for {
		select {
		case m, ok := <-b.answers:
			switch {
			case !ok:
				b.Fatalf("%s: Chromium ended", what)
			case is(m):
				return m
			case m.Method != "":
				b.events = append(b.events, m)
			}
		case <-patience:
			b.Fatalf("%s: Chromium does not answer", what)
		}
	}
}

// open shows a page, and returns what happened meanwhile.
func (b *browser) open(url string) {
	b.Helper()
	b.events = nil
	b.call("Page.navigate", map[string]any{"url": url})
	for _, e := range b.events {
		if e.Method == "Page.loadEventFired" {
			return
		}
	}
	b.next("load "+url, func(m message) bool { return m.Method == "Page.loadEventFired" })
}

// eval returns what an expression in the page comes to.
func (b *browser) eval(expression string, to any) {
	b.Helper()
	var answer struct {
		Result           struct{ Value json.RawMessage }
		ExceptionDetails *struct {
			Text      string
			Exception struct{ Description string }
		}
	}
	b.result(&answer, "Runtime.evaluate", map[string]any{"expression": expression, "returnByValue": true, "awaitPromise": true})
	if answer.ExceptionDetails != nil {
		b.Fatalf("%s: %s", shorten(expression, 100), answer.ExceptionDetails.Exception.Description)
	}
	if err := json.Unmarshal(answer.Result.Value, to); err != nil {
		b.Fatalf("%s: %v in %s", shorten(expression, 100), err, answer.Result.Value)
	}
}

// press presses and releases a key.
func (b *browser) press(key string, code int, text string) {
	b.Helper()
	for _, kind := range []string{"keyDown", "keyUp"} {
		params := map[string]any{"type": kind, "key": key, "code": key, "windowsVirtualKeyCode": code}
		if text != "" && kind == "keyDown" {
			params["text"] = text
		}
		b.call("Input.dispatchKeyEvent", params)
	}
}

// look sets the colour scheme and the size of the page.
func (b *browser) look(scheme string, width, height int) {
	b.Helper()
	b.call("Emulation.setEmulatedMedia", map[string]any{"features": []any{map[string]any{"name": "prefers-color-scheme", "value": scheme}}})
	b.call("Emulation.setDeviceMetricsOverride", map[string]any{"width": width, "height": height, "deviceScaleFactor": 1, "mobile": false})
}

// screenshot returns the page as it looks, as a PNG.
func (b *browser) screenshot() []byte {
	b.Helper()
	var shot struct{ Data []byte }
	b.result(&shot, "Page.captureScreenshot", map[string]any{"format": "png"})
	return shot.Data
}

// loaded lists the addresses that the page asked for.
func (b *browser) loaded() (urls []string) {
	for _, e := range b.events {
		var request struct{ Request struct{ URL string } }
		if e.Method == "Network.requestWillBeSent" && json.Unmarshal(e.Params, &request) == nil {
			urls = append(urls, request.Request.URL)
		}
	}
	return urls
}

// complaints are what the browser says about the page.
func (b *browser) complaints() (all []string) {
	for _, e := range b.events {
		switch e.Method {
		case "Log.entryAdded", "Runtime.consoleAPICalled", "Runtime.exceptionThrown", "Page.javascriptDialogOpening":
			all = append(all, fmt.Sprintf("%s: %s", e.Method, e.Params))
		}
	}
	return all
}
