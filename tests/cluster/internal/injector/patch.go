package injector

import (
	"encoding/json"
	"fmt"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/equality"
)

type operation struct {
	Op    string `json:"op"`
	Path  string `json:"path"`
	Value any    `json:"value"`
}

// Patch is the JSON patch from one pod to the other, in the places that Mutate writes to; nil where they agree.
// Lists are put in as a whole: `add` replaces what is there, and works where nothing is.
func Patch(from, to *corev1.Pod) ([]byte, error) {
	var operations []operation
	put := func(path string, before, after any) {
		if !equality.Semantic.DeepEqual(before, after) {
			operations = append(operations, operation{Op: "add", Path: path, Value: after})
		}
	}
	put("/metadata/labels", from.Labels, to.Labels)
	put("/spec/volumes", from.Spec.Volumes, to.Spec.Volumes)
	containers := func(list string, from, to []corev1.Container) {
		for i := range to {
			put(fmt.Sprintf("/spec/%s/%d/env", list, i), from[i].Env, to[i].Env)
			put(fmt.Sprintf("/spec/%s/%d/volumeMounts", list, i), from[i].VolumeMounts, to[i].VolumeMounts)
		}
	}
	containers("initContainers", from.Spec.InitContainers, to.Spec.InitContainers)
	containers("containers", from.Spec.Containers, to.Spec.Containers)
	if operations == nil {
		return nil, nil
	}
	return json.Marshal(operations)
}
