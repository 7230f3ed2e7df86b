package injector

import (
	"slices"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
)

const role = "arn:aws:iam::111122223333:role/carts"

func annotated(pairs ...string) ServiceAccount {
	annotations := map[string]string{"eks.amazonaws.com/role-arn": role}
	for i := 0; i < len(pairs); i += 2 {
		annotations["eks.amazonaws.com/"+pairs[i]] = pairs[i+1]
	}
	return ServiceAccount{Annotations: annotations}
}

func associated() ServiceAccount { return ServiceAccount{Associated: true} }

// settings give every Pod Identity token the same life.
func settings() Settings {
	settings := Recorded()
	settings.Spread = func(limit int64) int64 { return limit }
	return settings
}

func podOf(containers ...corev1.Container) *corev1.Pod {
	return &corev1.Pod{Spec: corev1.PodSpec{Containers: containers}}
}

func container(variables ...string) corev1.Container {
	result := corev1.Container{Name: "main"}
	for _, variable := range variables {
		name, value, _ := strings.Cut(variable, "=")
		result.Env = append(result.Env, corev1.EnvVar{Name: name, Value: value})
	}
	return result
}

func variables(container corev1.Container) []string {
	var names []string
	for _, variable := range container.Env {
		names = append(names, variable.Name)
	}
	return names
}

func mounts(container corev1.Container) []string {
	var names []string
	for _, mount := range container.VolumeMounts {
		names = append(names, mount.Name)
	}
	return names
}

// TestPresets is about what a container has of its own. It names the variables it ends up with, in order.
func TestPresets(t *testing.T) {
	const (
		sts, defaultKey, region = "AWS_STS_REGIONAL_ENDPOINTS", "AWS_DEFAULT_REGION", "AWS_REGION"
		arn, file               = "AWS_ROLE_ARN", "AWS_WEB_IDENTITY_TOKEN_FILE"
		uri, token              = "AWS_CONTAINER_CREDENTIALS_FULL_URI", "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE"
	)
	for name, test := range map[string]struct {
		account ServiceAccount
		own     []string
		want    []string
		// unmounted is where the mount is left out too.
		unmounted bool
	}{
		"nothing":                         {annotated(), nil, []string{sts, defaultKey, region, arn, file}, false},
		"nothing, associated":             {associated(), nil, []string{sts, defaultKey, region, uri, token}, false},
		"the role":                        {annotated(), []string{arn}, []string{arn, sts, defaultKey, region}, false},
		"the token file":                  {annotated(), []string{file}, []string{file, sts, defaultKey, region}, false},
		"the URI":                         {associated(), []string{uri}, []string{uri, sts, defaultKey, region}, false},
		"the token of the URI":            {associated(), []string{token}, []string{token, sts, defaultKey, region}, false},
		"the role, but associated":        {associated(), []string{arn}, []string{arn, sts, defaultKey, region, uri, token}, false},
		"the URI, but annotated":          {annotated(), []string{uri}, []string{uri, sts, defaultKey, region, arn, file}, false},
		"one region":                      {annotated(), []string{region}, []string{region, sts, arn, file}, false},
		"the other region":                {annotated(), []string{defaultKey}, []string{defaultKey, sts, arn, file}, false},
		"endpoints":                       {annotated(), []string{sts}, []string{sts, defaultKey, region, arn, file}, false},
		"region and endpoints":            {annotated(), []string{sts, region}, []string{sts, region, arn, file}, false},
		"role and endpoints":              {annotated(), []string{arn, sts}, []string{arn, sts, defaultKey, region}, false},
		"role, region and endpoints":      {annotated(), []string{arn, region, sts}, []string{arn, region, sts}, true},
		"URI, region and endpoints":       {associated(), []string{token, defaultKey, sts}, []string{token, defaultKey, sts}, true},
		"all three, without a value":      {annotated(), []string{file + "=", region + "=", sts + "="}, []string{file, region, sts}, true},
		"endpoints off":                   {annotated("sts-regional-endpoints", "false"), nil, []string{defaultKey, region, arn, file}, false},
		"endpoints off, role and region":  {annotated("sts-regional-endpoints", "false"), []string{arn, region}, []string{arn, region}, false},
		"endpoints that cannot be read":   {annotated("sts-regional-endpoints", "no"), nil, []string{sts, defaultKey, region, arn, file}, false},
		"a variable that means something": {annotated(), []string{"AWS_PROFILE"}, []string{"AWS_PROFILE", sts, defaultKey, region, arn, file}, false},
	} {
		t.Run(name, func(t *testing.T) {
			before := podOf(container(test.own...))
			pod := Mutate(before, test.account, settings())
			if got := variables(pod.Spec.Containers[0]); !slices.Equal(got, test.want) {
				t.Errorf("variables %v, not %v", got, test.want)
			}
			if got := len(mounts(pod.Spec.Containers[0])) == 0; got != test.unmounted {
				t.Errorf("unmounted is %v", got)
			}
			if len(pod.Spec.Volumes) != 1 {
				t.Errorf("volumes %v", pod.Spec.Volumes)
			}
			if len(before.Spec.Volumes) != 0 || len(before.Spec.Containers[0].Env) != len(test.own) {
				t.Errorf("the pod that was given is changed")
			}
		})
	}
}

