{{- define "fairlead.labels" -}}
app.kubernetes.io/name: fairlead
app.kubernetes.io/component: control-plane
app.kubernetes.io/part-of: fairlead
{{- end }}

{{- define "fairlead.selector" -}}
app.kubernetes.io/name: fairlead
app.kubernetes.io/component: control-plane
{{- end }}

{{- define "fairlead.gateway.labels" -}}
app.kubernetes.io/name: {{ .Values.gateway.name }}
app.kubernetes.io/component: gateway
app.kubernetes.io/part-of: fairlead
{{- end }}

{{- define "fairlead.gateway.selector" -}}
app.kubernetes.io/name: {{ .Values.gateway.name }}
app.kubernetes.io/component: gateway
{{- end }}

{{- define "fairlead.image" -}}
{{ .Values.image.repository }}:{{ .Values.image.tag | default .Chart.AppVersion }}
{{- end }}

{{- define "fairlead.restricted" -}}
allowPrivilegeEscalation: false
privileged: false
readOnlyRootFilesystem: true
capabilities:
  drop: [ALL]
{{- end }}
