{{/*
What the schema can't say, or not in words that help: combinations that would install and then not work.
Every message names the value, says why, and what to write.
*/}}
{{- define "rotatord.checks" -}}
{{- $v := .Values -}}
{{- if gt (int $v.replicaCount) 1 -}}
{{- fail "replicaCount: only 0 or 1. rotatord keeps its state in SQLite, which has one owner, so a second replica would wait for the first for ever. Set it to 1." -}}
{{- end -}}
{{- if $v.postgresql.url -}}
{{- fail "postgresql.url: rotatord has no PostgreSQL store yet. Leave it empty: state is kept in SQLite, in the volume of persistence.*" -}}
{{- end -}}
{{- if $v.podDisruptionBudget.enabled -}}
{{- fail "podDisruptionBudget.enabled: with one replica it would stop every drain of the node and protect nothing. A restart loses no rotation: leave it false." -}}
{{- end -}}

{{- $configs := list -}}
{{- if $v.config.inline -}}{{- $configs = append $configs "config.inline" -}}{{- end -}}
{{- if $v.config.existingConfigMap.name -}}{{- $configs = append $configs "config.existingConfigMap.name" -}}{{- end -}}
{{- if $v.config.existingSecret.name -}}{{- $configs = append $configs "config.existingSecret.name" -}}{{- end -}}
{{- if not $configs -}}
{{- fail "config: there is no configuration. Set config.inline (--set-file config.inline=rotatord.toml), config.existingConfigMap.name or config.existingSecret.name." -}}
{{- end -}}
{{- if gt (len $configs) 1 -}}
{{- fail (printf "config: %s are set, and only one can count." (join " and " $configs)) -}}
{{- end -}}

{{- if and $v.apiKey.value $v.apiKey.existingSecret.name -}}
{{- fail "apiKey: value and existingSecret.name are both set, and only one can count." -}}
{{- end -}}
{{- /* Not in the schema: its messages quote what they refuse. */ -}}
{{- if and $v.apiKey.value (not (regexMatch "^[!-~]+$" $v.apiKey.value)) -}}
{{- fail "apiKey.value: a space, a line break or another character that no key has is in it." -}}
{{- end -}}

{{- if $v.config.inline -}}
{{- $c := include "rotatord.parsed" . | fromJson -}}
{{- range tuple "admin" "webhooks" "engine" "vault" "store" -}}
{{- if and (hasKey $c .) (not (kindIs "map" (get $c .))) -}}
{{- fail (printf "config.inline: %s is no table: write [%s]." . .) -}}
{{- end -}}
{{- end -}}
{{- range tuple "account" "destination" -}}
{{- if and (hasKey $c .) (not (kindIs "slice" (get $c .))) -}}
{{- fail (printf "config.inline: %s is no list of tables: write [[%s]]." . .) -}}
{{- end -}}
{{- end -}}
{{- with get $c "store" -}}
{{- if hasKey . "dir" -}}
{{- fail "config.inline: leave [store] dir out: the chart mounts the store's volume where the image looks for it." -}}
{{- end -}}
{{- end -}}
{{- if hasKey $c "admin" -}}
{{- $admin := get $c "admin" -}}
{{- $listen := get $admin "listen" | default "" | toString -}}
{{- if not (has $listen (list (printf ":%d" (int $v.admin.port)) (printf "0.0.0.0:%d" (int $v.admin.port)) (printf "[::]:%d" (int $v.admin.port)))) -}}
{{- fail (printf "config.inline: [admin] listen must be \":%d\", else neither probes nor Prometheus reach it. Leave [admin] out: the chart writes it, from admin.port." (int $v.admin.port)) -}}
{{- end -}}
{{- if and $v.admin.token.existingSecret.name (ne (get $admin "token_file" | default "" | toString) (include "rotatord.adminTokenFile" .)) -}}
{{- fail (printf "admin.token.existingSecret: [admin] of config.inline does not read it. Leave [admin] out, or add token_file = \"%s\" to it." (include "rotatord.adminTokenFile" .)) -}}
{{- end -}}
{{- end -}}
{{- $called := list -}}
{{- $sources := get $c "source" | default dict -}}
{{- if kindIs "map" $sources -}}
{{- range tuple "event_grid" "pubsub_push" "sns" "webhook" -}}
{{- if hasKey $sources . -}}{{- $called = append $called (printf "[[source.%s]]" .) -}}{{- end -}}
{{- end -}}
{{- end -}}
{{- if and $called (not $v.webhooks.enabled) -}}
{{- fail (printf "config.inline: %s waits to be called, and webhooks.enabled is false. Set it to true." (first $called)) -}}
{{- end -}}
{{- if and $v.webhooks.enabled (not $called) -}}
{{- fail "webhooks.enabled: config.inline has no source that is called: add [[source.sns]], [[source.pubsub_push]], [[source.event_grid]] or [[source.webhook]], or set it to false." -}}
{{- end -}}
{{- if $v.webhooks.enabled -}}
{{- with get $c "webhooks" -}}
{{- $listen := get . "listen" | default "" | toString -}}
{{- if not (has $listen (list (printf ":%d" (int $v.webhooks.port)) (printf "0.0.0.0:%d" (int $v.webhooks.port)) (printf "[::]:%d" (int $v.webhooks.port)))) -}}
{{- fail (printf "config.inline: [webhooks] listen must be \":%d\", the port of webhooks.port. Or leave [webhooks] out: the chart writes it." (int $v.webhooks.port)) -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- with get $c "vault" -}}
{{- if and (eq (get . "auth" | default "" | toString) "kubernetes") (not $v.serviceAccount.token.enabled) (not $v.serviceAccount.automountToken) -}}
{{- fail "config.inline: [vault] auth = \"kubernetes\" needs a token of the service account. Set serviceAccount.token.enabled to true." -}}
{{- end -}}
{{- end -}}
{{- if and (eq $v.apiKey.as "file") (include "rotatord.apiKeySecret" .) -}}
{{- $named := false -}}
{{- range (get $c "account" | default list) -}}
{{- if eq (get . "api_key_file" | default "" | toString) "/run/secrets/planet-api-key/api-key" -}}{{- $named = true -}}{{- end -}}
{{- end -}}
{{- if not $named -}}
{{- fail "apiKey.as is \"file\", and no account of config.inline reads it. Add [[account]] with api_key_file = \"/run/secrets/planet-api-key/api-key\"." -}}
{{- end -}}
{{- end -}}
{{- $drain := include "rotatord.drain" . | int -}}
{{- if lt (int $v.terminationGracePeriodSeconds) (add $drain 10 | int) -}}
{{- fail (printf "terminationGracePeriodSeconds: %d is too short: rotatord waits up to %d seconds for a PATCH under way. Set at least %d." (int $v.terminationGracePeriodSeconds) $drain (add $drain 10)) -}}
{{- end -}}
{{- end -}}

