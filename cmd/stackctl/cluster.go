package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"maps"
	"net/url"
	"os"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
	"k8s.io/client-go/tools/clientcmd/api"
	"k8s.io/klog/v2"

	"stackctl.dev/stackctl/apply"
	"stackctl.dev/stackctl/cmd/internal/ui"
)

// quiet keeps the client libraries from writing to stderr by themselves: what
// a user should know comes as an error or a warning of the plan. It sets what is
// the process's, so only main calls it: two runs in one process would race.
func quiet() {
	klog.LogToStderr(false)
	klog.SetOutput(io.Discard)
	flags := flag.NewFlagSet("", flag.ContinueOnError)
	klog.InitFlags(flags)
	_ = flags.Set("stderrthreshold", "FATAL") // else errors go there whatever the output is
	rest.SetDefaultWarningHandler(rest.NoWarnings{})
}

// clusterFlags choose a cluster and a namespace, as kubectl's do. Nothing is
// read before [clusterFlags.connect].
type clusterFlags struct {
	kubeconfig, context, namespace string
	cluster, user                  string
	as                             string
	asGroup                        []string
}

func (f *clusterFlags) set(c *cobra.Command) {
	flags := pflag.NewFlagSet("", pflag.ContinueOnError)
	flags.StringVar(&f.kubeconfig, "kubeconfig", "", "path of the kubeconfig `FILE`")
	flags.StringVar(&f.context, "context", "", "`NAME` of the kubeconfig context")
	flags.StringVar(&f.cluster, "cluster", "", "`NAME` of the kubeconfig cluster")
	flags.StringVar(&f.user, "user", "", "`NAME` of the kubeconfig user")
	flags.VarP((*namespaceName)(&f.namespace), "namespace", "n", "`NAME` of the stack's namespace; else the file's, else the context's")
	flags.StringVar(&f.as, "as", "", "`USER` to act as")
	flags.StringArrayVar(&f.asGroup, "as-group", nil, "`GROUP` to act as; may be repeated")
	setGroup(flags, clusterGroup)
	c.Flags().AddFlagSet(flags)
	completeFlag(c, "context", f.completeContext)
	completeFlag(c, "namespace", cobra.NoFileCompletions)
}

// loader returns the configuration of clients that the kubeconfig and the flags
// stand for; it is read when it is asked something.
func (f *clusterFlags) loader() clientcmd.ClientConfig {
	rules := clientcmd.NewDefaultClientConfigLoadingRules()
	rules.ExplicitPath = f.kubeconfig
	rules.DefaultClientConfig = &clientcmd.DefaultClientConfig // by which it knows that nothing is configured
	return clientcmd.NewNonInteractiveDeferredLoadingClientConfig(rules, &clientcmd.ConfigOverrides{
		ClusterDefaults: clientcmd.ClusterDefaults,
		CurrentContext:  f.context,
		Context:         api.Context{Cluster: f.cluster, AuthInfo: f.user, Namespace: f.namespace},
		AuthInfo:        api.AuthInfo{Impersonate: f.as, ImpersonateGroups: f.asGroup},
	})
}

// connection is a cluster as the kubeconfig and the flags name it. Having one
// does not mean that the cluster answers.
type connection struct {
	config    *rest.Config
	context   string
	namespace string // the one of -n, else of the context
}

// connect reads the kubeconfig.
func (f *clusterFlags) connect() (*connection, error) {
	loader := f.loader()
	raw, err := loader.RawConfig()
	if err != nil {
		return nil, &clusterError{msg: "read the kubeconfig: " + err.Error(), err: err}
	}
	name := raw.CurrentContext
	if f.context != "" {
		name = f.context
	}
	if len(raw.Clusters) == 0 && len(raw.Contexts) == 0 {
		if os.Getenv("KUBERNETES_SERVICE_HOST") == "" {
			return nil, f.noKubeconfig(loader.ConfigAccess())
		}
		name = "in-cluster"
	} else if _, ok := raw.Contexts[name]; !ok {
		return nil, noContext(name, slices.Sorted(maps.Keys(raw.Contexts)))
	}
	config, err := loader.ClientConfig()
	if err != nil {
		return nil, &clusterError{msg: fmt.Sprintf("context %s: %v", name, err), err: err, hint: "look at `kubectl config view`"}
	}
	if err := restrictPlugins(config, os.Getenv(pluginsVariable)); err != nil {
		return nil, err
	}
	config.UserAgent = "stackctl/" + toolVersion() + " run=" + runID
	namespace, _, err := loader.Namespace()
	if err != nil {
		return nil, &clusterError{msg: fmt.Sprintf("context %s: %v", name, err), err: err}
	}
	return &connection{config: config, context: name, namespace: namespace}, nil
}

