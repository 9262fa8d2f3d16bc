{{/*
The status of a pod, shared by every stage in this folder: stage.go puts this
text in front of each template.

Called as {{ template "status" (dict "pod" . KEY VALUE ...) }} with
  phase    the phase of the pod
  running  true: the played containers run
  ready    true: the played containers are ready, and so is the pod
  waiting  (dict "reason" R "message" M): the played containers wait
  exit     an exit code: the played containers have ended with it
  last     the exit code of the run before the one shown
  restarts how many restarts to add to those already counted
The played containers are all of the pod, or the one the annotation
local.stackctl.dev/container names, which may be an init container: as long as
it has not ended, or does not run if it is a sidecar, what comes after it waits.

What follows from that is written as a kubelet writes it: stage_test.go compares
the conditions with those of the kubelet's own code.

Lists go out as JSON, which is YAML too, so indentation does not matter.
*/}}

{{ define "condition" }}
{{- $old := dict }}
{{- range .pod.status.conditions }}{{ if eq .type $.type }}{{ $old = . }}{{ end }}{{ end }}
- type: {{ .type | Quote }}
  status: {{ .status | Quote }}
  {{- if ne .status (get $old "status" | default "") }}
  lastTransitionTime: {{ Now | Quote }}
  {{- end }}
  reason: {{ if .reason }}{{ .reason | Quote }}{{ else }}null{{ end }}
  message: {{ if .message }}{{ .message | Quote }}{{ else }}null{{ end }}
{{- end }}

{{ define "terminated" -}}
{"terminated": {"exitCode": {{ .code }}, "reason": {{ if eq (int .code) 0 }}"Completed"{{ else }}"Error"{{ end }}, "startedAt": {{ .started | Quote }}, "finishedAt": {{ Now | Quote }}}}
{{- end }}

{{ define "text" -}}
{{- $full := printf "%s_%s(%s)" .pod.metadata.name .pod.metadata.namespace .pod.metadata.uid }}
{{- .text | replace "{image}" .item.image | replace "{container}" .item.name | replace "{pod}" $full | replace "{previous}" .previous | Quote }}
{{- end }}

{{ define "container" -}}
{{- $now := Now }}
{{- $old := dict }}
{{- range .statuses }}{{ if eq .name $.item.name }}{{ $old = . }}{{ end }}{{ end }}
{{- $state := get $old "state" | default dict }}
{{- $run := get $state "running" | default dict }}
{{- $wait := get $state "waiting" | default dict }}
{{- $started := get $run "startedAt" | default $now }}
{{- $restarts := add (printf "%v" (get $old "restartCount" | default 0) | int) (.restarts | default 0) -}}
{"name": {{ .item.name | Quote }}, "image": {{ .item.image | Quote }}, "imageID": "", "restartCount": {{ $restarts }}, "ready": {{ .ready }}, "started": {{ .running }}, "state":
{{- if .running }} {"running": {"startedAt": {{ $started | Quote }}}}
{{- else if .waiting }} {"waiting": {"reason": {{ .waiting.reason | Quote }}, "message": {{ template "text" (dict "pod" .pod "item" .item "text" (get .waiting "message" | default "") "previous" (get $wait "message" | default "")) }}}}
{{- else }} {{ template "terminated" (dict "code" .exit "started" $started) }}
{{- end }}
{{- if hasKey . "last" }}, "lastState": {{ template "terminated" (dict "code" .last "started" $started) }}
{{- else if hasKey $old "lastState" }}, "lastState": {{ toJson $old.lastState }}
{{- end }}}
{{- end }}

