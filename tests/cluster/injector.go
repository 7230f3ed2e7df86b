package main

import (
	"context"
	"crypto/tls"
	"fmt"
	"time"

	admission "k8s.io/api/admissionregistration/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"rolecall.dev/cluster/internal/injector"
)

// newInjector listens, with a certificate of the cluster's CA.
func (p *plane) newInjector() (*injector.Server, error) {
	pair, err := p.ca.Server("pod-identity-webhook", "127.0.0.1")
	if err != nil {
		return nil, err
	}
	certificate, err := tls.X509KeyPair(pair.Certificate, pair.Key)
	if err != nil {
		return nil, err
	}
	webhook := &injector.Webhook{View: injector.NewView(), Settings: injector.Recorded()}
	return injector.NewServer(webhook, certificate)
}

// register makes the API server call the injector, as EKS does, and returns when it does.
func (p *plane) register(ctx context.Context, server *injector.Server) error {
	go server.Webhook.View.Watch(ctx, p.client.CoreV1().RESTClient())
	configuration := configuration(server.URL(), p.ca.PEM())
	configurations := p.client.AdmissionregistrationV1().MutatingWebhookConfigurations()
	if _, err := configurations.Create(ctx, configuration, metav1.CreateOptions{}); err != nil {
		return fmt.Errorf("the injector cannot be registered: %w", err)
	}
	select {
	case <-server.Webhook.View.Synced():
	case <-ctx.Done():
		return ctx.Err()
	}
	// The API server learns of its own configuration by a watch.
	probe := &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{Name: "is-the-injector-there"},
		Spec:       corev1.PodSpec{Containers: []corev1.Container{{Name: "none", Image: "none"}}},
	}
	options := metav1.CreateOptions{DryRun: []string{metav1.DryRunAll}}
	for server.Webhook.Answered() == 0 {
		if _, err := p.client.CoreV1().Pods("default").Create(ctx, probe, options); err != nil {
			return fmt.Errorf("a pod cannot be created: %w", err)
		}
		if err := sleep(ctx, pulse/2); err != nil {
			return err
		}
	}
	return nil
}

func configuration(url string, ca []byte) *admission.MutatingWebhookConfiguration {
	ignore, again, none := admission.Ignore, admission.IfNeededReinvocationPolicy, admission.SideEffectClassNone
	timeout := int32(10)
	return &admission.MutatingWebhookConfiguration{
		ObjectMeta: metav1.ObjectMeta{Name: "pod-identity-webhook"},
		Webhooks: []admission.MutatingWebhook{{
			Name:         "iam-for-pods.amazonaws.com",
			ClientConfig: admission.WebhookClientConfig{URL: &url, CABundle: ca},
			Rules: []admission.RuleWithOperations{{
				Operations: []admission.OperationType{admission.Create},
				Rule:       admission.Rule{APIGroups: []string{""}, APIVersions: []string{"v1"}, Resources: []string{"pods"}},
			}},
			FailurePolicy:      &ignore,
			ReinvocationPolicy: &again,
			SideEffects:        &none,
			TimeoutSeconds:     &timeout,
			ObjectSelector: &metav1.LabelSelector{MatchExpressions: []metav1.LabelSelectorRequirement{{
				Key:      "eks.amazonaws.com/skip-pod-identity-webhook",
				Operator: metav1.LabelSelectorOpDoesNotExist,
			}}},
			AdmissionReviewVersions: []string{"v1"},
		}},
	}
}

func sleep(ctx context.Context, span time.Duration) error {
	select {
	case <-time.After(span):
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
