package injector

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"sync/atomic"
	"time"

	admissionv1 "k8s.io/api/admission/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"
)

// Path is where the webhook answers.
const Path = "/mutate"

// A review holds an object twice at most, and an object is at most 3 MiB large.
const largest = 8 << 20

// Webhook answers admission reviews of pods.
type Webhook struct {
	View     *View
	Settings Settings
	delay    atomic.Int64
	answered atomic.Int64
}

// SetDelay makes each answer wait.
func (w *Webhook) SetDelay(delay time.Duration) { w.delay.Store(int64(delay)) }

// Answered is how many reviews were answered.
func (w *Webhook) Answered() int64 { return w.answered.Load() }

func (w *Webhook) ServeHTTP(writer http.ResponseWriter, request *http.Request) {
	if request.Method != http.MethodPost || request.URL.Path != Path {
		http.Error(writer, "send admission reviews by POST "+Path, http.StatusNotFound)
		return
	}
	var review admissionv1.AdmissionReview
	body, err := io.ReadAll(http.MaxBytesReader(writer, request.Body, largest))
	if err == nil {
		err = json.Unmarshal(body, &review)
	}
	if err == nil && review.Request == nil {
		err = fmt.Errorf("the review has no request")
	}
	if err != nil {
		http.Error(writer, err.Error(), http.StatusBadRequest)
		return
	}
	select {
	case <-time.After(time.Duration(w.delay.Load())):
	case <-request.Context().Done():
		return
	}
	answer := admissionv1.AdmissionReview{TypeMeta: review.TypeMeta}
	answer.Response, err = w.Review(review.Request)
	if err != nil {
		http.Error(writer, err.Error(), http.StatusBadRequest)
		return
	}
	writer.Header().Set("Content-Type", "application/json")
	if json.NewEncoder(writer).Encode(answer) == nil {
		w.answered.Add(1)
	}
}

// Review decides on one request. Whatever it finds, the pod is allowed.
func (w *Webhook) Review(request *admissionv1.AdmissionRequest) (*admissionv1.AdmissionResponse, error) {
	response := &admissionv1.AdmissionResponse{UID: request.UID, Allowed: true}
	if request.Resource.Resource != "pods" || request.SubResource != "" || request.Operation != admissionv1.Create {
		return response, nil
	}
	var pod corev1.Pod
	if err := json.Unmarshal(request.Object.Raw, &pod); err != nil {
		return nil, fmt.Errorf("the object is not a pod: %w", err)
	}
	account := w.View.ServiceAccount(types.NamespacedName{Namespace: request.Namespace, Name: accountName(&pod)})
	patch, err := Patch(&pod, Mutate(&pod, account, w.Settings))
	if err != nil || patch == nil {
		return response, err
	}
	kind := admissionv1.PatchTypeJSONPatch
	response.Patch, response.PatchType = patch, &kind
	return response, nil
}

// accountName is that of the pod's service account, as the API server fills it in.
func accountName(pod *corev1.Pod) string {
	for _, name := range []string{pod.Spec.ServiceAccountName, pod.Spec.DeprecatedServiceAccount} {
		if name != "" {
			return name
		}
	}
	return "default"
}