// TestEnvFromIsNotRead: the injector cannot know what is in a ConfigMap.
func TestEnvFromIsNotRead(t *testing.T) {
	own := container()
	own.EnvFrom = []corev1.EnvFromSource{{Prefix: "AWS_"}}
	pod := Mutate(podOf(own), annotated(), settings())
	if got := variables(pod.Spec.Containers[0]); len(got) != 5 {
		t.Errorf("variables %v", got)
	}
}

func TestWithoutRegionAndEndpoints(t *testing.T) {
	bare := settings()
	bare.Region, bare.RegionalSTS = "", false
	pod := Mutate(podOf(container()), annotated(), bare)
	if got := variables(pod.Spec.Containers[0]); !slices.Equal(got, []string{"AWS_ROLE_ARN", "AWS_WEB_IDENTITY_TOKEN_FILE"}) {
		t.Errorf("variables %v", got)
	}
}

func TestSkippedContainers(t *testing.T) {
	for said, want := range map[string][]string{
		"":                {"init", "main", "sidecar"},
		"sidecar":         {"init", "main"},
		"sidecar,init":    {"main"},
		" sidecar , main": {"init", "main", "sidecar"},
		"sidecar\n":       {"init", "main"},
		"unknown":         {"init", "main", "sidecar"},
		`"sidecar`:        {"init", "main", "sidecar"},
		`side"car,init`:   {"init", "main", "sidecar"},
	} {
		t.Run(said, func(t *testing.T) {
			pod := podOf(corev1.Container{Name: "main"}, corev1.Container{Name: "sidecar"})
			pod.Spec.InitContainers = []corev1.Container{{Name: "init"}}
			pod.Annotations = map[string]string{"eks.amazonaws.com/skip-containers": said}
			pod = Mutate(pod, annotated(), settings())
			var injected []string
			for _, container := range append(pod.Spec.InitContainers, pod.Spec.Containers...) {
				if len(container.Env) > 0 && len(container.VolumeMounts) > 0 {
					injected = append(injected, container.Name)
				}
			}
			if !slices.Equal(injected, want) {
				t.Errorf("injected into %v, not %v", injected, want)
			}
		})
	}
}

func TestEphemeralContainersAreLeftAlone(t *testing.T) {
	pod := podOf(container())
	pod.Spec.EphemeralContainers = []corev1.EphemeralContainer{{}}
	pod = Mutate(pod, annotated(), settings())
	if got := pod.Spec.EphemeralContainers[0]; len(got.Env) > 0 || len(got.VolumeMounts) > 0 {
		t.Errorf("injected: %v", got)
	}
}

func TestExpiration(t *testing.T) {
	const unsaid = "unsaid"
	for name, test := range map[string]struct {
		account, pod string
		webIdentity  int64
		podIdentity  int64
	}{
		"nobody says":               {unsaid, unsaid, 86400, 79200},
		"the service account":       {"3600", unsaid, 3600, 3600},
		"the pod":                   {unsaid, "7200", 7200, 7200},
		"the pod before the other":  {"3600", "7200", 7200, 7200},
		"the pod cannot be read":    {"3600", "1h", 3600, 3600},
		"neither can be read":       {"x", "", 86400, 79200},
		"a day, but said":           {"3600", "86400", 86400, 79200},
		"nearly a day":              {unsaid, "86399", 86399, 86399},
		"too short":                 {unsaid, "60", 600, 600},
		"negative":                  {"-1", unsaid, 600, 600},
		"a week: there is no limit": {"604800", unsaid, 604800, 604800},
	} {
		t.Run(name, func(t *testing.T) {
			pod := podOf(container())
			if test.pod != unsaid {
				pod.Annotations = map[string]string{"eks.amazonaws.com/token-expiration": test.pod}
			}
			account := annotated()
			if test.account != unsaid {
				account = annotated("token-expiration", test.account)
			}
			for _, want := range []int64{test.webIdentity, test.podIdentity} {
				token := Mutate(pod, account, settings()).Spec.Volumes[0].Projected.Sources[0].ServiceAccountToken
				if *token.ExpirationSeconds != want {
					t.Errorf("associated %v: %d s, not %d", account.Associated, *token.ExpirationSeconds, want)
				}
				account.Associated = true
			}
		})
	}
}

