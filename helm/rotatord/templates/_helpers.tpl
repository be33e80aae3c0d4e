{{- define "rotatord.name" -}}
{{- default .Chart.Name .Values.nameOverride | trunc 52 | trimSuffix "-" -}}
{{- end -}}

{{/* At most 52 bytes: the StatefulSet's controller adds a hash and makes a label of both. */}}
{{- define "rotatord.fullname" -}}
{{- if .Values.fullnameOverride -}}
{{- .Values.fullnameOverride | trunc 52 | trimSuffix "-" -}}
{{- else -}}
{{- $name := default .Chart.Name .Values.nameOverride -}}
{{- if contains $name .Release.Name -}}
{{- .Release.Name | trunc 52 | trimSuffix "-" -}}
{{- else -}}
{{- printf "%s-%s" .Release.Name $name | trunc 52 | trimSuffix "-" -}}
{{- end -}}
{{- end -}}
{{- end -}}

{{/* What never changes in the life of a release: selectors, and templates of claims. */}}
{{- define "rotatord.selectorLabels" -}}
app.kubernetes.io/name: {{ include "rotatord.name" . }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end -}}

{{- define "rotatord.ownLabels" -}}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" | trunc 63 | trimSuffix "-" }}
{{ include "rotatord.selectorLabels" . }}
app.kubernetes.io/version: {{ .Values.image.tag | default .Chart.AppVersion | replace "+" "_" | trunc 63 | trimAll "-_." | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
{{- end -}}

{{/*
rotatord.metadata (dict "root" $ "name" … "namespace" … "labels" … "annotations" …): an object's metadata.
The chart's own labels count most, since selectors stand on them.
*/}}
{{- define "rotatord.metadata" -}}
{{- $root := .root -}}
name: {{ .name }}
namespace: {{ .namespace | default $root.Release.Namespace }}
labels:
  {{- merge (.own | default dict) (include "rotatord.ownLabels" $root | fromYaml) (.labels | default dict) $root.Values.commonLabels | toYaml | nindent 2 }}
{{- with merge (dict) (.annotations | default dict) $root.Values.commonAnnotations }}
annotations:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end -}}

{{- define "rotatord.serviceAccountName" -}}
{{- if .Values.serviceAccount.create -}}
{{- default (include "rotatord.fullname" .) .Values.serviceAccount.name -}}
{{- else -}}
{{- default "default" .Values.serviceAccount.name -}}
{{- end -}}
{{- end -}}

{{- define "rotatord.image" -}}
{{- if .Values.image.digest -}}
{{- printf "%s@%s" .Values.image.repository .Values.image.digest -}}
{{- else -}}
{{- printf "%s:%s" .Values.image.repository (.Values.image.tag | default .Chart.AppVersion) -}}
{{- end -}}
{{- end -}}

{{- define "rotatord.apiKeySecret" -}}
{{- if .Values.apiKey.value -}}
{{- printf "%s-api-key" (include "rotatord.fullname" .) -}}
{{- else -}}
{{- .Values.apiKey.existingSecret.name -}}
{{- end -}}
{{- end -}}

{{- define "rotatord.apiKeyKey" -}}
{{- if .Values.apiKey.value -}}api-key{{- else -}}{{ .Values.apiKey.existingSecret.key }}{{- end -}}
{{- end -}}

{{/* Where the token of actions is in the pod, if there is one. */}}
{{- define "rotatord.adminTokenFile" -}}/run/secrets/admin-token/token{{- end -}}

{{/* What images are pulled with: the parent chart's and our own, each once. */}}
{{- define "rotatord.imagePullSecrets" -}}
{{- with concat ((.Values.global | default dict).imagePullSecrets | default list) (.Values.imagePullSecrets | default list) | uniq -}}
imagePullSecrets:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end -}}

{{/* How senders of webhooks reach them; empty if nobody has said. */}}
{{- define "rotatord.webhooksURL" -}}
{{- $w := .Values.webhooks -}}
{{- if $w.url -}}
{{- $w.url -}}
{{- else if and $w.ingress.enabled $w.ingress.hosts -}}
{{- printf "%s://%s" (ternary "https" "http" (not (empty $w.ingress.tls))) (first $w.ingress.hosts) -}}
{{- else if and $w.httpRoute.enabled $w.httpRoute.hostnames -}}
{{- printf "https://%s" (first $w.httpRoute.hostnames) -}}
{{- end -}}
{{- end -}}

