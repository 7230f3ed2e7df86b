{{/* What the registration and a backstop leave out by name: the release's namespace, and what the values say. */}}
{{- define "rolecall.excludedNamespaces" -}}
[{{ join ", " (uniq (append .Values.webhook.excludedNamespaces .Release.Namespace)) }}]
{{- end -}}

{{/* The objects of the two entries that check identities. */}}
{{- define "rolecall.rules" -}}
- apiGroups: [""]
  apiVersions: [v1]
  operations: [CREATE, UPDATE]
  resources: [pods]
  scope: Namespaced
- apiGroups: [""]
  apiVersions: [v1]
  operations: [UPDATE]
  resources: [pods/ephemeralcontainers]
  scope: Namespaced
- apiGroups: [""]
  apiVersions: [v1]
  operations: [CREATE, UPDATE]
  resources: [serviceaccounts, replicationcontrollers, podtemplates]
  scope: Namespaced
- apiGroups: [apps]
  apiVersions: [v1]
  operations: [CREATE, UPDATE]
  resources: [deployments, statefulsets, daemonsets, replicasets]
  scope: Namespaced
- apiGroups: [batch]
  apiVersions: [v1]
  operations: [CREATE, UPDATE]
  resources: [jobs, cronjobs]
  scope: Namespaced
{{- end -}}

{{- define "rolecall.matchConditions" -}}
# Mirror pods have no service account. The annotation alone shows none: only a node creates them.
- name: no-mirror-pods
  expression: >-
    request.kind.kind != 'Pod' ||
    !has(object.metadata.annotations) || !('kubernetes.io/config.mirror' in object.metadata.annotations) ||
    !request.userInfo.username.startsWith('system:node:') ||
    !has(request.userInfo.groups) || !('system:nodes' in request.userInfo.groups)
# A pod changes its nodes only while scheduling gates hold it; nothing else of an update touches its identity.
- name: pods-by-placement
  expression: >-
    request.kind.kind != 'Pod' || request.operation != 'UPDATE' ||
    (has(request.subResource) && request.subResource != '') ||
    (has(object.spec.nodeSelector) ? object.spec.nodeSelector : {}) !=
    (has(oldObject.spec.nodeSelector) ? oldObject.spec.nodeSelector : {}) ||
    has(object.spec.affinity) != has(oldObject.spec.affinity) ||
    (has(object.spec.affinity) && object.spec.affinity != oldObject.spec.affinity)
# The ReplicaSet of a Deployment, or the Job of a CronJob, repeats what its owner was warned of. An owner reference can
# be written by every user: Kubernetes' own controllers are known by who asks.
- name: owners-only
  expression: >-
    !(request.kind.kind in ['ReplicaSet', 'Job']) ||
    !(request.userInfo.username in ['system:kube-controller-manager',
      'system:serviceaccount:kube-system:deployment-controller',
      'system:serviceaccount:kube-system:cronjob-controller'])
# A service account counts by its annotations.
- name: service-accounts-by-annotations
  expression: >-
    request.kind.kind != 'ServiceAccount' || request.operation != 'UPDATE' ||
    (has(object.metadata.annotations) ? object.metadata.annotations : {}) !=
    (has(oldObject.metadata.annotations) ? oldObject.metadata.annotations : {})
# A workload counts by its template and the annotations that are read: scaling or pausing it changes no identity.
- name: workloads-by-template
  expression: >-
    request.operation != 'UPDATE' || request.kind.kind in ['ServiceAccount', 'Pod', 'PodTemplate', 'CronJob'] ||
    !has(object.spec.template) || !has(oldObject.spec.template) ||
    object.spec.template != oldObject.spec.template ||
    (has(object.metadata.annotations) && (size(object.metadata.annotations) > 1000 ||
      object.metadata.annotations.exists(a,
      (a.startsWith('rolecall.dev/') || a in ['eks.amazonaws.com/role-arn', 'iam.amazonaws.com/role']) &&
      !(has(oldObject.metadata.annotations) && a in oldObject.metadata.annotations &&
        oldObject.metadata.annotations[a] == object.metadata.annotations[a])))) ||
    (has(oldObject.metadata.annotations) && (size(oldObject.metadata.annotations) > 1000 ||
      oldObject.metadata.annotations.exists(a,
      (a.startsWith('rolecall.dev/') || a in ['eks.amazonaws.com/role-arn', 'iam.amazonaws.com/role']) &&
      !(has(object.metadata.annotations) && a in object.metadata.annotations))))
{{- end -}}

{{- define "rolecall.clientConfig" -}}
service: {name: {{ include "rolecall.fullname" . }}, namespace: {{ .Release.Namespace }}, path: /validate, port: 443}
{{- if eq .Values.certificates.from "secret" }}
caBundle: {{ .Values.certificates.caBundle | b64enc }}
{{- end }}
{{- end -}}
