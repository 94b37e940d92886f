{{/*
An object as it is applied: the template "acuity.KEY", with labels and annotations that every object has, and what
.Values.overrides has at KEY over it. KEY is component.kind.
Arguments: root, KEY; optionally a name for this one of several objects of KEY, which the template finds in .Item.
*/}}
{{- define "acuity.object" -}}
{{- $root := index . 0 }}
{{- $key := index . 1 }}
{{- $context := gt (len .) 2 | ternary (merge (dict "Item" (last .)) $root) $root }}
{{- $object := include (printf "acuity.%s" $key) $context | fromYaml }}
{{- with $object.Error }}{{ fail (printf "%s: %s" $key .) }}{{ end }}
{{- $labels := include "acuity.labels" (list $root (splitList "." $key | first)) | fromYaml }}
{{- $common := dict "labels" $root.Values.commonLabels }}
{{- with $root.Values.commonAnnotations }}{{ $_ := set $common "annotations" . }}{{ end }}
{{- $_ := set $object "metadata" (merge $object.metadata (dict "labels" $labels) (deepCopy $common)) }}
{{- /* Pods have nothing that another version of the chart would change. */}}
{{- if dig "spec" "template" "spec" "containers" "" $object }}
{{- $_ := set $object.spec.template "metadata" (merge $object.spec.template.metadata (deepCopy $common)) }}
{{- end }}
---
{{ mergeOverwrite $object (index $root.Values.overrides $key | default dict) | toYaml }}
{{- end }}

{{- define "acuity.labels" -}}
{{ include "acuity.selector" . }}
app.kubernetes.io/version: {{ (index . 0).Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ (index . 0).Release.Service }}
app.kubernetes.io/part-of: acuity
helm.sh/chart: {{ printf "%s-%s" (index . 0).Chart.Name (index . 0).Chart.Version | replace "+" "_" }}
{{- end }}

{{/* Fields that say where a pod goes, and whose place it may take. Arguments: root, "operator" or "nats". */}}
{{- define "acuity.placement" -}}
{{- $root := index . 0 }}
{{- $values := index $root.Values (index . 1) }}
{{- range $field := list "nodeSelector" "tolerations" "affinity" "topologySpreadConstraints" }}
{{- with index $values $field }}
{{ $field }}: {{ toYaml . | nindent 2 }}
{{- end }}
{{- end }}
{{- $class := $root.Values.streams.priorityClasses.create | ternary (include "acuity.priorityClass" (list $root "control")) "" }}
{{- with $values.priorityClassName | default $class }}
priorityClassName: {{ . }}
{{- end }}
{{- end }}