{{/* The configuration of config.inline as a map; empty without one. Nothing of the text is quoted: a key may be in it. */}}
{{- define "rotatord.parsed" -}}
{{- $c := dict -}}
{{- if .Values.config.inline -}}
{{- $c = fromToml .Values.config.inline -}}
{{- if and (hasKey $c "Error") (kindIs "string" $c.Error) -}}
{{- fail (printf "config.inline is no TOML (%s). \"rotatord check --config FILE\" says what is wrong with it." (regexFind "line [0-9]+" $c.Error | default "somewhere")) -}}
{{- end -}}
{{- end -}}
{{- toJson $c -}}
{{- end -}}

{{/* The configuration's text: what stands in config.inline, and the listeners unless they stand there. */}}
{{- define "rotatord.config" -}}
{{- $c := include "rotatord.parsed" . | fromJson -}}
{{- trimSuffix "\n" .Values.config.inline }}
{{- if not (hasKey $c "admin") }}

# From the chart: the pod's own address, for the kubelet's probes and Prometheus.
[admin]
listen = ":{{ .Values.admin.port }}"
{{- if .Values.networkPolicy.enabled }}
guarded = true # by the NetworkPolicy
{{- end }}
{{- if .Values.admin.token.existingSecret.name }}
token_file = "{{ include "rotatord.adminTokenFile" . }}"
{{- end }}
{{- end }}
{{- if and .Values.webhooks.enabled (not (hasKey $c "webhooks")) }}

# From the chart, webhooks.*
[webhooks]
listen = ":{{ .Values.webhooks.port }}"
{{- with include "rotatord.webhooksURL" . }}
url = {{ . | quote }}
{{- end }}
{{- if .Values.webhooks.tls.existingSecret }}
cert_file = "/run/secrets/webhooks-tls/tls.crt"
key_file = "/run/secrets/webhooks-tls/tls.key"
{{- end }}
{{- end }}
{{ end -}}

{{/* A duration of the configuration ("90s", "1h30m", "1d12h") in seconds, rounded up. */}}
{{- define "rotatord.seconds" -}}
{{- $ms := 0 -}}
{{- range regexFindAll "[0-9]+(ms|d|h|m|s)" . -1 -}}
{{- $n := regexFind "^[0-9]+" . | int64 -}}
{{- $unit := regexFind "[a-z]+$" . -}}
{{- $ms = add $ms (mul $n (get (dict "ms" 1 "s" 1000 "m" 60000 "h" 3600000 "d" 86400000) $unit)) -}}
{{- end -}}
{{- div (add $ms 999) 1000 -}}
{{- end -}}

{{/* How long rotatord waits for rotations under way, as its configuration has it: config/check.go. */}}
{{- define "rotatord.drain" -}}
{{- $c := include "rotatord.parsed" . | fromJson -}}
{{- $engine := get $c "engine" | default dict -}}
{{- if hasKey $engine "drain_timeout" -}}
{{- include "rotatord.seconds" (get $engine "drain_timeout" | toString) -}}
{{- else -}}
{{- $longest := 150 -}}
{{- range (get $c "account" | default list) -}}
{{- with get . "patch_timeout" -}}
{{- $longest = max $longest (include "rotatord.seconds" (toString .) | int) -}}
{{- end -}}
{{- end -}}
{{- add $longest 10 -}}
{{- end -}}
{{- end -}}

{{- define "rotatord.networkPolicyPort" -}}
- port: {{ . }}
  protocol: TCP
{{- end -}}

{{- define "rotatord.endpoint" -}}
port: metrics
path: /metrics
{{- with .interval }}
interval: {{ . }}
{{- end }}
{{- with .scrapeTimeout }}
scrapeTimeout: {{ . }}
{{- end }}
{{- with .relabelings }}
relabelings:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .metricRelabelings }}
metricRelabelings:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end -}}
