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
local.stackctl.dev/container names, which may be an init container.

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
{{- $atInit := false }}
{{- range $pod.spec.initContainers }}{{ if eq .name $only }}{{ $atInit = true }}{{ end }}{{ end }}
{{- $played := dict "pod" $pod "running" (get . "running" | default false) "ready" (get . "ready" | default false) "restarts" (get . "restarts" | default 0) }}
{{- range $key := list "waiting" "exit" "last" }}{{ if hasKey $ $key }}{{ $_ := set $played $key (get $ $key) }}{{ end }}{{ end }}
{{- $done := or (eq .phase "Succeeded") (eq .phase "Failed") }}
{{- $ready := get . "ready" | default false }}
{{- $names := list }}
phase: {{ if $atInit }}"Pending"{{ else }}{{ .phase | Quote }}{{ end }}
containerStatuses:
{{- range $pod.spec.containers }}
{{- $call := dict }}
{{- if $atInit }}
{{- $call = dict "pod" $pod "running" false "ready" false "waiting" (dict "reason" "PodInitializing") }}
{{- else if or (not $only) (eq .name $only) }}
{{- $call = deepCopy $played }}
{{- else if $done }}
{{- $call = dict "pod" $pod "running" false "ready" false "exit" 0 }}
{{- else }}
{{- $call = dict "pod" $pod "running" true "ready" true }}
{{- end }}
{{- if not $call.ready }}{{ $names = append $names .name }}{{ end }}
- {{ template "container" (merge $call (dict "item" . "statuses" ($pod.status.containerStatuses | default list))) }}
{{- end }}
{{- with $pod.spec.initContainers }}
{{- $before := true }}
initContainerStatuses:
{{- range . }}
{{- $sidecar := eq (get . "restartPolicy" | default "") "Always" }}
{{- $call := dict "pod" $pod "running" false "ready" true "exit" 0 }}
{{- if eq .name $only }}
{{- $call = deepCopy $played }}
{{- $before = $sidecar }}
{{- else if not $before }}
{{- $call = dict "pod" $pod "running" false "ready" false "waiting" (dict "reason" "PodInitializing") }}
{{- else if and $sidecar (not $done) }}
{{- $call = dict "pod" $pod "running" true "ready" true }}
{{- end }}
- {{ template "container" (merge $call (dict "item" . "statuses" ($pod.status.initContainerStatuses | default list))) }}
{{- end }}
{{- end }}
conditions:
{{- template "condition" (dict "pod" $pod "type" "PodReadyToStartContainers" "status" (ternary "False" "True" $done)) }}
{{- template "condition" (dict "pod" $pod "type" "Initialized" "status" (ternary "False" "True" $atInit) "reason" (ternary "ContainersNotInitialized" "" $atInit)) }}
{{- $status := ternary "True" "False" $ready }}
{{- $reason := "" }}
{{- $message := "" }}
{{- if not $ready }}
{{- $reason = ternary (ternary "PodCompleted" "PodFailed" (eq .phase "Succeeded")) "ContainersNotReady" $done }}
{{- if not $done }}{{ $message = printf "containers with unready status: [%s]" (join " " $names) }}{{ end }}
{{- end }}
{{- range list "ContainersReady" "Ready" }}
{{- template "condition" (dict "pod" $pod "type" . "status" $status "reason" $reason "message" $message) }}
{{- end }}
{{- range $pod.spec.readinessGates }}
{{- template "condition" (dict "pod" $pod "type" .conditionType "status" $status) }}
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
