package injector

import (
	"encoding/json"
	"errors"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	jsonpatch "gopkg.in/evanphx/json-patch.v4"
	admissionv1 "k8s.io/api/admission/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/yaml"
)

const fixtures = "../../../fixtures"

// recordedPods are how many there are: fewer were read if the folder moved.
const recordedPods = 12

// TestRecorded holds the stand-in to what AWS's injector did: from each recorded pod without what was injected it
// makes the recorded pod.
func TestRecorded(t *testing.T) {
	webhook := &Webhook{View: recordedView(t), Settings: Recorded()}
	paths, err := filepath.Glob(filepath.Join(fixtures, "reviews", "pod-*.json"))
	if err != nil {
		t.Fatal(err)
	}
	if len(paths) != recordedPods {
		t.Fatalf("%d recorded pods, not %d", len(paths), recordedPods)
	}
	for _, path := range paths {
		t.Run(strings.TrimSuffix(filepath.Base(path), ".json"), func(t *testing.T) {
			request := readReview(t, path)
			var recorded corev1.Pod
			if err := json.Unmarshal(request.Object.Raw, &recorded); err != nil {
				t.Fatal(err)
			}
			name := types.NamespacedName{Namespace: request.Namespace, Name: recorded.Spec.ServiceAccountName}
			account := webhook.View.ServiceAccount(name)
			before := without(&recorded, account)
			if injected := name.Name != "default"; injected == equality.Semantic.DeepEqual(before, &recorded) {
				t.Fatalf("what was injected is not told from the rest")
			}

			after := Mutate(before, account, webhook.Settings)
			compare(t, after, &recorded)

			// The same by the patch that goes over the wire.
			raw, err := json.Marshal(before)
			if err != nil {
				t.Fatal(err)
			}
			request.Object.Raw = raw
			response, err := webhook.Review(request)
			if err != nil {
				t.Fatal(err)
			}
			compare(t, patched(t, raw, response.Patch), &recorded)

			// The API server calls again after other webhooks (reinvocationPolicy IfNeeded).
			if again := Mutate(after, account, webhook.Settings); !equality.Semantic.DeepEqual(again, after) {
				t.Errorf("a second call changes the pod")
			}
		})
	}
}

// recordedView has the service accounts and the associations of the recorded cluster.
func recordedView(t *testing.T) *View {
	t.Helper()
	file, err := os.Open(filepath.Join(fixtures, "cluster.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	decoder := yaml.NewYAMLOrJSONDecoder(file, 4096)
	var accounts []any
	for {
		var account corev1.ServiceAccount
		err := decoder.Decode(&account)
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		if account.Kind == "ServiceAccount" {
			accounts = append(accounts, &account)
		}
	}
	view := NewView()
	if err := (*store)(view).Replace(accounts, ""); err != nil {
		t.Fatal(err)
	}
	view.Associate([]types.NamespacedName{
		{Namespace: "carts", Name: "carts-pi"},
		{Namespace: "carts", Name: "both"},
	})
	return view
}

func readReview(t *testing.T, path string) *admissionv1.AdmissionRequest {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	var review admissionv1.AdmissionReview
	if err := json.Unmarshal(text, &review); err != nil {
		t.Fatal(err)
	}
	return review.Request
}

// without takes out what was injected. A variable was if it has the value that the injector gives: those that a
// container had before have others.
func without(recorded *corev1.Pod, account ServiceAccount) *corev1.Pod {
	values := map[string]string{
		"AWS_STS_REGIONAL_ENDPOINTS":             "regional",
		"AWS_DEFAULT_REGION":                     "us-west-2",
		"AWS_REGION":                             "us-west-2",
		"AWS_ROLE_ARN":                           account.Annotations["eks.amazonaws.com/role-arn"],
		"AWS_WEB_IDENTITY_TOKEN_FILE":            "/var/run/secrets/eks.amazonaws.com/serviceaccount/token",
		"AWS_CONTAINER_CREDENTIALS_FULL_URI":     "http://169.254.170.23/v1/credentials",
		"AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE": "/var/run/secrets/pods.eks.amazonaws.com/serviceaccount/eks-pod-identity-token",
	}
	volumes := []string{"aws-iam-token", "eks-pod-identity-token"}
	pod := recorded.DeepCopy()
	delete(pod.Labels, "eks.amazonaws.com/pod-identity")
	pod.Spec.Volumes = slices.DeleteFunc(pod.Spec.Volumes, func(volume corev1.Volume) bool {
		return slices.Contains(volumes, volume.Name)
	})
	for _, containers := range [][]corev1.Container{pod.Spec.InitContainers, pod.Spec.Containers} {
		for i := range containers {
			containers[i].Env = slices.DeleteFunc(containers[i].Env, func(variable corev1.EnvVar) bool {
				value, known := values[variable.Name]
				return known && variable.Value == value
			})
			containers[i].VolumeMounts = slices.DeleteFunc(containers[i].VolumeMounts, func(mount corev1.VolumeMount) bool {
				return slices.Contains(volumes, mount.Name)
			})
		}
	}
	return pod
}

func patched(t *testing.T, pod, patch []byte) *corev1.Pod {
	t.Helper()
	if patch != nil {
		decoded, err := jsonpatch.DecodePatch(patch)
		if err != nil {
			t.Fatal(err)
		}
		if pod, err = decoded.Apply(pod); err != nil {
			t.Fatal(err)
		}
	}
	var result corev1.Pod
	if err := json.Unmarshal(pod, &result); err != nil {
		t.Fatal(err)
	}
	return &result
}

// compare wants the pods to be the same in everything, but that the life of a Pod Identity token is a matter of
// chance, and that the API server fills in a mode for its files.
func compare(t *testing.T, got, want *corev1.Pod) {
	t.Helper()
	got, want = got.DeepCopy(), want.DeepCopy()
	for _, pod := range []*corev1.Pod{got, want} {
		for _, volume := range pod.Spec.Volumes {
			if volume.Name == "aws-iam-token" || volume.Name == "eks-pod-identity-token" {
				mode := int32(0o644)
				volume.Projected.DefaultMode = &mode
			}
			if volume.Name == "eks-pod-identity-token" {
				token := volume.Projected.Sources[0].ServiceAccountToken
				if seconds := *token.ExpirationSeconds; seconds < 79200 || seconds > 86400 {
					t.Errorf("the token lives for %d s", seconds)
				}
				token.ExpirationSeconds = nil
			}
		}
	}
	if !equality.Semantic.DeepEqual(got, want) {
		t.Errorf("got\n%s\nwant\n%s", text(t, got), text(t, want))
	}
}

func text(t *testing.T, value any) string {
	t.Helper()
	result, err := json.MarshalIndent(value, "", " ")
	if err != nil {
		t.Fatal(err)
	}
	return string(result)
}
