package injector

import (
	"encoding/csv"
	"slices"
	"strconv"
	"strings"

	corev1 "k8s.io/api/core/v1"
)

// ServiceAccount is what the injector knows of a pod's service account. The zero value is one that it has not
// seen and that has no association.
type ServiceAccount struct {
	Annotations map[string]string
	// Associated is whether the container-credentials file, which EKS writes, names it.
	Associated bool
}

// Mutate gives a copy of the pod with the identity of its service account, or without change where there is none.
func Mutate(pod *corev1.Pod, account ServiceAccount, settings Settings) *corev1.Pod {
	pod = pod.DeepCopy()
	identity, found := identityOf(pod, account, settings)
	if !found {
		return pod
	}
	if identity.label != "" {
		if pod.Labels == nil {
			pod.Labels = map[string]string{}
		}
		pod.Labels[identity.label] = "enabled"
	}
	skipped := skippedContainers(pod, settings)
	for _, containers := range [][]corev1.Container{pod.Spec.InitContainers, pod.Spec.Containers} {
		for i := range containers {
			if !slices.Contains(skipped, containers[i].Name) {
				identity.inject(&containers[i])
			}
		}
	}
	identity.addVolume(pod)
	return pod
}

// identity is what is to be written into a pod.
type identity struct {
	volume     string
	mountPath  string
	tokenFile  string
	audience   string
	expiration int64
	// label, where not empty, marks the pod.
	label string
	// common variables come first, each group only into a container that has none of it.
	regionalSTS []corev1.EnvVar
	region      []corev1.EnvVar
	credentials []corev1.EnvVar
}

const (
	regionalSTSKey = "AWS_STS_REGIONAL_ENDPOINTS"
	regionKey      = "AWS_REGION"
	defaultRegion  = "AWS_DEFAULT_REGION"
)

// identityOf decides between Pod Identity and a web identity: an association comes before the annotation.
func identityOf(pod *corev1.Pod, account ServiceAccount, settings Settings) (identity, bool) {
	result := identity{expiration: expiration(pod, account, settings)}
	if regionalSTS(account, settings) {
		result.regionalSTS = []corev1.EnvVar{{Name: regionalSTSKey, Value: "regional"}}
	}
	if settings.Region != "" {
		result.region = []corev1.EnvVar{
			{Name: defaultRegion, Value: settings.Region},
			{Name: regionKey, Value: settings.Region},
		}
	}
	role := account.Annotations[settings.key("role-arn")]
	switch {
	case account.Associated:
		result.volume = "eks-pod-identity-token"
		result.mountPath = "/var/run/secrets/pods.eks.amazonaws.com/serviceaccount"
		result.tokenFile = "eks-pod-identity-token"
		result.audience = "pods.eks.amazonaws.com"
		result.label = settings.key("pod-identity")
		if result.expiration == day {
			result.expiration -= settings.Spread(spread)
		}
		result.credentials = []corev1.EnvVar{
			{Name: "AWS_CONTAINER_CREDENTIALS_FULL_URI", Value: "http://169.254.170.23/v1/credentials"},
			{Name: "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE", Value: result.tokenPath(pod)},
		}
	case role != "":
		result.volume = "aws-iam-token"
		result.mountPath = "/var/run/secrets/eks.amazonaws.com/serviceaccount"
		result.tokenFile = "token"
		result.audience = settings.Audience
		// An empty audience is taken as it is: the token is then for the API server.
		if own, found := account.Annotations[settings.key("audience")]; found {
			result.audience = own
		}
		// The role is taken as it stands: nothing is trimmed and nothing is checked.
		result.credentials = []corev1.EnvVar{
			{Name: "AWS_ROLE_ARN", Value: role},
			{Name: "AWS_WEB_IDENTITY_TOKEN_FILE", Value: result.tokenPath(pod)},
		}
	default:
		return identity{}, false
	}
	return result, true
}

