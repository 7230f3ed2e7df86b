package injector

import (
	"crypto/tls"
	"fmt"
	"net"
	"net/http"
	"sync"
	"time"
)

// Mode is how the injector behaves, as the control endpoint takes it.
type Mode struct {
	Mode         string `json:"mode"`
	Milliseconds int64  `json:"milliseconds"`
}

// Server serves the webhook on loopback and can be made to misbehave.
type Server struct {
	Webhook *Webhook
	gate    *gate
	server  *http.Server
}

// NewServer listens at once, on a port that it keeps, and answers after Serve.
func NewServer(webhook *Webhook, certificate tls.Certificate) (*Server, error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	server := &http.Server{
		Handler:           webhook,
		TLSConfig:         &tls.Config{Certificates: []tls.Certificate{certificate}},
		ReadHeaderTimeout: 10 * time.Second,
	}
	return &Server{webhook, &gate{Listener: listener, open: map[net.Conn]bool{}}, server}, nil
}

// URL is what the API server is to call.
func (s *Server) URL() string { return "https://" + s.gate.Addr().String() + Path }

// Serve answers until Close.
func (s *Server) Serve() error { return s.server.ServeTLS(s.gate, "", "") }

// Close ends Serve and all connections.
func (s *Server) Close() error { return s.server.Close() }

// SetMode makes the injector behave as said from now on.
func (s *Server) SetMode(mode Mode) error {
	span := time.Duration(mode.Milliseconds) * time.Millisecond
	var delay, lag time.Duration
	switch mode.Mode {
	case "on", "down":
	case "slow":
		delay = span
	case "lagging":
		lag = span
	default:
		return fmt.Errorf("mode %q is none of on, down, slow, lagging", mode.Mode)
	}
	if waits := mode.Mode == "slow" || mode.Mode == "lagging"; waits && (span <= 0 || span > memory) {
		return fmt.Errorf("mode %s needs milliseconds from 1 to %d", mode.Mode, memory.Milliseconds())
	}
	s.Webhook.SetDelay(delay)
	s.Webhook.View.SetLag(lag)
	s.gate.shut(mode.Mode == "down")
	return nil
}

// gate is a listener that can close every connection without an answer, those that are open too: clients keep
// theirs, so that it would not do to accept no new ones.
type gate struct {
	net.Listener
	mutex  sync.Mutex
	closed bool
	open   map[net.Conn]bool
}

func (g *gate) shut(closed bool) {
	g.mutex.Lock()
	defer g.mutex.Unlock()
	g.closed = closed
	if closed {
		for connection := range g.open {
			connection.Close()
		}
		clear(g.open)
	}
}

// Accept implements net.Listener.
func (g *gate) Accept() (net.Conn, error) {
	for {
		connection, err := g.Listener.Accept()
		if err != nil {
			return nil, err
		}
		if g.enter(connection) {
			return &guest{connection, g}, nil
		}
		connection.Close()
	}
}

func (g *gate) enter(connection net.Conn) bool {
	g.mutex.Lock()
	defer g.mutex.Unlock()
	if !g.closed {
		g.open[connection] = true
	}
	return !g.closed
}

// guest is a connection that its gate knows of until it is closed.
type guest struct {
	net.Conn
	gate *gate
}

// Close implements net.Conn.
func (g *guest) Close() error {
	g.gate.mutex.Lock()
	delete(g.gate.open, g.Conn)
	g.gate.mutex.Unlock()
	return g.Conn.Close()
}