func TestTheSpreadIsWithinTwoHours(t *testing.T) {
	for range 1000 {
		pod := Mutate(podOf(container()), associated(), Recorded())
		seconds := *pod.Spec.Volumes[0].Projected.Sources[0].ServiceAccountToken.ExpirationSeconds
		if seconds < 79200 || seconds > 86400 {
			t.Fatalf("%d s", seconds)
		}
	}
}

func TestWindows(t *testing.T) {
	const (
		unix    = "/var/run/secrets/eks.amazonaws.com/serviceaccount/token"
		windows = `C:\var\run\secrets\eks.amazonaws.com\serviceaccount\token`
	)
	for name, test := range map[string]struct {
		spec corev1.PodSpec
		want string
	}{
		"node selector":     {corev1.PodSpec{NodeSelector: map[string]string{"kubernetes.io/os": "windows"}}, windows},
		"old node selector": {corev1.PodSpec{NodeSelector: map[string]string{"beta.kubernetes.io/os": "windows"}}, windows},
		"linux":             {corev1.PodSpec{NodeSelector: map[string]string{"kubernetes.io/os": "linux"}}, unix},
		"the pod's os":      {corev1.PodSpec{OS: &corev1.PodOS{Name: corev1.Windows}}, unix},
	} {
		t.Run(name, func(t *testing.T) {
			pod := &corev1.Pod{Spec: test.spec}
			pod.Spec.Containers = []corev1.Container{container()}
			pod = Mutate(pod, annotated(), settings())
			env := pod.Spec.Containers[0].Env
			if got := env[len(env)-1].Value; got != test.want {
				t.Errorf("%s", got)
			}
		})
	}
}

// TestWhoHasAnIdentity is about which of both, and about the label and the audience that come with it.
func TestWhoHasAnIdentity(t *testing.T) {
	both := annotated("audience", "my-audience")
	both.Associated = true
	for name, test := range map[string]struct {
		account  ServiceAccount
		volume   string
		audience string
		labelled bool
	}{
		"neither":                {ServiceAccount{}, "", "", false},
		"an empty role":          {annotated("role-arn", ""), "", "", false},
		"the annotation":         {annotated(), "aws-iam-token", "sts.amazonaws.com", false},
		"with an audience":       {annotated("audience", "my-audience"), "aws-iam-token", "my-audience", false},
		"with an empty audience": {annotated("audience", ""), "aws-iam-token", "", false},
		"the association":        {associated(), "eks-pod-identity-token", "pods.eks.amazonaws.com", true},
		"the association first":  {both, "eks-pod-identity-token", "pods.eks.amazonaws.com", true},
	} {
		t.Run(name, func(t *testing.T) {
			pod := Mutate(podOf(container()), test.account, settings())
			if _, labelled := pod.Labels["eks.amazonaws.com/pod-identity"]; labelled != test.labelled {
				t.Errorf("labels %v", pod.Labels)
			}
			if test.volume == "" {
				if len(pod.Spec.Volumes) > 0 || len(pod.Spec.Containers[0].Env) > 0 {
					t.Errorf("injected: %v", pod.Spec)
				}
				return
			}
			volume := pod.Spec.Volumes[0]
			if volume.Name != test.volume || volume.Projected.Sources[0].ServiceAccountToken.Audience != test.audience {
				t.Errorf("volume %v", volume)
			}
		})
	}
}

// TestVolumesAndMountsGoByName: what is there under the name is taken for the injector's own.
func TestVolumesAndMountsGoByName(t *testing.T) {
	own := container()
	own.VolumeMounts = []corev1.VolumeMount{{Name: "aws-iam-token", MountPath: "/elsewhere"}}
	pod := podOf(own, corev1.Container{Name: "other", VolumeMounts: []corev1.VolumeMount{{Name: "data"}}})
	pod.Spec.Volumes = []corev1.Volume{{Name: "data"}, {Name: "aws-iam-token"}}
	pod = Mutate(pod, annotated(), settings())
	if len(pod.Spec.Volumes) != 2 || pod.Spec.Volumes[1].Projected != nil {
		t.Errorf("volumes %v", pod.Spec.Volumes)
	}
	if got := pod.Spec.Containers[0].VolumeMounts; len(got) != 1 || got[0].MountPath != "/elsewhere" {
		t.Errorf("mounts %v", got)
	}
	if got := mounts(pod.Spec.Containers[1]); !slices.Equal(got, []string{"data", "aws-iam-token"}) {
		t.Errorf("mounts %v", got)
	}

	pod = podOf(container())
	pod.Spec.Volumes = []corev1.Volume{{Name: "data"}}
	pod = Mutate(pod, annotated(), settings())
	if len(pod.Spec.Volumes) != 2 || pod.Spec.Volumes[0].Name != "aws-iam-token" {
		t.Errorf("the token is not first: %v", pod.Spec.Volumes)
	}
}
