{{- define "rolecall.name" -}}
{{- default .Chart.Name .Values.nameOverride | trunc 63 | trimSuffix "-" -}}
{{- end -}}

{{/* 48 characters leave room for the endings of names, such as `-would-deny`. */}}
{{- define "rolecall.fullname" -}}
{{- if .Values.fullnameOverride -}}
{{- .Values.fullnameOverride | trunc 48 | trimSuffix "-" -}}
{{- else -}}
{{- $name := include "rolecall.name" . -}}
{{- if contains $name .Release.Name -}}
{{- .Release.Name | trunc 48 | trimSuffix "-" -}}
{{- else -}}
{{- printf "%s-%s" .Release.Name $name | trunc 48 | trimSuffix "-" -}}
{{- end -}}
{{- end -}}
{{- end -}}

{{- define "rolecall.chart" -}}
{{- printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" | trunc 63 | trimSuffix "-" -}}
{{- end -}}

{{/* The labels of every object. */}}
{{- define "rolecall.labels" -}}
helm.sh/chart: {{ include "rolecall.chart" . }}
{{ include "rolecall.selector" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
{{- with .Values.commonLabels }}
{{ toYaml . }}
{{- end }}
{{- end -}}

{{/* What selects the webhook's pods: never to be changed, since a Deployment's selector cannot be. */}}
{{- define "rolecall.selector" -}}
app.kubernetes.io/name: {{ include "rolecall.name" . }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end -}}

{{/* The labels of a job's pods, which no selector of the webhook's fits: (list . "scan"). */}}
{{- define "rolecall.jobSelector" -}}
{{- $top := index . 0 -}}
app.kubernetes.io/name: {{ include "rolecall.name" $top }}-{{ index . 1 }}
app.kubernetes.io/instance: {{ $top.Release.Name }}
app.kubernetes.io/component: {{ index . 1 }}
{{- end -}}

{{/* The labels of a job's objects. */}}
{{- define "rolecall.jobLabels" -}}
{{- $top := index . 0 -}}
helm.sh/chart: {{ include "rolecall.chart" $top }}
{{ include "rolecall.jobSelector" . }}
app.kubernetes.io/version: {{ $top.Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ $top.Release.Service }}
{{- with $top.Values.commonLabels }}
{{ toYaml . }}
{{- end }}
{{- end -}}

{{- define "rolecall.serviceAccount" -}}
{{- if .Values.serviceAccount.create -}}
{{- default (include "rolecall.fullname" .) .Values.serviceAccount.name -}}
{{- else -}}
{{- required "serviceAccount.name is required where serviceAccount.create is false" .Values.serviceAccount.name -}}
{{- end -}}
{{- end -}}

{{- define "rolecall.image" -}}
{{- with .Values.image -}}
{{- if .digest -}}
{{ .repository }}@{{ .digest }}
{{- else -}}
{{ .repository }}:{{ default $.Chart.AppVersion .tag }}
{{- end -}}
{{- end -}}
{{- end -}}

{{/* Restricted Pod Security, but for host networking. */}}
{{- define "rolecall.podSecurityContext" -}}
runAsNonRoot: true
runAsUser: 65532
runAsGroup: 65532
seccompProfile: {type: RuntimeDefault}
{{- end -}}

{{- define "rolecall.containerSecurityContext" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
capabilities: {drop: [ALL]}
{{- end -}}

{{/* The configuration file: the values, and the names of this release's objects where they are not the defaults. */}}
{{- define "rolecall.config" -}}
{{- $fullname := include "rolecall.fullname" . -}}
{{- $config := deepCopy .Values.config -}}
{{- if ne $fullname "rolecall" -}}
{{- $names := dict "service" $fullname "webhookConfiguration" $fullname -}}
{{- $config = mustMergeOverwrite $config (dict "cluster" (mustMergeOverwrite (default dict $config.cluster) $names)) -}}
{{- end -}}
{{ toYaml $config }}
{{- end -}}

{{/* Where AWS data comes from: --source, and --cluster where it is named. */}}
{{- define "rolecall.sourceArgs" -}}
- --source={{ .Values.source }}
{{- if .Values.clusterName }}
- --cluster={{ .Values.clusterName }}
{{- end }}
{{- end -}}

{{/* Environment of every container: the region, and the user's own. */}}
{{- define "rolecall.env" -}}
# Memory that is freed goes back at once: docs/reliability.md has the bound.
- {name: MIMALLOC_PURGE_DELAY, value: "0"}
{{- with .Values.region }}
- {name: AWS_REGION, value: {{ . | quote }}}
{{- end }}
{{- with .Values.extraEnv }}
{{ toYaml . }}
{{- end }}
{{- end -}}

{{/* What a pod needs to be scheduled, besides its spread. */}}
{{- define "rolecall.scheduling" -}}
{{- with .Values.imagePullSecrets }}
imagePullSecrets:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .Values.nodeSelector }}
nodeSelector:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .Values.tolerations }}
tolerations:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end -}}

{{/* The Kubernetes names of what mounts the TLS files. */}}
{{- define "rolecall.tlsSecret" -}}
{{- if eq .Values.certificates.from "cert-manager" -}}
{{ include "rolecall.fullname" . }}-tls
{{- else -}}
{{ .Values.certificates.secretName }}
{{- end -}}
{{- end -}}

{{/* Annotations of a service account: its own, and its IAM role by web identity. (dict "roleArn" … "annotations" …) */}}
{{- define "rolecall.accountAnnotations" -}}
{{- $all := deepCopy (default dict .annotations) -}}
{{- if .roleArn -}}
{{- $all = set $all "eks.amazonaws.com/role-arn" .roleArn -}}
{{- end -}}
{{- if $all }}
annotations:
  {{- toYaml $all | nindent 2 }}
{{- end -}}
{{- end -}}
