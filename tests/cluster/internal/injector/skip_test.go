package injector

import (
	"encoding/csv"
	"encoding/json"
	"os"
	"slices"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
)

// answers are shared with rolecall's own reader of the annotation.
const answers = "../../../../src/core/identity/skip_containers.json"

// TestSkipContainersAnswers holds the shared table to Go's csv package, and the stand-in to the table.
func TestSkipContainersAnswers(t *testing.T) {
	text, err := os.ReadFile(answers)
	if err != nil {
		t.Fatal(err)
	}
	var table []struct {
		Value string
		Names []string
	}
	if err := json.Unmarshal(text, &table); err != nil {
		t.Fatal(err)
	}
	if len(table) < 70 {
		t.Fatalf("only %d values", len(table))
	}
	for _, row := range table {
		names, err := csv.NewReader(strings.NewReader(row.Value)).Read()
		if err != nil {
			names = nil
		}
		if !slices.Equal(names, row.Names) {
			t.Errorf("%q: Go reads %q, the table has %q", row.Value, names, row.Names)
		}
		pod := podOf()
		pod.Annotations = map[string]string{"eks.amazonaws.com/skip-containers": row.Value}
		for _, name := range append([]string{"app", "proxy", " proxy", "app ", "istio-proxy"}, row.Names...) {
			pod.Spec.Containers = append(pod.Spec.Containers, corev1.Container{Name: name})
		}
		for _, container := range Mutate(pod, annotated(), settings()).Spec.Containers {
			if injected := len(container.Env) > 0; injected == slices.Contains(row.Names, container.Name) {
				t.Errorf("%q: container %q, injected %t", row.Value, container.Name, injected)
			}
		}
	}
}
