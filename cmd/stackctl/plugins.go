package main

import (
	"fmt"
	"strings"

	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd/api"
)

// pluginsVariable says which programs a kubeconfig may run to authenticate:
// allow (the default), deny, or the allowed ones by name or path, separated by
// commas. It is no flag, since who chooses a kubeconfig in a command line is not
// who guards the machine it runs on.
const pluginsVariable = "STACKCTL_EXEC_PLUGINS"

// restrictPlugins makes the client library refuse the program that a kubeconfig
// names, unless the policy allows it.
func restrictPlugins(config *rest.Config, policy string) error {
	if config.ExecProvider == nil {
		return nil
	}
	switch policy {
	case "", "allow":
		return nil
	case "deny":
		config.ExecProvider.PluginPolicy = api.PluginPolicy{PolicyType: api.PluginPolicyDenyAll}
	default:
		allowed := api.PluginPolicy{PolicyType: api.PluginPolicyAllowlist}
		for name := range strings.SplitSeq(policy, ",") {
			if name = strings.TrimSpace(name); name == "" {
				return &usageError{msg: fmt.Sprintf("%s=%q names an empty program", pluginsVariable, policy), hint: "write allow, deny, or names separated by commas"}
			}
			allowed.Allowlist = append(allowed.Allowlist, api.AllowlistEntry{Command: name})
		}
		config.ExecProvider.PluginPolicy = allowed
	}
	return nil
}
