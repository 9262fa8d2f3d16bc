package render

import (
	corev1 "k8s.io/client-go/applyconfigurations/core/v1"
	rbacv1 "k8s.io/client-go/applyconfigurations/rbac/v1"
)

// serviceAccount emits the account of an app that has one of its own, and what
// it may do in the namespace of the stack.
func serviceAccount(c *scope) []any {
	account := c.app.Account
	if account == nil || isOff(account.Enabled) {
		return nil
	}
	if account.Enabled == nil && len(account.Annotations) == 0 && len(account.Rules) == 0 {
		return nil // one that exists
	}
	name := accountName(c)
	objects := one(corev1.ServiceAccount(name, c.namespace()).
		WithLabels(c.labels()).
		WithAnnotations(c.annotations(account.Annotations)))
	if len(account.Rules) == 0 {
		return objects
	}
	role := rbacv1.Role(c.app.Name, c.namespace()).WithLabels(c.labels()).WithAnnotations(c.annotations(nil))
	for _, raw := range account.Rules {
		rule := rbacv1.PolicyRule()
		c.into(raw, rule, "account", "rules")
		role.WithRules(rule)
	}
	return append(objects, role, rbacv1.RoleBinding(c.app.Name, c.namespace()).
		WithLabels(c.labels()).
		WithAnnotations(c.annotations(nil)).
		WithRoleRef(rbacv1.RoleRef().WithAPIGroup("rbac.authorization.k8s.io").WithKind("Role").WithName(c.app.Name)).
		WithSubjects(rbacv1.Subject().WithKind("ServiceAccount").WithName(name).WithNamespace(c.namespace())))
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
