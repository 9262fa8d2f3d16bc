package torture

import (
	"bytes"
	"compress/gzip"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"

	v1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/metadata"
	"k8s.io/client-go/rest"

	"stackctl.dev/stackctl/apply"
)

// State is what is in the cluster about one stack. The engine's help is taken
// for what a record is worth and how the history shows it; all else is read
// from the API server.
type State struct {
	Objects []Object // with the owner labels of the stack
	Records []Record // in order of their numbers
	Holder  string   // of the Lease; empty when it is free or not there
}

// Object is one live object.
type Object struct {
	Key             string // resource namespace/name
	UID             string
	ResourceVersion string
	Deleting        bool
}

// Record is one revision on record.
type Record struct {
	Number    int
	Status    string   // as the history shows it
	Label     string   // the status on its index, as it is
	Error     string   // why it cannot be read or is not what was written
	Objects   []string // keys of what it wanted
	Inventory []Item
}

// Item is an entry of an inventory.
type Item struct{ Key, UID string }

// ownable are the kinds of the stacks of the campaigns, by resource.
var ownable = map[schema.GroupVersionResource]string{
	{Version: "v1", Resource: "configmaps"}:                                       "ConfigMap",
	{Version: "v1", Resource: "secrets"}:                                          "Secret",
	{Version: "v1", Resource: "services"}:                                         "Service",
	{Version: "v1", Resource: "serviceaccounts"}:                                  "ServiceAccount",
	{Group: "apps", Version: "v1", Resource: "deployments"}:                       "Deployment",
	{Group: "apps", Version: "v1", Resource: "statefulsets"}:                      "StatefulSet",
	{Group: "batch", Version: "v1", Resource: "jobs"}:                             "Job",
	{Group: "policy", Version: "v1", Resource: "poddisruptionbudgets"}:            "PodDisruptionBudget",
	{Group: "networking.k8s.io", Version: "v1", Resource: "networkpolicies"}:      "NetworkPolicy",
	{Group: "networking.k8s.io", Version: "v1", Resource: "ingresses"}:            "Ingress",
	{Group: "autoscaling", Version: "v2", Resource: "horizontalpodautoscalers"}:   "HorizontalPodAutoscaler",
	{Group: "rbac.authorization.k8s.io", Version: "v1", Resource: "roles"}:        "Role",
	{Group: "rbac.authorization.k8s.io", Version: "v1", Resource: "rolebindings"}: "RoleBinding",
}

// ReadState reads what is in the cluster about a stack.
func ReadState(ctx context.Context, config *rest.Config, stack apply.Stack) (*State, error) {
	s := &State{}
	var err error
	if s.Objects, err = ownedObjects(ctx, config, stack); err != nil {
		return nil, err
	}
	client, err := kubernetes.NewForConfig(config)
	if err != nil {
		return nil, err
	}
	if s.Records, err = readRecords(ctx, config, client, stack); err != nil {
		return nil, err
	}
	lease, err := client.CoordinationV1().Leases(stack.Namespace).Get(ctx, "stackctl."+stack.Name, metav1.GetOptions{})
	if apierrors.IsNotFound(err) {
		return s, nil
	}
	if err == nil && lease.Spec.HolderIdentity != nil {
		s.Holder = *lease.Spec.HolderIdentity
	}
	return s, err
}

func ownedObjects(ctx context.Context, config *rest.Config, stack apply.Stack) ([]Object, error) {
	client, err := metadata.NewForConfig(config)
	if err != nil {
		return nil, err
	}
	selector := fmt.Sprintf("%s=%s,%s=%s", apply.LabelStack, stack.Name, apply.LabelNamespace, stack.Namespace)
	var all []Object
	for gvr, kind := range ownable {
		list, err := client.Resource(gvr).Namespace(stack.Namespace).List(ctx, metav1.ListOptions{LabelSelector: selector})
		if err != nil {
			return nil, err
		}
		for i := range list.Items {
			o := &list.Items[i]
			if metav1.GetControllerOf(o) == nil {
				all = append(all, Object{Key: keyOf(kind, o.Namespace, o.Name), UID: string(o.UID), ResourceVersion: o.ResourceVersion, Deleting: o.DeletionTimestamp != nil})
			}
		}
	}
	slices.SortFunc(all, func(a, b Object) int { return strings.Compare(a.Key, b.Key) })
	return all, nil
}

