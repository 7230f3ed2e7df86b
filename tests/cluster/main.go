// Command cluster runs a Kubernetes control plane on loopback, for tests and for trying things out.
//
// It is one binary with a subcommand for each part, so that each runs in a process of its own and can be
// stopped, killed or started again: etcd, apiserver, controller-manager, kubectl. `up` runs them all, with the
// stand-in of AWS's injector (internal/injector), and says in one line of JSON where everything is. `inject` applies
// that stand-in and the API server's validation to pods from standard input.
package main

import (
	"fmt"
	"os"
	"path/filepath"

	// Time zones and the parts of the API server that register themselves.
	_ "time/tzdata"

	_ "k8s.io/component-base/logs/json/register"
	_ "k8s.io/component-base/metrics/prometheus/clientgo"
	_ "k8s.io/component-base/metrics/prometheus/version"

	"github.com/spf13/cobra"
	"k8s.io/component-base/cli"
	kubectl "k8s.io/kubectl/pkg/cmd"
	apiserver "k8s.io/kubernetes/cmd/kube-apiserver/app"
	manager "k8s.io/kubernetes/cmd/kube-controller-manager/app"
)

func main() {
	os.Exit(run(filepath.Base(os.Args[0]), os.Args[1:]))
}

// run chooses the part by the first argument, or by the name the binary was called under (a link named kubectl).
func run(called string, arguments []string) int {
	if called == "kubectl" {
		return command(kubectl.NewDefaultKubectlCommand(), arguments)
	}
	if len(arguments) == 0 {
		fmt.Fprintln(os.Stderr, usage)
		return 2
	}
	part, rest := arguments[0], arguments[1:]
	switch part {
	case "etcd":
		return report(etcd(rest))
	case "apiserver":
		return command(apiserver.NewAPIServerCommand(), rest)
	case "controller-manager":
		return command(manager.NewControllerManagerCommand(), rest)
	case "kubectl":
		return command(kubectl.NewDefaultKubectlCommand(), rest)
	case "inject":
		return report(inject(os.Stdin, os.Stdout))
	case "up":
		return report(up(rest))
	default:
		fmt.Fprintf(os.Stderr, "cluster: no part %q\n%s\n", part, usage)
		return 2
	}
}

const usage = "usage: cluster up|inject|etcd|apiserver|controller-manager|kubectl [flags]"

func command(c *cobra.Command, arguments []string) int {
	// kubectl reads os.Args for its plugins.
	os.Args = append([]string{c.Name()}, arguments...)
	c.SetArgs(arguments)
	return cli.Run(c)
}

func report(err error) int {
	if err != nil {
		fmt.Fprintln(os.Stderr, "cluster:", err)
		return 1
	}
	return 0
}
