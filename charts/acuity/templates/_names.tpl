{{/* What every object is called after: release and chart, in 40 characters, so that suffixes fit. */}}
{{- define "acuity.fullname" -}}
{{- $name := .Values.nameOverride | default .Chart.Name -}}
{{- $full := contains $name .Release.Name | ternary .Release.Name (printf "%s-%s" .Release.Name $name) -}}
{{- .Values.fullnameOverride | default $full | trunc 40 | trimSuffix "-" -}}
{{- end }}

{{- define "acuity.serviceAccountName" -}}
{{- .Values.serviceAccount.name | default (.Values.serviceAccount.create | ternary (printf "%s-operator" (include "acuity.fullname" .)) "default") -}}
{{- end }}

{{/* Labels that select a component's pods: they never change. Arguments: root, component. */}}
{{- define "acuity.selector" -}}
app.kubernetes.io/name: {{ (index . 0).Chart.Name }}
app.kubernetes.io/instance: {{ (index . 0).Release.Name }}
app.kubernetes.io/component: {{ index . 1 }}
{{- end }}

{{- define "acuity.natsUrl" -}}
{{- .Values.nats.external.url | default (printf "nats://%s-nats.%s:4222" (include "acuity.fullname" .) .Release.Namespace) -}}
{{- end }}

{{/* The Secret with `user:password` of each role. */}}
{{- define "acuity.natsCredentials" -}}
{{- .Values.nats.credentialsSecret | default (printf "%s-nats" (include "acuity.fullname" .)) -}}
{{- end }}

{{/* The namespaces that streams are prepared for, as a YAML list. */}}
{{- define "acuity.streamNamespaces" -}}
{{- .Values.streams.namespaces | default (list (.Values.operator.watchNamespace | default .Release.Namespace)) | toYaml -}}
{{- end }}

{{/* The priority class of a role; these belong to no namespace. Arguments: root, role. */}}
{{- define "acuity.priorityClass" -}}
{{- printf "%s-%s-%s" (include "acuity.fullname" (index . 0)) (index . 1) (index . 0).Release.Namespace -}}
{{- end }}
