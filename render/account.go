package render

import rbac "k8s.io/api/rbac/v1"

// serviceAccount emits the account of an app that has one of its own, and what
// it may do in the namespace of the stack.
func serviceAccount(c *scope) []fields {
	account := c.app.Account
	if account == nil || isOff(account.Enabled) {
		return nil
	}
	if account.Enabled == nil && len(account.Annotations) == 0 && len(account.Rules) == 0 {
		return nil // one that exists
	}
	name := accountName(c)
	objects := []fields{c.object("v1", "ServiceAccount", metadata{name, c.labels(), c.annotations(account.Annotations)}, fields{})}
	if len(account.Rules) == 0 {
		return objects
	}
	var rules []fields
	for _, raw := range account.Rules {
		rule := fields{}
		overlay[rbac.PolicyRule](c, raw, rule, "account", "rules")
		rules = append(rules, rule)
	}
	meta := metadata{c.app.Name, c.labels(), c.annotations(nil)}
	return append(objects,
		c.object("rbac.authorization.k8s.io/v1", "Role", meta, fields{"rules": rules}),
		c.object("rbac.authorization.k8s.io/v1", "RoleBinding", meta, fields{
			"roleRef":  fields{"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": c.app.Name},
			"subjects": []fields{{"kind": "ServiceAccount", "name": name, "namespace": c.namespace()}},
		}))
}

// accountName is the account of the pods, "" for that of the namespace.
func accountName(c *scope) string {
	account := c.app.Account
	switch {
	case account == nil || isOff(account.Enabled):
		return ""
	case account.Name != "":
		return account.Name
	case account.Enabled != nil || len(account.Annotations) > 0 || len(account.Rules) > 0:
		return c.app.Name
	}
	return ""
}
