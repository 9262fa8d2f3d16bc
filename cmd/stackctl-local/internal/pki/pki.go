// Package pki makes the keys, certificates and kubeconfigs of one throw-away
// control plane.
//
// There are two authorities on purpose. Users are signed by the authority the
// API server trusts; the store and the log server trust another one, so a test
// user with few rights cannot walk around the API server with the certificate
// it was given. Keys are ECDSA P-256: making one takes less than a millisecond.
package pki

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
	"net"
	"os"
	"time"
)

// validity bounds every certificate. A plane is meant to live for hours; a
// year leaves room for one that was forgotten.
const validity = 365 * 24 * time.Hour

// Pair is a PEM encoded certificate with its key.
type Pair struct {
	Cert, Key []byte
}

// Write stores the pair as base.crt and base.key, readable by the owner only.
func (p Pair) Write(base string) error {
	if err := os.WriteFile(base+".crt", p.Cert, 0o600); err != nil {
		return err
	}
	return os.WriteFile(base+".key", p.Key, 0o600)
}

// ReadPair reads what Write stored.
func ReadPair(base string) (Pair, error) {
	cert, err := os.ReadFile(base + ".crt")
	if err != nil {
		return Pair{}, err
	}
	key, err := os.ReadFile(base + ".key")
	return Pair{Cert: cert, Key: key}, err
}

// Authority signs certificates.
type Authority struct {
	Pair
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
}

// NewAuthority makes a self-signed authority.
func NewAuthority(name string) (*Authority, error) {
	template, err := newTemplate(name)
	if err != nil {
		return nil, err
	}
	template.IsCA = true
	template.BasicConstraintsValid = true
	template.KeyUsage = x509.KeyUsageCertSign | x509.KeyUsageDigitalSignature
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	pair, err := sign(template, template, key, key)
	if err != nil {
		return nil, err
	}
	return ParseAuthority(pair)
}

// ParseAuthority reads an authority back from its PEM form.
func ParseAuthority(pair Pair) (*Authority, error) {
	certBlock, _ := pem.Decode(pair.Cert)
	keyBlock, _ := pem.Decode(pair.Key)
	if certBlock == nil || keyBlock == nil {
		return nil, errors.New("certificate authority: not PEM")
	}
	cert, err := x509.ParseCertificate(certBlock.Bytes)
	if err != nil {
		return nil, fmt.Errorf("certificate authority: %w", err)
	}
	key, err := x509.ParsePKCS8PrivateKey(keyBlock.Bytes)
	if err != nil {
		return nil, fmt.Errorf("certificate authority: %w", err)
	}
	ecKey, ok := key.(*ecdsa.PrivateKey)
	if !ok {
		return nil, fmt.Errorf("certificate authority: unexpected key type %T", key)
	}
	return &Authority{Pair: pair, cert: cert, key: ecKey}, nil
}

// Pool returns a pool that trusts only this authority.
func (a *Authority) Pool() *x509.CertPool {
	pool := x509.NewCertPool()
	pool.AddCert(a.cert)
	return pool
}

// Server issues a certificate for a server that answers under hosts, which are
// names or addresses.
func (a *Authority) Server(name string, hosts ...string) (Pair, error) {
	return a.issue(name, nil, hosts, x509.ExtKeyUsageServerAuth)
}

// Peer issues a certificate that serves and dials: the store talks to itself.
func (a *Authority) Peer(name string, hosts ...string) (Pair, error) {
	return a.issue(name, nil, hosts, x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth)
}

// Client issues a certificate for a user, a member of groups.
func (a *Authority) Client(user string, groups ...string) (Pair, error) {
	return a.issue(user, groups, nil, x509.ExtKeyUsageClientAuth)
}

func (a *Authority) issue(name string, groups, hosts []string, usages ...x509.ExtKeyUsage) (Pair, error) {
	template, err := newTemplate(name)
	if err != nil {
		return Pair{}, err
	}
	template.Subject.Organization = groups
	template.KeyUsage = x509.KeyUsageDigitalSignature
	template.ExtKeyUsage = usages
	for _, host := range hosts {
		if ip := net.ParseIP(host); ip != nil {
			template.IPAddresses = append(template.IPAddresses, ip)
		} else {
			template.DNSNames = append(template.DNSNames, host)
		}
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return Pair{}, err
	}
	return sign(template, a.cert, key, a.key)
}

func newTemplate(name string) (*x509.Certificate, error) {
	serial, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 127))
	if err != nil {
		return nil, err
	}
	now := time.Now()
	return &x509.Certificate{
		SerialNumber: serial,
		Subject:      pkix.Name{CommonName: name},
		// An hour back: a clock that is set back a little must not lock us out.
		NotBefore: now.Add(-time.Hour),
		NotAfter:  now.Add(validity),
	}, nil
}

func sign(template, parent *x509.Certificate, key, parentKey *ecdsa.PrivateKey) (Pair, error) {
	cert, err := x509.CreateCertificate(rand.Reader, template, parent, &key.PublicKey, parentKey)
	if err != nil {
		return Pair{}, fmt.Errorf("certificate %s: %w", template.Subject.CommonName, err)
	}
	keyDER, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return Pair{}, err
	}
	return Pair{
		Cert: pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: cert}),
		Key:  pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: keyDER}),
	}, nil
}
