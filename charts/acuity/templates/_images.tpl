{{/* The image of a part, by its key in .Values.images. Arguments: root, key. */}}
{{- define "acuity.image" -}}
{{- $root := index . 0 }}
{{- $images := $root.Values.images }}
{{- $image := index $images (index . 1) }}
{{- $tag := $image.tag | default (printf "%s%s" ($images.tag | default $root.Chart.AppVersion) (hasSuffix "Accelerated" (index . 1) | ternary "-cuda" "")) }}
{{- $registry := $image.registry | default $images.registry }}
{{- with $registry }}{{ . }}/{{ end }}{{ $image.repository }}
{{- if $image.digest }}@{{ $image.digest }}{{ else }}:{{ $tag }}{{ end }}
{{- end }}

{{/* imagePullSecrets of a pod of the chart. */}}
{{- define "acuity.pullSecrets" -}}
{{- with .Values.images.pullSecrets }}
imagePullSecrets: {{ toYaml . | nindent 2 }}
{{- end }}
{{- end }}