func keyOf(kind, namespace, name string) string { return kind + " " + namespace + "/" + name }

// kindOf returns the kind of a resource in the audit log.
func kindOf(group, resource string) string {
	for gvr, kind := range ownable {
		if gvr.Group == group && gvr.Resource == resource {
			return kind
		}
	}
	return resource
}

// readRecords reads the revisions. That a record is what was written is judged
// by the engine; what its inventory lists is read here.
func readRecords(ctx context.Context, config *rest.Config, client *kubernetes.Clientset, stack apply.Stack) ([]Record, error) {
	engine, err := apply.New(config, stack, apply.Options{})
	if err != nil {
		return nil, err
	}
	list, err := client.CoreV1().Secrets(stack.Namespace).List(ctx, metav1.ListOptions{})
	if err != nil {
		return nil, err
	}
	secrets := map[string]*v1.Secret{}
	for i := range list.Items {
		secrets[list.Items[i].Name] = &list.Items[i]
	}
	history, err := engine.History(ctx)
	if err != nil {
		return nil, err
	}
	shown := map[int]string{}
	for _, s := range history {
		shown[s.Revision] = string(s.Status)
	}
	var records []Record
	for name, secret := range secrets {
		number, ok := strings.CutPrefix(name, "stackctl."+stack.Name+".v")
		n, err := strconv.Atoi(number)
		if !ok || err != nil {
			continue
		}
		r := Record{Number: n, Status: shown[n], Label: secret.Labels["stackctl.dev/status"]}
		if rev, err := engine.Revision(ctx, n); err != nil {
			r.Error = err.Error()
		} else {
			for _, o := range rev.Objects {
				r.Objects = append(r.Objects, keyOf(o.GetKind(), o.GetNamespace(), o.GetName()))
			}
		}
		if r.Inventory, err = inventory(stack, secret, secrets); err != nil && r.Error == "" {
			r.Error = err.Error()
		}
		records = append(records, r)
	}
	slices.SortFunc(records, func(a, b Record) int { return a.Number - b.Number })
	return records, nil
}

// inventory reads the inventory of a record, from its index or its chunks.
func inventory(stack apply.Stack, secret *v1.Secret, secrets map[string]*v1.Secret) ([]Item, error) {
	var index struct {
		Parts map[string]struct {
			Inline bool
			Blocks []struct{ SHA256 string }
		}
	}
	if err := json.Unmarshal(secret.Data["index"], &index); err != nil {
		return nil, err
	}
	part := index.Parts["inventory"]
	compressed := [][]byte{secret.Data["inventory"]}
	if !part.Inline {
		compressed = nil
		for _, b := range part.Blocks {
			name := "stackctl." + stack.Name + ".c-" + b.SHA256[:40]
			if secrets[name] == nil {
				return nil, fmt.Errorf("chunk %s is missing", name)
			}
			compressed = append(compressed, secrets[name].Data["chunk"])
		}
	}
	var text []byte
	for _, block := range compressed {
		reader, err := gzip.NewReader(bytes.NewReader(block))
		if err != nil {
			return nil, err
		}
		more, err := io.ReadAll(reader)
		if err != nil {
			return nil, err
		}
		text = append(text, more...)
	}
	var items []struct {
		apply.ObjectKey
		UID string `json:"uid"`
	}
	if err := json.Unmarshal(text, &items); err != nil {
		return nil, err
	}
	all := make([]Item, len(items))
	for i, item := range items {
		all[i] = Item{keyOf(item.Kind, item.Namespace, item.Name), item.UID}
	}
	return all, nil
}
