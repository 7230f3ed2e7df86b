package injector

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"io"
	"net/http"
	"testing"
	"time"

	admissionv1 "k8s.io/api/admission/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"rolecall.dev/cluster/internal/pki"
)

var carts = types.NamespacedName{Namespace: "carts", Name: "carts"}

func account(value string) *corev1.ServiceAccount {
	return &corev1.ServiceAccount{ObjectMeta: metav1.ObjectMeta{
		Namespace: carts.Namespace, Name: carts.Name, Annotations: map[string]string{"value": value},
	}}
}

// TestAViewLags: what changed is seen later by as much as the lag, and the lag can be changed at any time.
func TestAViewLags(t *testing.T) {
	now := time.Now()
	view := NewView()
	view.now = func() time.Time { return now }
	writer := (*store)(view)
	look := func(lag time.Duration) ServiceAccount {
		view.SetLag(lag)
		return view.ServiceAccount(carts)
	}
	want := func(lag time.Duration, value string, associated bool) {
		t.Helper()
		got := look(lag)
		if got.Annotations["value"] != value || got.Associated != associated {
			t.Errorf("with a lag of %s: %v, not %q and %v", lag, got, value, associated)
		}
	}
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}

	want(0, "", false)
	must(writer.Add(account("first")))
	want(0, "first", false)
	want(time.Second, "", false)
	now = now.Add(time.Minute)
	must(writer.Update(account("second")))
	view.Associate([]types.NamespacedName{carts})
	want(0, "second", true)
	want(time.Second, "first", false)
	now = now.Add(2 * time.Second)
	want(time.Second, "second", true)
	must(writer.Delete(account("second")))
	want(0, "", true)
	want(time.Second, "second", true)

	// What is missing when everything is listed anew was deleted meanwhile.
	must(writer.Replace([]any{account("third")}, ""))
	want(0, "third", true)
	must(writer.Replace(nil, ""))
	want(0, "", true)
	now = now.Add(2 * memory)
	must(writer.Add(account("last")))
	if kept := len(view.accounts[carts].times); kept != 2 {
		t.Errorf("%d values are kept", kept)
	}
	if writer.Add("something else") == nil {
		t.Errorf("it takes anything for a service account")
	}
}

// TestModes goes through the network, as the API server does.
func TestModes(t *testing.T) {
	server, client := serve(t)
	review := admissionv1.AdmissionReview{
		TypeMeta: metav1.TypeMeta{APIVersion: "admission.k8s.io/v1", Kind: "AdmissionReview"},
		Request:  &admissionv1.AdmissionRequest{UID: "one", Namespace: "carts", Operation: admissionv1.Create},
	}
	review.Request.Resource.Resource = "pods"
	review.Request.Object.Raw = []byte(`{"spec":{"serviceAccountName":"carts","containers":[{"name":"main"}]}}`)
	send := func() (*admissionv1.AdmissionReview, error) {
		body, err := json.Marshal(review)
		if err != nil {
			return nil, err
		}
		response, err := client.Post(server.URL()+"?timeout=10s", "application/json", bytes.NewReader(body))
		if err != nil {
			return nil, err
		}
		defer response.Body.Close()
		var answer admissionv1.AdmissionReview
		return &answer, json.NewDecoder(response.Body).Decode(&answer)
	}
	mode := func(mode Mode) {
		t.Helper()
		if err := server.SetMode(mode); err != nil {
			t.Fatal(err)
		}
	}
	patched := func(want bool) {
		t.Helper()
		answer, err := send()
		if err != nil {
			t.Fatal(err)
		}
		if answer.TypeMeta != review.TypeMeta || answer.Response.UID != "one" || !answer.Response.Allowed {
			t.Errorf("%v", answer)
		}
		if got := answer.Response.Patch != nil; got != want {
			t.Errorf("patched is %v", got)
		}
	}

	patched(false)
	server.Webhook.View.Associate([]types.NamespacedName{carts})
	patched(true)
	mode(Mode{"lagging", 60000})
	patched(false)
	mode(Mode{"down", 0})
	for range 2 {
		if answer, err := send(); err == nil {
			t.Errorf("it is down and answers %v", answer)
		}
	}
	mode(Mode{"slow", 300})
	began := time.Now()
	patched(true)
	if took := time.Since(began); took < 300*time.Millisecond {
		t.Errorf("it answered after %s", took)
	}
	mode(Mode{"on", 0})
	patched(true)
	if got := server.Webhook.Answered(); got != 5 {
		t.Errorf("%d answers", got)
	}

	for _, wrong := range []Mode{{"", 0}, {"off", 0}, {"slow", 0}, {"lagging", -1}, {"lagging", memory.Milliseconds() + 1}} {
		if server.SetMode(wrong) == nil {
			t.Errorf("%v is taken", wrong)
		}
	}

	// Nothing but the creation of pods is its business.
	review.Request.Operation = admissionv1.Update
	patched(false)
	for body, status := range map[string]int{`{`: 400, `{}`: 400, `{"request":{"operation":"CREATE","resource":{"resource":"pods"}}}`: 400} {
		response, err := client.Post(server.URL(), "application/json", bytes.NewReader([]byte(body)))
		if err != nil {
			t.Fatal(err)
		}
		text, _ := io.ReadAll(response.Body)
		response.Body.Close()
		if response.StatusCode != status {
			t.Errorf("%s: %s: %s", body, response.Status, text)
		}
	}
}

func serve(t *testing.T) (*Server, *http.Client) {
	t.Helper()
	ca, err := pki.NewCA()
	if err != nil {
		t.Fatal(err)
	}
	pair, err := ca.Server("test", "127.0.0.1")
	if err != nil {
		t.Fatal(err)
	}
	certificate, err := tls.X509KeyPair(pair.Certificate, pair.Key)
	if err != nil {
		t.Fatal(err)
	}
	server, err := NewServer(&Webhook{View: NewView(), Settings: Recorded()}, certificate)
	if err != nil {
		t.Fatal(err)
	}
	go server.Serve()
	t.Cleanup(func() { server.Close() })
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(ca.PEM())
	transport := &http.Transport{TLSClientConfig: &tls.Config{RootCAs: roots}, ForceAttemptHTTP2: true}
	return server, &http.Client{Transport: transport, Timeout: 10 * time.Second}
}
