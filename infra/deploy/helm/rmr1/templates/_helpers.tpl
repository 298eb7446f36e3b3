{{- define "rmr1.labels" -}}
app.kubernetes.io/name: rmr1
app.kubernetes.io/instance: {{ .Release.Name }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
{{- end }}

{{- define "rmr1.selector" -}}
app.kubernetes.io/name: rmr1
app.kubernetes.io/instance: {{ .root.Release.Name }}
app.kubernetes.io/component: {{ .component }}
{{- end }}

{{- define "rmr1.serviceAccount" -}}
{{ .Values.serviceAccount.name | default .Release.Name }}
{{- end }}

{{- define "rmr1.image" -}}
{{ .image.repository }}:{{ .image.tag | default .root.Chart.AppVersion }}
{{- end }}

{{/* Keys of the S3 store, for workers and training jobs alike. */}}
{{- define "rmr1.s3Env" -}}
- { name: RMR1_S3_BUCKET, value: {{ .Values.s3.bucket | quote }} }
- { name: AWS_REGION, value: {{ .Values.s3.region | quote }} }
{{- with .Values.s3.endpoint }}
- { name: RMR1_S3_ENDPOINT, value: {{ . | quote }} }
{{- end }}
{{- with .Values.s3.prefix }}
- { name: RMR1_S3_PREFIX, value: {{ . | quote }} }
{{- end }}
{{- with .Values.s3.credentialsSecret }}
- name: AWS_ACCESS_KEY_ID
  valueFrom: { secretKeyRef: { name: {{ . }}, key: access-key-id } }
- name: AWS_SECRET_ACCESS_KEY
  valueFrom: { secretKeyRef: { name: {{ . }}, key: secret-access-key } }
{{- end }}
{{- end }}

{{- define "rmr1.temporalEnv" -}}
- { name: TEMPORAL_ADDRESS, value: {{ .Values.temporal.address | quote }} }
- { name: TEMPORAL_NAMESPACE, value: {{ .Values.temporal.namespace | quote }} }
{{- if .Values.temporal.apiKey.secret }}
- name: TEMPORAL_API_KEY
  valueFrom: { secretKeyRef: { name: {{ .Values.temporal.apiKey.secret }}, key: {{ .Values.temporal.apiKey.key }} } }
{{- end }}
{{- if .Values.temporal.tls.secret }}
- { name: TEMPORAL_TLS_CLIENT_CERT_PATH, value: /etc/rmr1/temporal/tls.crt }
- { name: TEMPORAL_TLS_CLIENT_KEY_PATH, value: /etc/rmr1/temporal/tls.key }
{{- end }}
{{- with .Values.temporal.tls.serverName }}
- { name: TEMPORAL_TLS_SERVER_NAME, value: {{ . | quote }} }
{{- end }}
{{- end }}
