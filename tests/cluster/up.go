package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/klog/v2"
	"rolecall.dev/cluster/internal/injector"
)

// line is what `up` prints when the cluster is ready.
type line struct {
	Kubeconfig string `json:"kubeconfig"`
	Server     string `json:"server"`
	CAFile     string `json:"caFile"`
	AuditLog   string `json:"auditLog"`
	Control    string `json:"control"`
	Dir        string `json:"dir"`
	Program    string `json:"program"`
}

// up runs a cluster until it is told to end, and ends all of it.
func up(arguments []string) error {
	flags := flag.NewFlagSet("up", flag.ContinueOnError)
	dir := flags.String("dir", "", "a folder for everything the cluster writes; made where it is absent")
	without := flags.Bool("no-injector", false, "leave AWS's injector out")
	withParent := flags.Bool("with-parent", false, "end when standard input does, and so with the process that holds it")
	if err := flags.Parse(arguments); err != nil {
		return err
	}
	if *dir == "" || flags.NArg() > 0 {
		return errors.New("usage: cluster up --dir DIR [--no-injector] [--with-parent]")
	}
	ctx, cancel := signal.NotifyContext(context.Background(), syscall.SIGTERM, syscall.SIGINT)
	defer cancel()
	if *withParent {
		go func() {
			_, _ = io.Copy(io.Discard, os.Stdin)
			cancel()
		}()
	}
	began := time.Now()
	plane, err := prepare(*dir)
	if err != nil {
		return err
	}
	defer plane.down()
	server, err := plane.start(ctx, !*without)
	if err != nil {
		return err
	}
	control, err := plane.control(server)
	if err != nil {
		return err
	}
	defer control.Close()
	admin, err := plane.kubeconfig("admin", credentials(plane.admin))
	if err != nil {
		return err
	}
	fmt.Fprintf(os.Stderr, "cluster: ready after %.1f s\n", time.Since(began).Seconds())
	err = json.NewEncoder(os.Stdout).Encode(line{
		Kubeconfig: admin,
		Server:     plane.server,
		CAFile:     plane.caFile,
		AuditLog:   plane.auditLog,
		Control:    "http://" + control.Addr,
		Dir:        plane.dir,
		Program:    plane.program,
	})
	if err != nil {
		return err
	}
	<-ctx.Done()
	return nil
}

// prepare makes the folder ready, which must not be that of another cluster.
func prepare(dir string) (*plane, error) {
	dir, err := filepath.Abs(dir)
	if err != nil {
		return nil, err
	}
	if _, err := os.Stat(filepath.Join(dir, "pki")); err == nil {
		return nil, fmt.Errorf("%s is the folder of another cluster: remove it or choose a new one", dir)
	}
	program, err := os.Executable()
	if err != nil {
		return nil, err
	}
	plane, err := newPlane(dir, program)
	if err != nil {
		return nil, err
	}
	// What client-go has to say, such as that the API server is away.
	log, err := os.Create(filepath.Join(dir, "logs", "up.log"))
	if err != nil {
		return nil, err
	}
	klog.LogToStderr(false)
	klog.SetOutput(log)
	return plane, nil
}

// start returns when everything works.
func (p *plane) start(ctx context.Context, inject bool) (*injector.Server, error) {
	for _, part := range p.parts() {
		if err := part.start(ctx); err != nil {
			return nil, err
		}
	}
	if err := p.defaultAccount(ctx); err != nil {
		return nil, err
	}
	if !inject {
		return nil, nil
	}
	server, err := p.newInjector()
	if err != nil {
		return nil, err
	}
	go server.Serve()
	return server, p.register(ctx, server)
}

// defaultAccount waits for the service account that pods in namespace default need.
func (p *plane) defaultAccount(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	for {
		_, err := p.client.CoreV1().ServiceAccounts("default").Get(ctx, "default", metav1.GetOptions{})
		if err == nil {
			return nil
		}
		if !apierrors.IsNotFound(err) {
			return fmt.Errorf("no service account default: %w", err)
		}
		if err := sleep(ctx, pulse); err != nil {
			return fmt.Errorf("no service account default: %w; the log of the controller manager ends with:\n%s",
				err, p.manager.tail())
		}
	}
}

// down ends the parts, those first that need the others.
func (p *plane) down() {
	for _, part := range []*part{p.manager, p.apiserver, p.etcd} {
		part.stop()
	}
}
