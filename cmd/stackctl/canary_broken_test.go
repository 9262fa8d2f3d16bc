//go:build unix

package main

import (
	"encoding/json"
	"net/http"
	"strings"
	"syscall"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

func init() { canaryStories["a run breaks off"] = aRunBreaksOff }

// aRunBreaksOff has an API server that takes the dry-run and refuses the write,
// saying what was in it; one that does not take the end of a run; and runs that
// are interrupted.
func aRunBreaksOff(w *canaryWorld) {
	f := w.path("stack.yaml")
	r := newRelay(w.T, w.plane)
	direct := w.kubeconfig
	w.kubeconfig = r.kubeconfig(w.T, w.namespace)

	w.refuse(r, func(req *http.Request) bool {
		return req.Method == http.MethodPatch && strings.HasSuffix(req.URL.Path, "/secrets/login") && req.URL.Query().Get("dryRun") == ""
	})
	w.once("refused write", 3, "apply", "-f", f)
	w.once("refused write", 3, "apply", "-f", f, "-o", "json")
	w.execute(true, "refused write", 3, "apply", "-f", f, "--keep-going")
	w.once("refused write", 3, "apply", "-f", f, "--keep-going", "-o", "json")

	w.refuse(r, ends)
	w.shows(w.once("not recorded", 7, "apply", "-f", f, "--keep-going"), "what was done is in stackctl-recovery-shop-")
	w.edit("stack.yaml", "web:v1", "web:v2")
	w.once("not recorded", 7, "apply", "-f", f, "-o", "json")
	w.files("work")
	r.stop.Store(nil)
	w.kubeconfig = direct
	w.formats("table json yaml", "", anyCode, "status", "shop")

	w.edit("stack.yaml", "web:v2", "web:never-ready")
	for _, format := range []string{"text", "json"} {
		w.edit("stack.yaml", "      COPY:", "      "+strings.ToUpper(format)+": x\n      COPY:")
		begun := len(w.revisions())
		done := make(chan bool)
		go func() { // the run catches it as soon as it has recorded something
			defer close(done)
			for deadline := time.Now().Add(time.Minute); len(w.revisions()) == begun; time.Sleep(50 * time.Millisecond) {
				if time.Now().After(deadline) {
					w.Error("no run began")
					return
				}
			}
			if err := syscall.Kill(syscall.Getpid(), syscall.SIGTERM); err != nil {
				w.Error(err)
			}
		}()
		w.once("interrupted", 143, "apply", "-f", f, "-o", format)
		<-done
	}
	w.stackctl("", 0, "history", "shop", "-o", "json")
	w.cluster()
}

// refuse has the relay refuse some requests, with secrets in its answer.
func (w *canaryWorld) refuse(r *relay, which func(*http.Request) bool) {
	stop := func(rw http.ResponseWriter, req *http.Request) bool {
		if !which(req) {
			return false
		}
		message := "not today: " + strings.Join([]string{canaryPlain, canaryEncodedText(), canaryRegistry, canaryEnv, canaryFile + " and more than a few letters", canaryLiteral}, " ")
		rw.Header().Set("Content-Type", "application/json")
		rw.WriteHeader(http.StatusForbidden)
		_, _ = rw.Write(must(json.Marshal(metav1.Status{
			TypeMeta: metav1.TypeMeta{Kind: "Status", APIVersion: "v1"}, Status: metav1.StatusFailure, Reason: metav1.StatusReasonForbidden, Code: http.StatusForbidden, Message: message,
		})))
		return true
	}
	r.stop.Store(&stop)
}

// revisions are the names of the records' indexes.
func (w *canaryWorld) revisions() (names []string) {
	list := must(w.plane.Client().CoreV1().Secrets(w.namespace).List(w.Context(), metav1.ListOptions{FieldSelector: "type=stackctl.dev/revision"}))
	for i := range list.Items {
		names = append(names, list.Items[i].Name)
	}
	return names
}
