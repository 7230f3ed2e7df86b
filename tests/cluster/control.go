package main

import (
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"path/filepath"
	"time"

	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/tools/clientcmd/api"
	"rolecall.dev/cluster/internal/injector"
)

// refusal is an error that is the asker's.
type refusal struct {
	status int
	text   string
}

func (r refusal) Error() string { return r.text }

func badRequest(format string, arguments ...any) error {
	return refusal{http.StatusBadRequest, fmt.Sprintf(format, arguments...)}
}

func conflict(format string, arguments ...any) error {
	return refusal{http.StatusConflict, fmt.Sprintf(format, arguments...)}
}

// control serves, on loopback, what tests do to a cluster beside the Kubernetes API. The injector may be nil.
func (p *plane) control(server *injector.Server) (*http.Server, error) {
	mux := http.NewServeMux()
	handle := func(pattern string, do func(*http.Request) (any, error)) {
		mux.HandleFunc(pattern, func(writer http.ResponseWriter, request *http.Request) {
			answer(writer, request, do)
		})
	}
	handle("GET /parts", p.list)
	handle("POST /parts/{part}/{action}", p.act)
	handle("POST /kubeconfigs", p.newKubeconfig)
	handle("POST /certificates", p.newCertificate)
	handle("PUT /injector", func(request *http.Request) (any, error) {
		var mode injector.Mode
		if err := read(request, &mode); err != nil {
			return nil, err
		}
		if server == nil {
			return nil, conflict("this cluster has no injector: start it without --no-injector")
		}
		if err := server.SetMode(mode); err != nil {
			return nil, badRequest("%s", err)
		}
		return mode, nil
	})
	handle("PUT /associations", func(request *http.Request) (any, error) {
		var associations []association
		if err := read(request, &associations); err != nil {
			return nil, err
		}
		if server == nil {
			return nil, conflict("this cluster has no injector: start it without --no-injector")
		}
		names := make([]types.NamespacedName, 0, len(associations))
		for _, each := range associations {
			if each.Namespace == "" || each.ServiceAccount == "" {
				return nil, badRequest("an association needs a namespace and a serviceAccount")
			}
			names = append(names, types.NamespacedName{Namespace: each.Namespace, Name: each.ServiceAccount})
		}
		server.Webhook.View.Associate(names)
		return associations, nil
	})
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	control := &http.Server{Addr: listener.Addr().String(), Handler: mux, ReadHeaderTimeout: 10 * time.Second}
	go control.Serve(listener)
	return control, nil
}

// association is an entry of the file in which EKS tells the injector who has a Pod Identity association.
type association struct {
	Namespace      string `json:"namespace"`
	ServiceAccount string `json:"serviceAccount"`
}

func read(request *http.Request, into any) error {
	decoder := json.NewDecoder(request.Body)
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(into); err != nil {
		return badRequest("the body is not the JSON that %s %s takes: %s", request.Method, request.URL.Path, err)
	}
	return nil
}

func answer(writer http.ResponseWriter, request *http.Request, do func(*http.Request) (any, error)) {
	result, err := do(request)
	if err == nil {
		writer.Header().Set("Content-Type", "application/json")
		// It fails only where the asker has gone.
		_ = json.NewEncoder(writer).Encode(result)
		return
	}
	status := http.StatusInternalServerError
	if refused, ok := err.(refusal); ok {
		status = refused.status
	}
	http.Error(writer, err.Error(), status)
}

// state is whether a part runs.
type state struct {
	Running bool `json:"running"`
	PID     int  `json:"pid,omitempty"`
}

func (p *part) state() state {
	pid, running := p.running()
	return state{running, pid}
}

func (p *plane) list(*http.Request) (any, error) {
	states := map[string]state{}
	for _, part := range p.parts() {
		states[part.name] = part.state()
	}
	return states, nil
}

// act stops, kills, starts or restarts a part, and answers when that is done.
func (p *plane) act(request *http.Request) (any, error) {
	var chosen *part
	for _, part := range p.parts() {
		if part.name == request.PathValue("part") {
			chosen = part
		}
	}
	if chosen == nil {
		return nil, refusal{http.StatusNotFound, "the parts are etcd, apiserver and controller-manager"}
	}
	var err error
	switch action := request.PathValue("action"); action {
	case "stop":
		chosen.stop()
	case "kill":
		chosen.kill()
	case "start":
		err = p.startPart(request, chosen)
	case "restart":
		chosen.stop()
		err = p.startPart(request, chosen)
	default:
		err = refusal{http.StatusNotFound, "the actions are stop, kill, start and restart, not " + action}
	}
	return chosen.state(), err
}

// startPart does not wait for what cannot be.
func (p *plane) startPart(request *http.Request, chosen *part) error {
	needs := map[*part]*part{p.apiserver: p.etcd, p.manager: p.apiserver}
	if need := needs[chosen]; need != nil {
		if _, running := need.running(); !running {
			return conflict("%s needs %s, which is stopped: start that first", chosen.name, need.name)
		}
	}
	return chosen.start(request.Context())
}

// newKubeconfig makes one for a user, with a client certificate or, where one is given, with a token.
func (p *plane) newKubeconfig(request *http.Request) (any, error) {
	var wanted struct {
		User   string   `json:"user"`
		Groups []string `json:"groups"`
		Token  string   `json:"token"`
	}
	if err := read(request, &wanted); err != nil {
		return nil, err
	}
	if wanted.User == "" {
		return nil, badRequest("a kubeconfig needs a user")
	}
	user := api.AuthInfo{Token: wanted.Token}
	if wanted.Token == "" {
		pair, err := p.ca.Client(wanted.User, wanted.Groups...)
		if err != nil {
			return nil, err
		}
		user = credentials(pair)
	}
	path, err := p.kubeconfig(fileName(wanted.User), user)
	return map[string]string{"kubeconfig": path}, err
}

// newCertificate makes a serving certificate that the cluster's CA vouches for.
func (p *plane) newCertificate(request *http.Request) (any, error) {
	var wanted struct {
		CommonName string   `json:"commonName"`
		Names      []string `json:"names"`
	}
	if err := read(request, &wanted); err != nil {
		return nil, err
	}
	if len(wanted.Names) == 0 {
		return nil, badRequest("a certificate needs names: the DNS names or IP addresses that it is for")
	}
	pair, err := p.ca.Server(wanted.CommonName, wanted.Names...)
	if err != nil {
		return nil, err
	}
	files, err := pair.Write(filepath.Join(p.dir, "certificates"), fileName(wanted.Names[0]))
	return map[string]string{"certificate": files.Certificate, "key": files.Key, "caFile": p.caFile}, err
}
