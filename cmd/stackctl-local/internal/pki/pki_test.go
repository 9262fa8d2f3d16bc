package pki

import (
	"crypto/x509"
	"encoding/pem"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"k8s.io/client-go/tools/clientcmd"
)

func TestIssue(t *testing.T) {
	authority, err := NewAuthority("test")
	if err != nil {
		t.Fatal(err)
	}
	other, err := NewAuthority("other")
	if err != nil {
		t.Fatal(err)
	}
	server, err := authority.Server("api", "127.0.0.1", "localhost")
	if err != nil {
		t.Fatal(err)
	}
	client, err := authority.Client("ann", "dev", "ops")
	if err != nil {
		t.Fatal(err)
	}

	for _, tt := range []struct {
		reason string
		pair   Pair
		roots  *Authority
		host   string
		usage  x509.ExtKeyUsage
		ok     bool
	}{
		{"a server is trusted by its address", server, authority, "127.0.0.1", x509.ExtKeyUsageServerAuth, true},
		{"a server is trusted by its name", server, authority, "localhost", x509.ExtKeyUsageServerAuth, true},
		{"a server is not trusted elsewhere", server, authority, "10.0.0.1", x509.ExtKeyUsageServerAuth, false},
		{"a server certificate does not log in", server, authority, "", x509.ExtKeyUsageClientAuth, false},
		{"a user logs in", client, authority, "", x509.ExtKeyUsageClientAuth, true},
		{"a user certificate does not serve", client, authority, "", x509.ExtKeyUsageServerAuth, false},
		{"the other authority does not vouch for the user", client, other, "", x509.ExtKeyUsageClientAuth, false},
	} {
		_, err := parse(t, tt.pair).Verify(x509.VerifyOptions{Roots: tt.roots.Pool(), DNSName: tt.host, KeyUsages: []x509.ExtKeyUsage{tt.usage}})
		if (err == nil) != tt.ok {
			t.Errorf("%s: got error %v", tt.reason, err)
		}
	}
	if got := parse(t, client).Subject; got.CommonName != "ann" || !slices.Equal(got.Organization, []string{"dev", "ops"}) {
		t.Errorf("subject is %v, want ann in dev and ops", got)
	}
}

func TestPairFilesArePrivateAndReadBack(t *testing.T) {
	authority, err := NewAuthority("test")
	if err != nil {
		t.Fatal(err)
	}
	base := filepath.Join(t.TempDir(), "ca")
	if err := authority.Write(base); err != nil {
		t.Fatal(err)
	}
	for _, suffix := range []string{".crt", ".key"} {
		info, err := os.Stat(base + suffix)
		if err != nil {
			t.Fatal(err)
		}
		if info.Mode().Perm() != 0o600 {
			t.Errorf("%s has mode %v, want 0600", suffix, info.Mode())
		}
	}
	pair, err := ReadPair(base)
	if err != nil {
		t.Fatal(err)
	}
	again, err := ParseAuthority(pair)
	if err != nil {
		t.Fatal(err)
	}
	client, err := again.Client("ann")
	if err != nil {
		t.Fatal(err)
	}
	options := x509.VerifyOptions{Roots: authority.Pool(), KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}}
	if _, err := parse(t, client).Verify(options); err != nil {
		t.Errorf("an authority read back signs with another key: %v", err)
	}
}

func TestKubeconfig(t *testing.T) {
	authority, err := NewAuthority("test")
	if err != nil {
		t.Fatal(err)
	}
	client, err := authority.Client("ann")
	if err != nil {
		t.Fatal(err)
	}
	text, err := Kubeconfig("https://127.0.0.1:1234", authority.Cert, "ann", client)
	if err != nil {
		t.Fatal(err)
	}
	config, err := clientcmd.RESTConfigFromKubeConfig(text)
	if err != nil {
		t.Fatal(err)
	}
	if config.Host != "https://127.0.0.1:1234" || config.Insecure || len(config.CAData) == 0 || len(config.CertData) == 0 || len(config.KeyData) == 0 || config.BearerToken != "" {
		t.Errorf("kubeconfig does not say who and where: %+v", config)
	}
}

func parse(t *testing.T, pair Pair) *x509.Certificate {
	t.Helper()
	block, _ := pem.Decode(pair.Cert)
	cert, err := x509.ParseCertificate(block.Bytes)
	if err != nil {
		t.Fatal(err)
	}
	return cert
}