{{- if and $v.webhooks.enabled (eq (int $v.webhooks.port) (int $v.admin.port)) -}}
{{- fail "webhooks.port: must not be that of admin.port: no password guards the latter." -}}
{{- end -}}
{{- if not $v.webhooks.enabled -}}
{{- range tuple "ingress" "httpRoute" -}}
{{- if (get $v.webhooks .).enabled -}}
{{- fail (printf "webhooks.%s.enabled: there is nothing behind it while webhooks.enabled is false." .) -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- if and $v.webhooks.ingress.enabled (not $v.webhooks.ingress.hosts) -}}
{{- fail "webhooks.ingress.hosts: name at least one host." -}}
{{- end -}}
{{- if and $v.webhooks.httpRoute.enabled (not $v.webhooks.httpRoute.parentRefs) -}}
{{- fail "webhooks.httpRoute.parentRefs: name at least one Gateway." -}}
{{- end -}}
{{- if and $v.serviceMonitor.enabled $v.podMonitor.enabled -}}
{{- fail "podMonitor.enabled: everything would be scraped twice beside serviceMonitor.enabled. Set one of them to false." -}}
{{- end -}}
{{- if and $v.serviceAccount.automountToken $v.serviceAccount.token.enabled (eq (trimSuffix "/" $v.serviceAccount.token.mountPath) "/var/run/secrets/kubernetes.io/serviceaccount") -}}
{{- fail "serviceAccount.automountToken: the token of serviceAccount.token lies in the same folder. Set automountToken to false, or another token.mountPath." -}}
{{- end -}}
{{- if and (not $v.serviceAccount.create) (or $v.workloadIdentity.aws.roleArn $v.workloadIdentity.google.serviceAccount $v.workloadIdentity.azure.clientId) (not $v.serviceAccount.name) -}}
{{- fail "workloadIdentity: it is written on the ServiceAccount. Set serviceAccount.create to true, or serviceAccount.name to one that has the annotations." -}}
{{- end -}}
{{- $names := dict -}}
{{- range $v.secretMounts -}}
{{- if has .name (list "admin-token" "planet-api-key" "webhooks-tls") -}}
{{- fail (printf "secretMounts: the name %s is the chart's own. Choose another one." .name) -}}
{{- end -}}
{{- if hasKey $names .name -}}
{{- fail (printf "secretMounts: the name %s stands there twice." .name) -}}
{{- end -}}
{{- $_ := set $names .name true -}}
{{- end -}}
{{- end -}}
