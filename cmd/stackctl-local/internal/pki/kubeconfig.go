package pki

import (
	"k8s.io/client-go/tools/clientcmd"
	"k8s.io/client-go/tools/clientcmd/api"
)

// contextName is what clients show as the name of the cluster.
const contextName = "stackctl-local"

// Kubeconfig returns the YAML of a kubeconfig for one user. It holds the
// certificate itself, so it works from any directory.
func Kubeconfig(server string, authority []byte, user string, client Pair) ([]byte, error) {
	config := api.NewConfig()
	config.Clusters[contextName] = &api.Cluster{Server: server, CertificateAuthorityData: authority}
	config.AuthInfos[user] = &api.AuthInfo{ClientCertificateData: client.Cert, ClientKeyData: client.Key}
	config.Contexts[contextName] = &api.Context{Cluster: contextName, AuthInfo: user}
	config.CurrentContext = contextName
	return clientcmd.Write(*config)
}
