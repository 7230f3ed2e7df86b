package main

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"time"

	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	"rolecall.dev/cluster/internal/pki"
)

// plane is the control plane: three parts, and what is needed to talk to them.
type plane struct {
	dir     string
	program string
	ca      *pki.CA
	caFile  string
	// server is the URL of the API server.
	server   string
	auditLog string

	etcd, apiserver, manager *part

	admin  pki.Pair
	client *kubernetes.Clientset
	probe  *http.Client
}

// files are what the parts read.
type files struct {
	serving, serviceAccount pki.Files
	serviceAccountPublic    string
	auditPolicy             string
	managerKubeconfig       string
}

// newPlane writes everything into the folder and starts nothing.
func newPlane(dir, program string) (*plane, error) {
	p := &plane{dir: dir, program: program, auditLog: filepath.Join(dir, "audit.log")}
	for _, folder := range []string{"logs", "pki", "kubeconfigs"} {
		if err := os.MkdirAll(filepath.Join(dir, folder), 0o700); err != nil {
			return nil, err
		}
	}
	ports, err := freePorts(4)
	if err != nil {
		return nil, err
	}
	etcdClient, etcdPeer := "http://"+ports[0], "http://"+ports[1]
	p.server = "https://" + ports[2]
	files, err := p.write()
	if err != nil {
		return nil, err
	}
	if err := p.connect(); err != nil {
		return nil, err
	}
	p.etcd = p.part("etcd", p.etcdReady(etcdClient),
		"--dir="+filepath.Join(dir, "etcd"), "--client="+etcdClient, "--peer="+etcdPeer)
	p.apiserver = p.part("apiserver", p.apiserverReady, p.apiserverFlags(etcdClient, ports[2], files)...)
	p.manager = p.part("controller-manager", p.managerReady("https://"+ports[3]+"/healthz"), p.managerFlags(ports[3], files)...)
	return p, nil
}

func (p *plane) part(name string, ready func(context.Context) error, arguments ...string) *part {
	log := filepath.Join(p.dir, "logs", name+".log")
	return &part{name: name, program: p.program, arguments: arguments, log: log, ready: ready}
}

// parts are in the order in which they start.
func (p *plane) parts() []*part { return []*part{p.etcd, p.apiserver, p.manager} }

// write makes the keys, certificates and files that the parts need.
func (p *plane) write() (files, error) {
	var files files
	folder := filepath.Join(p.dir, "pki")
	var err error
	if p.ca, err = pki.NewCA(); err != nil {
		return files, err
	}
	p.caFile = filepath.Join(folder, "ca.crt")
	if err = os.WriteFile(p.caFile, p.ca.PEM(), 0o644); err != nil {
		return files, err
	}
	serving, err := p.ca.Server("kube-apiserver", "127.0.0.1", "10.0.0.1", "localhost",
		"kubernetes", "kubernetes.default", "kubernetes.default.svc", "kubernetes.default.svc.cluster.local")
	if err != nil {
		return files, err
	}
	if files.serving, err = serving.Write(folder, "serving"); err != nil {
		return files, err
	}
	private, public, err := pki.SigningKey()
	if err != nil {
		return files, err
	}
	files.serviceAccount.Key = filepath.Join(folder, "service-account.key")
	files.serviceAccountPublic = filepath.Join(folder, "service-account.pub")
	files.auditPolicy = filepath.Join(p.dir, "audit-policy.yaml")
	for path, text := range map[string][]byte{
		files.serviceAccount.Key:   private,
		files.serviceAccountPublic: public,
		files.auditPolicy:          []byte(auditPolicy),
	} {
		if err = os.WriteFile(path, text, 0o600); err != nil {
			return files, err
		}
	}
	manager, err := p.ca.Client("system:kube-controller-manager")
	if err != nil {
		return files, err
	}
	if files.managerKubeconfig, err = p.kubeconfig("controller-manager", credentials(manager)); err != nil {
		return files, err
	}
	p.admin, err = p.ca.Client("admin", "system:masters")
	return files, err
}

// connect prepares the clients that act as the administrator.
func (p *plane) connect() error {
	certificate, err := tls.X509KeyPair(p.admin.Certificate, p.admin.Key)
	if err != nil {
		return err
	}
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(p.ca.PEM())
	p.probe = &http.Client{
		Timeout: 2 * time.Second,
		Transport: &http.Transport{
			TLSClientConfig: &tls.Config{RootCAs: roots, Certificates: []tls.Certificate{certificate}},
			// Each question stands for itself: an old connection says nothing of a part that was started again.
			DisableKeepAlives: true,
		},
	}
	p.client, err = kubernetes.NewForConfig(&rest.Config{
		Host: p.server,
		QPS:  -1,
		TLSClientConfig: rest.TLSClientConfig{
			CAData: p.ca.PEM(), CertData: p.admin.Certificate, KeyData: p.admin.Key,
		},
	})
	return err
}

func (p *plane) get(ctx context.Context, url string) error {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return err
	}
	response, err := p.probe.Do(request)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	text, err := io.ReadAll(io.LimitReader(response.Body, 4096))
	if err != nil {
		return err
	}
	if response.StatusCode != http.StatusOK {
		return fmt.Errorf("%s answers %s: %s", url, response.Status, strings.TrimSpace(string(text)))
	}
	return nil
}

// etcdReady is also a matter of the API server, where that runs: it takes a while until it finds etcd again.
func (p *plane) etcdReady(client string) func(context.Context) error {
	return func(ctx context.Context) error {
		if err := p.get(ctx, client+"/health"); err != nil {
			return err
		}
		if _, running := p.apiserver.running(); running {
			return p.apiserverReady(ctx)
		}
		return nil
	}
}

func (p *plane) apiserverReady(ctx context.Context) error {
	if err := p.get(ctx, p.server+"/livez"); err != nil {
		return err
	}
	return p.get(ctx, p.server+"/readyz")
}

func (p *plane) managerReady(url string) func(context.Context) error {
	return func(ctx context.Context) error { return p.get(ctx, url) }
}

// freePorts finds loopback addresses below the range from which the kernel takes ports for connections: a part
// that is started again would else sometimes find its port in use by somebody's connection.
func freePorts(count int) ([]string, error) {
	const lowest, highest = 15000, 32000
	var addresses []string
	for range 1000 {
		if len(addresses) == count {
			return addresses, nil
		}
		listener, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", lowest+rand.IntN(highest-lowest)))
		if err != nil {
			continue
		}
		// Held until all are found, so that none is found twice.
		defer listener.Close()
		addresses = append(addresses, listener.Addr().String())
	}
	return nil, fmt.Errorf("no free port on 127.0.0.1 from %d to %d", lowest, highest)
}