{{ define "status" }}
{{- $ := . }}
{{- $pod := .pod }}
{{- $only := index ($pod.metadata.annotations | default dict) "local.stackctl.dev/container" | default "" }}
{{- $played := dict "running" (get . "running" | default false) "ready" (get . "ready" | default false) "restarts" (get . "restarts" | default 0) }}
{{- range $key := list "waiting" "exit" "last" }}{{ if hasKey $ $key }}{{ $_ := set $played $key (get $ $key) }}{{ end }}{{ end }}
{{- $fine := or $played.ready (eq .phase "Succeeded") }}
{{- $done := or (eq .phase "Succeeded") (eq .phase "Failed") }}
{{- $held := false }}
{{- $incomplete := list }}
{{- $unready := list }}
{{- with $pod.spec.initContainers }}
initContainerStatuses:
{{- range . }}
{{- $sidecar := eq (get . "restartPolicy" | default "") "Always" }}
{{- $call := dict "running" false "ready" true "exit" 0 }}
{{- if $held }}
{{- $call = dict "running" false "ready" false "waiting" (dict "reason" "PodInitializing") }}
{{- else if and (eq .name $only) (not $fine) }}
{{- $call = deepCopy $played }}
{{- $held = not (and $sidecar $played.running) }}
{{- else if $sidecar }}
{{- $call = dict "running" (not $done) "ready" (not $done) "exit" 0 }}
{{- end }}
{{- if $held }}{{ $incomplete = append $incomplete .name }}{{ end }}
{{- if and $sidecar (not $call.ready) }}{{ $unready = append $unready .name }}{{ end }}
- {{ template "container" (merge $call (dict "pod" $pod "item" . "statuses" ($pod.status.initContainerStatuses | default list))) }}
{{- end }}
{{- end }}
{{- $statuses := dict }}
{{- range $pod.spec.containers }}
{{- $call := dict "running" (not $done) "ready" (not $done) "exit" 0 }}
{{- if $held }}
{{- $call = dict "running" false "ready" false "waiting" (dict "reason" "PodInitializing") }}
{{- else if or (not $only) (eq .name $only) }}
{{- $call = deepCopy $played }}
{{- end }}
{{- if not $call.ready }}{{ $unready = append $unready .name }}{{ end }}
{{- $_ := set $statuses .name (merge $call (dict "pod" $pod "item" . "statuses" ($pod.status.containerStatuses | default list))) }}
{{- end }}
containerStatuses:
{{- range $statuses }}{{/* by name, as a kubelet sorts them */}}
- {{ template "container" . }}
{{- end }}
phase: {{ if and $held (not $done) }}"Pending"{{ else }}{{ .phase | Quote }}{{ end }}
conditions:
{{- template "condition" (dict "pod" $pod "type" "PodReadyToStartContainers" "status" (ternary "False" "True" $done)) }}
{{- if $held }}
{{- template "condition" (dict "pod" $pod "type" "Initialized" "status" "False" "reason" "ContainersNotInitialized" "message" (printf "containers with incomplete status: [%s]" (join " " $incomplete))) }}
{{- else }}
{{- template "condition" (dict "pod" $pod "type" "Initialized" "status" "True" "reason" (ternary "PodCompleted" "" (eq .phase "Succeeded"))) }}
{{- end }}
{{- $ready := dict "status" "True" }}
{{- if $done }}
{{- $ready = dict "status" "False" "reason" (printf "Pod%s" (ternary "Completed" "Failed" (eq .phase "Succeeded"))) }}
{{- else if $unready }}
{{- $ready = dict "status" "False" "reason" "ContainersNotReady" "message" (printf "containers with unready status: [%s]" (join " " $unready)) }}
{{- end }}
{{- range list "ContainersReady" "Ready" }}
{{- template "condition" (merge (dict "pod" $pod "type" .) $ready) }}
{{- end }}
{{- range $pod.spec.readinessGates }}
{{- template "condition" (dict "pod" $pod "type" .conditionType "status" $ready.status) }}
{{- end }}
{{- if not $pod.status.startTime }}
startTime: {{ Now | Quote }}
{{- end }}
{{- with NodeIPsWith $pod.spec.nodeName }}
hostIP: {{ index . 0 | Quote }}
hostIPs: [{ip: {{ index . 0 | Quote }}}]
{{- end }}
{{- if not (or $done $pod.status.podIP) }}
{{- with PodIPsWith $pod.spec.nodeName ($pod.spec.hostNetwork | default false) $pod.metadata.uid $pod.metadata.name $pod.metadata.namespace }}
podIP: {{ index . 0 | Quote }}
podIPs: [{ip: {{ index . 0 | Quote }}}]
{{- end }}
{{- end }}
{{ end }}