// tokenPath is where a container finds the token. Only the node selector tells a Windows pod: affinity and the
// pod's own `os` are not looked at.
func (i identity) tokenPath(pod *corev1.Pod) string {
	path := i.mountPath + "/" + i.tokenFile
	for _, key := range []string{"kubernetes.io/os", "beta.kubernetes.io/os"} {
		if pod.Spec.NodeSelector[key] == "windows" {
			return `C:` + strings.ReplaceAll(path, "/", `\`)
		}
	}
	return path
}

// inject writes variables and the mount into a container. Only the names in its `env` count: `envFrom` is not
// looked at, and a variable with an empty value is there all the same.
func (i identity) inject(container *corev1.Container) {
	credentials := hasAny(container, i.credentials)
	region := hasAny(container, []corev1.EnvVar{{Name: defaultRegion}, {Name: regionKey}})
	sts := hasAny(container, []corev1.EnvVar{{Name: regionalSTSKey}})
	if credentials && region && sts {
		// Nothing is left to be set, and the mount is forgotten with it.
		return
	}
	if !sts {
		container.Env = append(container.Env, i.regionalSTS...)
	}
	if !region {
		container.Env = append(container.Env, i.region...)
	}
	if !credentials {
		container.Env = append(container.Env, i.credentials...)
	}
	mounted := func(mount corev1.VolumeMount) bool { return mount.Name == i.volume }
	if !slices.ContainsFunc(container.VolumeMounts, mounted) {
		mount := corev1.VolumeMount{Name: i.volume, ReadOnly: true, MountPath: i.mountPath}
		container.VolumeMounts = append(container.VolumeMounts, mount)
	}
}

func hasAny(container *corev1.Container, names []corev1.EnvVar) bool {
	return slices.ContainsFunc(container.Env, func(own corev1.EnvVar) bool {
		return slices.ContainsFunc(names, func(other corev1.EnvVar) bool { return own.Name == other.Name })
	})
}

// addVolume puts the token first in the list, unless a volume of that name is there, whatever it holds.
func (i identity) addVolume(pod *corev1.Pod) {
	if slices.ContainsFunc(pod.Spec.Volumes, func(volume corev1.Volume) bool { return volume.Name == i.volume }) {
		return
	}
	expiration := i.expiration
	token := corev1.ServiceAccountTokenProjection{Audience: i.audience, ExpirationSeconds: &expiration, Path: i.tokenFile}
	source := corev1.ProjectedVolumeSource{Sources: []corev1.VolumeProjection{{ServiceAccountToken: &token}}}
	volume := corev1.Volume{Name: i.volume, VolumeSource: corev1.VolumeSource{Projected: &source}}
	pod.Spec.Volumes = append([]corev1.Volume{volume}, pod.Spec.Volumes...)
}

// expiration in seconds: the pod's annotation comes before the service account's, that before the flag. What
// cannot be read is passed over.
func expiration(pod *corev1.Pod, account ServiceAccount, settings Settings) int64 {
	seconds := settings.Expiration
	for _, annotations := range []map[string]string{account.Annotations, pod.Annotations} {
		if said, err := strconv.ParseInt(annotations[settings.key("token-expiration")], 10, 64); err == nil {
			seconds = said
		}
	}
	return max(seconds, shortest)
}

func regionalSTS(account ServiceAccount, settings Settings) bool {
	said, err := strconv.ParseBool(account.Annotations[settings.key("sts-regional-endpoints")])
	if err != nil {
		return settings.RegionalSTS
	}
	return said
}

// skippedContainers are the first record of the pod's comma-separated values, as they are: blanks belong to a name.
// Where they cannot be read, no container is skipped.
func skippedContainers(pod *corev1.Pod, settings Settings) []string {
	value, found := pod.Annotations[settings.key("skip-containers")]
	if !found {
		return nil
	}
	names, err := csv.NewReader(strings.NewReader(value)).Read()
	if err != nil {
		return nil
	}
	return names
}
