package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
)

const (
	// pulse is how often a part is asked whether it is ready.
	pulse = 50 * time.Millisecond
	// patience is how long a part may take until it is ready, on a machine that does much besides.
	patience = 2 * time.Minute
	// grace is how long a part may take to end.
	grace = 5 * time.Second
)

// part is a process of the control plane: this program once more, with another subcommand.
type part struct {
	name      string
	program   string
	arguments []string
	log       string
	// ready asks once.
	ready func(context.Context) error

	// mutex is held for a whole start or stop: one thing is done after the other.
	mutex   sync.Mutex
	process *process
}

// process is one run of a part.
type process struct {
	command *exec.Cmd
	// ended is closed when the process is gone.
	ended chan struct{}
	// news is whether its end would be: not before it is ready, which start reports, nor when we end it.
	news atomic.Bool
}

// start returns when the part is ready, also where it ran before.
func (p *part) start(ctx context.Context) error {
	p.mutex.Lock()
	defer p.mutex.Unlock()
	if !p.runs() {
		if err := p.launch(); err != nil {
			return fmt.Errorf("%s does not start: %w", p.name, err)
		}
	}
	if err := p.await(ctx); err != nil {
		p.end(syscall.SIGKILL)
		return err
	}
	p.process.news.Store(true)
	return nil
}

// stop returns when the part is gone: by SIGTERM, and by SIGKILL where that is not heeded.
func (p *part) stop() {
	p.mutex.Lock()
	defer p.mutex.Unlock()
	p.end(syscall.SIGTERM)
}

// kill returns when the part is gone, without giving it time for anything.
func (p *part) kill() {
	p.mutex.Lock()
	defer p.mutex.Unlock()
	p.end(syscall.SIGKILL)
}

// running says whether the part runs, and as what process.
func (p *part) running() (pid int, running bool) {
	p.mutex.Lock()
	defer p.mutex.Unlock()
	if !p.runs() {
		return 0, false
	}
	return p.process.command.Process.Pid, true
}

func (p *part) runs() bool {
	if p.process == nil {
		return false
	}
	select {
	case <-p.process.ended:
		return false
	default:
		return true
	}
}

func (p *part) launch() error {
	log, err := os.OpenFile(p.log, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	defer log.Close()
	command := exec.Command(p.program, append([]string{p.name}, p.arguments...)...)
	command.Stdout, command.Stderr = log, log
	// A group of its own: Ctrl-C in a terminal is for the supervisor, which then ends all in order.
	command.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	if err := fork(command); err != nil {
		return err
	}
	process := &process{command: command, ended: make(chan struct{})}
	p.process = process
	go func() {
		// How it ended is in its state.
		_ = command.Wait()
		if process.news.Load() {
			fmt.Fprintf(os.Stderr, "cluster: %s ended by itself: %s\n%s\n", p.name, command.ProcessState, p.tail())
		}
		close(process.ended)
	}()
	return nil
}

func (p *part) await(asked context.Context) error {
	ctx, cancel := context.WithTimeout(asked, patience)
	defer cancel()
	tick := time.NewTicker(pulse)
	defer tick.Stop()
	for {
		err := p.ready(ctx)
		if err == nil {
			return nil
		}
		select {
		case <-p.process.ended:
			return fmt.Errorf("%s ended before it was ready (%s); its log ends with:\n%s",
				p.name, p.process.command.ProcessState, p.tail())
		case <-asked.Done():
			return fmt.Errorf("told to end before %s was ready", p.name)
		case <-ctx.Done():
			return fmt.Errorf("%s was not ready in time: %w; its log ends with:\n%s", p.name, err, p.tail())
		case <-tick.C:
		}
	}
}

func (p *part) end(signal syscall.Signal) {
	if !p.runs() {
		return
	}
	p.process.news.Store(false)
	// It fails only where the process is gone by now.
	_ = p.process.command.Process.Signal(signal)
	select {
	case <-p.process.ended:
	case <-time.After(grace):
		_ = p.process.command.Process.Kill()
		<-p.process.ended
	}
}

// tail is the end of the part's log, for errors.
func (p *part) tail() string {
	const lines = 15
	text, err := os.ReadFile(p.log)
	if err != nil {
		return err.Error()
	}
	all := strings.Split(strings.TrimSpace(string(text)), "\n")
	return "  " + strings.Join(all[max(0, len(all)-lines):], "\n  ") + "\n(all of it: " + p.log + ")"
}

var (
	forks    = make(chan func())
	forkOnce sync.Once
)

// fork starts a command from a thread that lives as long as this process does. The kernel ends a child with
// Pdeathsig when the *thread* that made it ends, and Go ends threads as it sees fit.
func fork(command *exec.Cmd) error {
	forkOnce.Do(func() {
		go func() {
			runtime.LockOSThread()
			for fork := range forks {
				fork()
			}
		}()
	})
	result := make(chan error)
	forks <- func() { result <- command.Start() }
	return <-result
}
