{{/* Peers and rules that several network policies have. */}}

{{/* Labels of all pods that the operator makes. */}}
{{- define "acuity.policy.streamPods" -}}
app.kubernetes.io/name: acuity
app.kubernetes.io/managed-by: acuity-operator
{{- end }}

{{- define "acuity.policy.monitoring" -}}
- namespaceSelector: {{ toYaml .Values.networkPolicies.monitoringNamespaces | nindent 4 }}
{{- end }}

{{- define "acuity.policy.toNameService" -}}
- ports: [{port: 53, protocol: UDP}, {port: 53, protocol: TCP}]
{{- end }}

{{- define "acuity.policy.toNats" -}}
{{- with .Values.nats.external.url }}
- ports: [{port: {{ (urlParse .).host | splitList ":" | rest | first | default "4222" }}}]
{{- else }}
- to:
  - namespaceSelector:
      matchLabels: {kubernetes.io/metadata.name: {{ .Release.Namespace }}}
    podSelector:
      matchLabels: {{ include "acuity.selector" (list . "nats") | nindent 8 }}
  ports: [{port: 4222}]
{{- end }}
{{- end }}
