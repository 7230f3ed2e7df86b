package main

import (
	"path/filepath"
	"strings"
)

// controllers are those that tests see the work of; there are no nodes, so none of the others has anything to do.
var controllers = []string{
	"serviceaccount-controller",
	"root-ca-certificate-publisher-controller",
	// Without it the roles edit and view are empty.
	"clusterrole-aggregation-controller",
	"namespace-controller",
	"garbage-collector-controller",
	"deployment-controller",
	"replicaset-controller",
	"job-controller",
	"cronjob-controller",
	"statefulset-controller",
}

// auditPolicy has what identity is about: pods, what makes pods, and what they refer to. Of rolecall's own service accounts it has every
// request, reads included, for the tests of their rights; of registrations every change.
const auditPolicy = `apiVersion: audit.k8s.io/v1
kind: Policy
omitStages: [RequestReceived]
rules:
  - level: Metadata
    userGroups: [system:serviceaccounts:rolecall]
  - level: RequestResponse
    verbs: [create, update, patch, delete]
    resources:
      - group: ""
        resources:
          - pods
          - serviceaccounts
          - namespaces
  - level: Metadata
    verbs: [create, update, patch, delete]
    resources:
      - group: ""
        resources:
          - pods/ephemeralcontainers
          - replicationcontrollers
          - podtemplates
      - group: apps
      - group: batch
      - group: admissionregistration.k8s.io
      - group: rbac.authorization.k8s.io
  - level: None
`

func (p *plane) apiserverFlags(etcd, address string, files files) []string {
	port := address[strings.LastIndex(address, ":")+1:]
	return []string{
		"--etcd-servers=" + etcd,
		"--bind-address=127.0.0.1",
		"--secure-port=" + port,
		"--advertise-address=127.0.0.1",
		"--endpoint-reconciler-type=none",
		"--cert-dir=" + filepath.Join(p.dir, "pki"),
		"--tls-cert-file=" + files.serving.Certificate,
		"--tls-private-key-file=" + files.serving.Key,
		"--client-ca-file=" + p.caFile,
		"--service-account-issuer=https://kubernetes.default.svc",
		"--service-account-key-file=" + files.serviceAccountPublic,
		"--service-account-signing-key-file=" + files.serviceAccount.Key,
		"--service-cluster-ip-range=10.0.0.0/24",
		"--authorization-mode=Node,RBAC",
		"--allow-privileged=true",
		"--profiling=false",
		// When it is stopped it ends watches, and does not wait a minute for those who watch.
		"--shutdown-watch-termination-grace-period=1s",
		"--audit-policy-file=" + files.auditPolicy,
		"--audit-log-path=" + p.auditLog,
		// Who has an answer finds it in the log.
		"--audit-log-mode=blocking",
	}
}

func (p *plane) managerFlags(address string, files files) []string {
	port := address[strings.LastIndex(address, ":")+1:]
	return []string{
		"--kubeconfig=" + files.managerKubeconfig,
		"--authentication-kubeconfig=" + files.managerKubeconfig,
		"--authorization-kubeconfig=" + files.managerKubeconfig,
		"--bind-address=127.0.0.1",
		"--secure-port=" + port,
		"--tls-cert-file=" + files.serving.Certificate,
		"--tls-private-key-file=" + files.serving.Key,
		"--leader-elect=false",
		"--use-service-account-credentials=true",
		"--service-account-private-key-file=" + files.serviceAccount.Key,
		"--root-ca-file=" + p.caFile,
		"--profiling=false",
		"--controllers=" + strings.Join(controllers, ","),
	}
}
