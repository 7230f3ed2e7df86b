package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"slices"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/kubernetes/pkg/api/legacyscheme"
	core "k8s.io/kubernetes/pkg/apis/core"
	_ "k8s.io/kubernetes/pkg/apis/core/install"
	"k8s.io/kubernetes/pkg/apis/core/validation"
	"rolecall.dev/cluster/internal/injector"
)

// injection is a line of input: a pod, and what the injector knows of its service account.
type injection struct {
	Pod         *corev1.Pod       `json:"pod"`
	Annotations map[string]string `json:"annotations"`
	Associated  bool              `json:"associated"`
}

// injected is a line of output: the pod as it is stored, or why the API server refuses it.
type injected struct {
	Pod    *corev1.Pod `json:"pod"`
	Errors []string    `json:"errors"`
	// Before is why the API server would refuse the template that the pod comes from.
	Before []string `json:"before"`
}

// inject reads pods, a line of JSON each, and writes what the injector and the API server's validation make of them.
func inject(input io.Reader, output io.Writer) error {
	lines := bufio.NewScanner(input)
	lines.Buffer(nil, 16<<20)
	writer := bufio.NewWriter(output)
	encoder := json.NewEncoder(writer)
	for number := 1; lines.Scan(); number++ {
		var line injection
		if err := json.Unmarshal(lines.Bytes(), &line); err != nil {
			return fmt.Errorf("line %d: %w", number, err)
		}
		pod := withDefaultToken(line.Pod)
		// The injector's webhook has an object selector.
		if _, skipped := pod.Labels["eks.amazonaws.com/skip-pod-identity-webhook"]; !skipped {
			account := injector.ServiceAccount{Annotations: line.Annotations, Associated: line.Associated}
			pod = injector.Mutate(pod, account, injector.Recorded())
		}
		before, err := validate(line.Pod)
		if err != nil {
			return fmt.Errorf("line %d: %w", number, err)
		}
		errors, err := validate(pod)
		if err != nil {
			return fmt.Errorf("line %d: %w", number, err)
		}
		result := injected{Pod: pod, Errors: errors, Before: before}
		if err := encoder.Encode(result); err != nil {
			return err
		}
	}
	if err := lines.Err(); err != nil {
		return err
	}
	return writer.Flush()
}

// validate fills in defaults and says why the API server refuses a pod.
func validate(pod *corev1.Pod) ([]string, error) {
	legacyscheme.Scheme.Default(pod)
	var internal core.Pod
	if err := legacyscheme.Scheme.Convert(pod, &internal, nil); err != nil {
		return nil, err
	}
	messages := []string{}
	for _, err := range validation.ValidatePodCreate(&internal, validation.PodValidationOptions{}) {
		messages = append(messages, err.Error())
	}
	return messages, nil
}

// defaultTokenPath is where the API server's ServiceAccount plugin mounts the default token, before any webhook is called.
const defaultTokenPath = "/var/run/secrets/kubernetes.io/serviceaccount"

// withDefaultToken gives a copy of the pod with the default token in each container that mounts nothing at its path.
func withDefaultToken(pod *corev1.Pod) *corev1.Pod {
	pod = pod.DeepCopy()
	if mount := pod.Spec.AutomountServiceAccountToken; mount != nil && !*mount {
		return pod
	}
	const name = "kube-api-access-x7k2p"
	added := false
	for _, containers := range [][]corev1.Container{pod.Spec.InitContainers, pod.Spec.Containers} {
		for i := range containers {
			there := func(mount corev1.VolumeMount) bool { return mount.MountPath == defaultTokenPath }
			if slices.ContainsFunc(containers[i].VolumeMounts, there) {
				continue
			}
			mount := corev1.VolumeMount{Name: name, ReadOnly: true, MountPath: defaultTokenPath}
			containers[i].VolumeMounts = append(containers[i].VolumeMounts, mount)
			added = true
		}
	}
	if added {
		seconds := int64(3607)
		token := corev1.ServiceAccountTokenProjection{ExpirationSeconds: &seconds, Path: "token"}
		source := corev1.ProjectedVolumeSource{Sources: []corev1.VolumeProjection{{ServiceAccountToken: &token}}}
		volume := corev1.Volume{Name: name, VolumeSource: corev1.VolumeSource{Projected: &source}}
		pod.Spec.Volumes = append(pod.Spec.Volumes, volume)
	}
	return pod
}
