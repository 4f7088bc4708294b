package main

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"io"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"time"
)

// request is what `certs` reads from its standard input: in order, each
// certificate is written to <dir>/<name>.crt and its key to <dir>/<name>.key.
type request struct {
	Dir          string        `json:"dir"`
	Certificates []certificate `json:"certificates"`
	// Keys are bare key pairs: <name>.key and <name>.pub.
	Keys []string `json:"keys"`
}

type certificate struct {
	Name string `json:"name"`
	// Issuer names another certificate, of this request or already in Dir;
	// empty makes a self-signed authority.
	Issuer       string   `json:"issuer"`
	CommonName   string   `json:"commonName"`
	Organization []string `json:"organization"`
	// Hosts are DNS names and IP addresses.
	Hosts  []string `json:"hosts"`
	Server bool     `json:"server"`
	Client bool     `json:"client"`
	// Seconds of validity; 0 is one year.
	Seconds int64 `json:"seconds"`
}

func writeCertificates(in io.Reader, out io.Writer) error {
	var wanted request
	decoder := json.NewDecoder(in)
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(&wanted); err != nil {
		return fmt.Errorf("certs: read the request: %w", err)
	}
	for _, c := range wanted.Certificates {
		if err := c.write(wanted.Dir); err != nil {
			return fmt.Errorf("certs: %s: %w", c.Name, err)
		}
	}
	for _, name := range wanted.Keys {
		if err := writeKeyPair(wanted.Dir, name); err != nil {
			return fmt.Errorf("certs: %s: %w", name, err)
		}
	}
	_, err := fmt.Fprintf(out, "%d certificates, %d keys\n", len(wanted.Certificates), len(wanted.Keys))
	return err
}

func (c certificate) write(dir string) error {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return err
	}
	serial, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 120))
	if err != nil {
		return err
	}
	validity := 365 * 24 * time.Hour
	if c.Seconds != 0 {
		validity = time.Duration(c.Seconds) * time.Second
	}
	now := time.Now()
	template := &x509.Certificate{
		SerialNumber: serial,
		Subject:      pkix.Name{CommonName: c.CommonName, Organization: c.Organization},
		// An hour back: clocks of two machines differ.
		NotBefore:             now.Add(-time.Hour),
		NotAfter:              now.Add(validity),
		KeyUsage:              x509.KeyUsageDigitalSignature,
		BasicConstraintsValid: true,
	}
	if c.Server {
		template.ExtKeyUsage = append(template.ExtKeyUsage, x509.ExtKeyUsageServerAuth)
	}
	if c.Client {
		template.ExtKeyUsage = append(template.ExtKeyUsage, x509.ExtKeyUsageClientAuth)
	}
	for _, host := range c.Hosts {
		if ip := net.ParseIP(host); ip != nil {
			template.IPAddresses = append(template.IPAddresses, ip)
		} else {
			template.DNSNames = append(template.DNSNames, host)
		}
	}
	parent, signer := template, crypto.Signer(key)
	if c.Issuer == "" {
		template.IsCA = true
		template.KeyUsage |= x509.KeyUsageCertSign | x509.KeyUsageCRLSign
	} else if parent, signer, err = readAuthority(dir, c.Issuer); err != nil {
		return err
	}
	der, err := x509.CreateCertificate(rand.Reader, template, parent, key.Public(), signer)
	if err != nil {
		return err
	}
	if err := writePrivateKey(dir, c.Name, key); err != nil {
		return err
	}
	return writePEM(filepath.Join(dir, c.Name+".crt"), "CERTIFICATE", der, 0o644)
}

func readAuthority(dir, name string) (*x509.Certificate, crypto.Signer, error) {
	der, err := readPEM(filepath.Join(dir, name+".crt"))
	if err != nil {
		return nil, nil, err
	}
	authority, err := x509.ParseCertificate(der)
	if err != nil {
		return nil, nil, err
	}
	if der, err = readPEM(filepath.Join(dir, name+".key")); err != nil {
		return nil, nil, err
	}
	key, err := x509.ParsePKCS8PrivateKey(der)
	if err != nil {
		return nil, nil, err
	}
	signer, ok := key.(crypto.Signer)
	if !ok {
		return nil, nil, fmt.Errorf("%s.key cannot sign", name)
	}
	return authority, signer, nil
}

func writeKeyPair(dir, name string) error {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return err
	}
	if err := writePrivateKey(dir, name, key); err != nil {
		return err
	}
	der, err := x509.MarshalPKIXPublicKey(key.Public())
	if err != nil {
		return err
	}
	return writePEM(filepath.Join(dir, name+".pub"), "PUBLIC KEY", der, 0o644)
}

func writePrivateKey(dir, name string, key *ecdsa.PrivateKey) error {
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return err
	}
	return writePEM(filepath.Join(dir, name+".key"), "PRIVATE KEY", der, 0o600)
}

func readPEM(path string) ([]byte, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	block, _ := pem.Decode(text)
	if block == nil {
		return nil, fmt.Errorf("%s holds no PEM block", path)
	}
	return block.Bytes, nil
}

func writePEM(path, kind string, der []byte, mode os.FileMode) error {
	return os.WriteFile(path, pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}), mode)
}
