package main

import (
	"fmt"
	"path/filepath"
	"regexp"
	"sync/atomic"

	"k8s.io/client-go/tools/clientcmd"
	"k8s.io/client-go/tools/clientcmd/api"
	"rolecall.dev/cluster/internal/pki"
)

// credentials of somebody with a client certificate.
func credentials(pair pki.Pair) api.AuthInfo {
	return api.AuthInfo{ClientCertificateData: pair.Certificate, ClientKeyData: pair.Key}
}

// kubeconfig writes one that is complete in itself, so that it can be copied anywhere.
func (p *plane) kubeconfig(name string, user api.AuthInfo) (string, error) {
	config := api.NewConfig()
	config.Clusters["test"] = &api.Cluster{Server: p.server, CertificateAuthorityData: p.ca.PEM()}
	config.AuthInfos["user"] = &user
	config.Contexts["test"] = &api.Context{Cluster: "test", AuthInfo: "user"}
	config.CurrentContext = "test"
	path := filepath.Join(p.dir, "kubeconfigs", name+".kubeconfig")
	return path, clientcmd.WriteToFile(*config, path)
}

var (
	unfit = regexp.MustCompile(`[^A-Za-z0-9._-]+`)
	count atomic.Int64
)

// fileName makes a name of its own for a file from what somebody asked for.
func fileName(wanted string) string {
	return fmt.Sprintf("%d-%.60s", count.Add(1), unfit.ReplaceAllString(wanted, "_"))
}