func (f *clusterFlags) noKubeconfig(access clientcmd.ConfigAccess) error {
	var looked []string
	if f.kubeconfig != "" {
		looked = []string{f.kubeconfig}
	} else {
		looked = access.GetLoadingPrecedence()
	}
	return &clusterError{
		msg:  "no cluster is configured: there is no context in " + strings.Join(looked, ", "),
		hint: "name a kubeconfig with --kubeconfig or KUBECONFIG; `stackctl-local up` starts a cluster to try",
	}
}

func noContext(name string, known []string) error {
	if name == "" {
		return &clusterError{msg: "the kubeconfig names no current context", hint: "choose one with --context: " + strings.Join(known, ", ")}
	}
	return &usageError{msg: fmt.Sprintf("there is no context %q in the kubeconfig", name), hint: "there are " + strings.Join(known, ", ")}
}

// insecure returns a warning about a connection that anybody on the way can
// read or change, "" when there is none.
func (c *connection) insecure() string {
	switch {
	case c.config.Insecure:
		return "the certificate of " + c.config.Host + " is not verified: anybody on the way can take the server's place"
	case strings.HasPrefix(c.config.Host, "http://"):
		return c.config.Host + " is not encrypted: anybody on the way can read and change what is sent"
	}
	return ""
}

// warn tells about an insecure connection.
func (c *connection) warn(e *env) {
	if w := c.insecure(); w != "" {
		fmt.Fprintf(e.stderr, "warning: %s\n", ui.Clean(w))
	}
}

// clusterError says that the cluster cannot be used, and how to look into it.
type clusterError struct {
	msg, hint string
	err       error
}

func (e *clusterError) Error() string { return e.msg }
func (e *clusterError) Hint() string  { return e.hint }
func (e *clusterError) Unwrap() error { return e.err }

// explain turns errors of the way to the cluster into one clear line. Others
// are returned as they are.
func (c *connection) explain(err error) error {
	var (
		transport   *url.Error
		notRecorded *apply.NotRecordedError
		lockLost    *apply.LockLostError
		notReady    *apply.NotReadyError
		answer      *apply.AnswerError
	)
	switch {
	case err == nil || errors.Is(err, context.Canceled):
		return err
	case errors.As(err, &notRecorded), errors.As(err, &lockLost), errors.As(err, &notReady):
		return err // what was done matters more than how the way was lost
	case errors.As(err, &answer):
		return &clusterError{msg: answer.Error(), hint: answer.Hint(), err: err}
	case errors.As(err, &transport):
		return &clusterError{
			msg:  fmt.Sprintf("cannot reach the cluster of context %s at %s: %v", c.context, c.config.Host, transport.Err) + beyond(err),
			hint: "check with `kubectl cluster-info --context " + c.context + "`, or choose another cluster with --context",
			err:  err,
		}
	case errors.Is(err, context.DeadlineExceeded):
		return &clusterError{
			msg:  fmt.Sprintf("the cluster of context %s at %s does not answer in time: %v", c.context, c.config.Host, err),
			hint: "check with `kubectl cluster-info --context " + c.context + "`",
			err:  err,
		}
	case apierrors.IsUnauthorized(err):
		return &clusterError{
			msg:  fmt.Sprintf("the cluster at %s does not accept the credentials of context %s", c.config.Host, c.context) + beyond(err),
			hint: "log in again, or choose another user with --context or --user",
			err:  err,
		}
	}
	return err
}

// beyond returns what an error says after its first line, such as what became
// of the record of a run.
func beyond(err error) string {
	if _, rest, ok := strings.Cut(err.Error(), "\n"); ok {
		return "\n" + rest
	}
	return ""
}
