{{- define "shorelet.labels" -}}
app.kubernetes.io/name: shorelet
app.kubernetes.io/instance: {{ .Release.Name }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version }}
{{- end }}

{{- define "shorelet.selector" -}}
app.kubernetes.io/name: shorelet
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}

{{- define "shorelet.fullname" -}}
{{- if contains "shorelet" .Release.Name }}{{ .Release.Name | trunc 63 | trimSuffix "-" }}{{ else }}{{ printf "%s-shorelet" .Release.Name | trunc 63 | trimSuffix "-" }}{{ end }}
{{- end }}
