// Package pki makes the keys and certificates of a test cluster.
package pki

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"time"
)

// life of every certificate: longer than any test, short enough to be of no use to anybody else.
const life = 7 * 24 * time.Hour

// CA signs with one key what the parts of a cluster show each other.
type CA struct {
	certificate *x509.Certificate
	key         *ecdsa.PrivateKey
}

// Pair is a certificate with its key, both as PEM.
type Pair struct {
	Certificate, Key []byte
}

// Files is where a Pair was written to.
type Files struct {
	Certificate, Key string
}

// NewCA makes one that nobody else knows.
func NewCA() (*CA, error) {
	key, err := newKey()
	if err != nil {
		return nil, err
	}
	template := template(pkix.Name{CommonName: "test-cluster-ca"})
	template.IsCA = true
	template.BasicConstraintsValid = true
	template.KeyUsage |= x509.KeyUsageCertSign
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		return nil, err
	}
	certificate, err := x509.ParseCertificate(der)
	return &CA{certificate, key}, err
}

// PEM is the CA's own certificate.
func (c *CA) PEM() []byte { return encode("CERTIFICATE", c.certificate.Raw) }

// Client makes a certificate that the API server takes for the user with the groups.
func (c *CA) Client(user string, groups ...string) (Pair, error) {
	template := template(pkix.Name{CommonName: user, Organization: groups})
	template.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}
	return c.sign(template)
}

// Server makes a certificate for host names and IP addresses.
func (c *CA) Server(commonName string, names ...string) (Pair, error) {
	template := template(pkix.Name{CommonName: commonName})
	template.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}
	for _, name := range names {
		if address := net.ParseIP(name); address != nil {
			template.IPAddresses = append(template.IPAddresses, address)
		} else {
			template.DNSNames = append(template.DNSNames, name)
		}
	}
	return c.sign(template)
}

func (c *CA) sign(template *x509.Certificate) (Pair, error) {
	key, err := newKey()
	if err != nil {
		return Pair{}, err
	}
	der, err := x509.CreateCertificate(rand.Reader, template, c.certificate, key.Public(), c.key)
	if err != nil {
		return Pair{}, err
	}
	private, err := x509.MarshalECPrivateKey(key)
	return Pair{encode("CERTIFICATE", der), encode("EC PRIVATE KEY", private)}, err
}

// SigningKey makes the pair of keys for service account tokens: the private one and the public one as PEM.
func SigningKey() (private, public []byte, err error) {
	key, err := newKey()
	if err != nil {
		return nil, nil, err
	}
	privateDER, err := x509.MarshalECPrivateKey(key)
	if err != nil {
		return nil, nil, err
	}
	publicDER, err := x509.MarshalPKIXPublicKey(key.Public())
	return encode("EC PRIVATE KEY", privateDER), encode("PUBLIC KEY", publicDER), err
}

// Write puts the pair into a folder as NAME.crt and NAME.key.
func (p Pair) Write(folder, name string) (Files, error) {
	files := Files{filepath.Join(folder, name+".crt"), filepath.Join(folder, name+".key")}
	if err := os.MkdirAll(folder, 0o700); err != nil {
		return files, err
	}
	if err := os.WriteFile(files.Key, p.Key, 0o600); err != nil {
		return files, err
	}
	return files, os.WriteFile(files.Certificate, p.Certificate, 0o644)
}

func newKey() (*ecdsa.PrivateKey, error) { return ecdsa.GenerateKey(elliptic.P256(), rand.Reader) }

func template(subject pkix.Name) *x509.Certificate {
	serial, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 120))
	if err != nil {
		panic(err) // The standard library's reader never fails.
	}
	now := time.Now()
	return &x509.Certificate{
		SerialNumber: serial,
		Subject:      subject,
		// A clock that was set back a little is no reason to fail.
		NotBefore: now.Add(-time.Hour),
		NotAfter:  now.Add(life),
		KeyUsage:  x509.KeyUsageDigitalSignature,
	}
}

func encode(kind string, der []byte) []byte {
	return pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der})
}
