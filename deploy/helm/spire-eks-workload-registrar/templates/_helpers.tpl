{{- define "registrar.serviceAccount" -}}
{{ .Values.serviceAccount.name | default .Values.name }}
{{- end }}

{{/* What selects its pods; never changes, as a Deployment's selector cannot. */}}
{{- define "registrar.selector" -}}
app: {{ .Values.name }}
{{- end }}

{{- define "registrar.labels" -}}
app: {{ .Values.name }}
app.kubernetes.io/name: spire-eks-workload-registrar
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
{{- end }}

{{- define "registrar.leaseNamespace" -}}
{{ .Values.config.leaderElection.resourceNamespace | default .Release.Namespace }}
{{- end }}

{{/* The configuration file: what is empty and has a default is left out. */}}
{{- define "registrar.config" -}}
{{- $config := deepCopy .Values.config }}
{{- $_ := set $config.leaderElection "resourceNamespace" (include "registrar.leaseNamespace" .) }}
{{- toYaml $config }}
{{- end }}

{{/* The port of an address such as :8080, nothing for "0". */}}
{{- define "registrar.port" -}}
{{- if ne . "0" }}{{ splitList ":" . | last }}{{ end }}
{{- end }}

{{- define "registrar.image" -}}
{{- if .Values.image.digest -}}
{{ .Values.image.repository }}@{{ .Values.image.digest }}
{{- else -}}
{{ .Values.image.repository }}:{{ .Values.image.tag | default .Chart.AppVersion }}
{{- end }}
{{- end }}

{{/* What the values' schema cannot say. */}}
{{- define "registrar.check" -}}
{{- if and (gt (int .Values.replicas) 1) (not .Values.config.leaderElection.leaderElect) (ne .Values.config.mode "Observe") }}
{{- fail (printf "replicas: %d must be 1 where config.leaderElection.leaderElect is false: all of them would write" (int .Values.replicas)) }}
{{- end }}
{{- if and (eq .Values.spire.access "container") .Values.serviceAccount.create }}
{{- fail "serviceAccount.create: true must be false where spire.access is container: the container runs as the service account of the SPIRE server's pod; name that one in serviceAccount.name" }}
{{- end }}
{{- if and (not .Values.serviceAccount.create) (not .Values.serviceAccount.name) }}
{{- fail "serviceAccount.name: \"\" must name the service account that is there already, where serviceAccount.create is false" }}
{{- end }}
{{- if and (eq .Values.spire.access "tcp") (not .Values.config.spireServerAddress) }}
{{- fail "config.spireServerAddress: \"\" must be the SPIRE server's host:port where spire.access is tcp" }}
{{- end }}
{{- if and (ne .Values.spire.access "tcp") .Values.config.spireServerAddress }}
{{- fail (printf "config.spireServerAddress: %q is for spire.access tcp, which is %s" .Values.config.spireServerAddress .Values.spire.access) }}
{{- end }}
{{- if and .Values.serviceMonitor.create (not .Values.service.create) }}
{{- fail "serviceMonitor.create: true needs service.create: true" }}
{{- end }}
{{- end }}

{{/*
The container, in a pod of its own or in the SPIRE server's; the arguments are the chart's root, the volume of the socket by
which SPIRE is reached, and the socket's path.
*/}}
{{- define "registrar.container" -}}
{{- $root := index . 0 }}
{{- $socketVolume := index . 1 }}
{{- $socketPath := index . 2 }}
{{- with $root.Values -}}
{{- $metrics := include "registrar.port" .config.metrics.bindAddress }}
{{- $health := include "registrar.port" .config.health.healthProbeBindAddress -}}
name: registrar
image: {{ include "registrar.image" $root | quote }}
imagePullPolicy: {{ .image.pullPolicy }}
args:
  - run
  - --config=/etc/spire-eks-workload-registrar/config.yaml
env:
  - name: LOG_LEVEL
    value: {{ .log.level | quote }}
  - name: LOG_FORMAT
    value: {{ .log.format | quote }}
  {{- with .extraEnv }}
  {{- toYaml . | nindent 2 }}
  {{- end }}
{{- if or $metrics $health .config.webhook }}
ports:
  {{- with $metrics }}
  - name: metrics
    containerPort: {{ . }}
  {{- end }}
  {{- with $health }}
  - name: health
    containerPort: {{ . }}
  {{- end }}
  {{- with .config.webhook }}
  - name: webhook
    containerPort: {{ .port }}
  {{- end }}
{{- end }}
{{- if $health }}
readinessProbe:
  httpGet:
    path: /{{ .config.health.readinessEndpointName | trimPrefix "/" }}
    port: health
  periodSeconds: 5
livenessProbe:
  httpGet:
    path: /{{ .config.health.livenessEndpointName | trimPrefix "/" }}
    port: health
  periodSeconds: 10
  failureThreshold: 6
{{- end }}
resources:
  {{- toYaml .resources | nindent 2 }}
securityContext:
  {{- toYaml .containerSecurityContext | nindent 2 }}
volumeMounts:
  - name: registrar-config
    mountPath: /etc/spire-eks-workload-registrar
    readOnly: true
  - name: {{ $socketVolume }}
    mountPath: {{ dir $socketPath }}
    readOnly: true
  {{- with .extraVolumeMounts }}
  {{- toYaml . | nindent 2 }}
  {{- end }}
{{- end }}
{{- end }}
