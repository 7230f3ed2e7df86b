package injector

import (
	"context"
	"fmt"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/client-go/tools/cache"
)

// View is what the injector has seen of the cluster: service accounts by a watch, associations as it is told.
//
// It keeps what it saw with the time, so that it can look at the cluster as it was a while ago: an injector whose
// view lags is what makes pods without an identity.
type View struct {
	mutex        sync.Mutex
	lag          time.Duration
	now          func() time.Time
	accounts     map[types.NamespacedName]*history[map[string]string]
	associations history[map[types.NamespacedName]bool]
	synced       chan struct{}
	once         sync.Once
}

// NewView has seen nothing.
func NewView() *View {
	return &View{
		now:      time.Now,
		accounts: map[types.NamespacedName]*history[map[string]string]{},
		synced:   make(chan struct{}),
	}
}

// SetLag says by how much the view is behind from now on.
func (v *View) SetLag(lag time.Duration) {
	v.mutex.Lock()
	defer v.mutex.Unlock()
	v.lag = lag
}

// Associate replaces the associations.
func (v *View) Associate(accounts []types.NamespacedName) {
	set := map[types.NamespacedName]bool{}
	for _, account := range accounts {
		set[account] = true
	}
	v.mutex.Lock()
	defer v.mutex.Unlock()
	v.associations.add(v.now(), set)
}

// ServiceAccount is what is known of one at the time that the view is at.
func (v *View) ServiceAccount(name types.NamespacedName) ServiceAccount {
	v.mutex.Lock()
	defer v.mutex.Unlock()
	at := v.now().Add(-v.lag)
	account := ServiceAccount{Associated: v.associations.at(at)[name]}
	if seen := v.accounts[name]; seen != nil {
		account.Annotations = seen.at(at)
	}
	return account
}

// Watch follows the service accounts until the context ends, and tries again quickly where the API server is away.
func (v *View) Watch(ctx context.Context, client cache.Getter) {
	source := cache.NewFilteredListWatchFromClient(client, "serviceaccounts", corev1.NamespaceAll, everything)
	options := cache.ReflectorOptions{
		Name:    "injector",
		Backoff: &wait.Backoff{Duration: 100 * time.Millisecond, Factor: 1, Jitter: 0.1, Steps: 1},
	}
	cache.NewReflectorWithOptions(source, &corev1.ServiceAccount{}, (*store)(v), options).RunWithContext(ctx)
}

// Synced is closed when all service accounts were seen once.
func (v *View) Synced() <-chan struct{} { return v.synced }

// store is the side of the view that the watch writes to.
type store View

// Add implements cache.ReflectorStore.
func (s *store) Add(object any) error { return s.Update(object) }

// Update implements cache.ReflectorStore.
func (s *store) Update(object any) error { return s.note(object, true) }

// Delete implements cache.ReflectorStore.
func (s *store) Delete(object any) error { return s.note(object, false) }

// Replace implements cache.ReflectorStore: what is not in the list was deleted while nobody watched.
func (s *store) Replace(objects []any, _ string) error {
	listed := map[types.NamespacedName]bool{}
	for _, object := range objects {
		if account, ok := object.(*corev1.ServiceAccount); ok {
			listed[types.NamespacedName{Namespace: account.Namespace, Name: account.Name}] = true
		}
		if err := s.Update(object); err != nil {
			return err
		}
	}
	s.mutex.Lock()
	for name, seen := range s.accounts {
		if !listed[name] {
			seen.add(s.now(), nil)
		}
	}
	s.mutex.Unlock()
	s.once.Do(func() { close(s.synced) })
	return nil
}

// Resync implements cache.ReflectorStore.
func (s *store) Resync() error { return nil }

func (s *store) note(object any, present bool) error {
	account, ok := object.(*corev1.ServiceAccount)
	if !ok {
		return fmt.Errorf("%T is not a service account", object)
	}
	var annotations map[string]string
	if present {
		annotations = account.Annotations
	}
	s.mutex.Lock()
	defer s.mutex.Unlock()
	name := types.NamespacedName{Namespace: account.Namespace, Name: account.Name}
	if s.accounts[name] == nil {
		s.accounts[name] = &history[map[string]string]{}
	}
	s.accounts[name].add(s.now(), annotations)
	return nil
}

func everything(*metav1.ListOptions) {}
