//! Every field on an event that has it, and on events that lack it.

#![expect(clippy::unwrap_used, reason = "helpers of tests")]

use scap_capture_format::event::{EventNum, Params, Timestamp};
use scap_capture_format::schema::types;

use scap::event::bytes::BufferFormat;
use scap::event::{Event, synthetic_event};
use scap::fields::{CLASSES, Class, Context, FieldFlags, Session, lookup};
use scap::filter::Filter;
use scap::format::Template;
use scap::state::State;

/// The time of all events of this file.
const TIME: u64 = 1_784_647_511_901_891_000;

/// Calls `look` with a plugin's event of this JSON.
fn with<T>(plugin: u32, json: &str, look: impl FnOnce(&Context<'_>) -> T) -> T {
    let bytes = [&plugin.to_le_bytes()[..], json.as_bytes()].concat();
    let lens = [4, u32::try_from(json.len()).unwrap()];
    let params = Params::new(&lens, &bytes).unwrap();
    let mut event: Event<'_> = synthetic_event(Timestamp(TIME), types::PLUGINEVENT_E, params);
    event.num = EventNum(1);
    let state = State::new();
    let view = state.view(&event);
    let session = Session::default();
    look(&Context {
        event: &event,
        view: &view,
        session: &session,
    })
}

fn shown_of(plugin: u32, json: &str, field: &str) -> String {
    with(plugin, json, |cx| {
        let mut out = Vec::new();
        let mut template = Template::new(&format!("*%{field}")).unwrap();
        template.write(&mut out, cx, BufferFormat::Dots);
        String::from_utf8(out).unwrap()
    })
}

fn shown(json: &str, field: &str) -> String {
    shown_of(1, json, field)
}

fn matches(json: &str, filter: &str) -> bool {
    with(1, json, |cx| Filter::parse(filter).unwrap().matches(cx))
}

/// A request of every kind at once.
const FULL: &str = r#"{
"kind":"Event","apiVersion":"audit.k8s.io/v1","level":"RequestResponse","auditID":"id-1","stage":"ResponseComplete",
"requestURI":"/api/v1/namespaces/shop/pods/web/exec?command=sh&command=-c&command=id%3B+ls&container=web&tty=true",
"verb":"create",
"user":{"username":"alice","uid":"u1","groups":["dev","system:authenticated"],"extra":{
  "authentication.kubernetes.io/credential-id":["JTI=7"],"authentication.kubernetes.io/pod-name":["ci-0"],
  "authentication.kubernetes.io/pod-uid":["p-1"],"authentication.kubernetes.io/node-name":["n-1"]}},
"impersonatedUser":{"username":"bob"},
"sourceIPs":["203.0.113.9","192.0.2.10"],"userAgent":"kubectl/v1.34.1",
"objectRef":{"resource":"pods","namespace":"shop","name":"web","subresource":"exec"},
"responseStatus":{"metadata":{},"code":403,"reason":"Forbidden"},
"requestObject":{
  "data":{"a":"1","b":"<x>"},
  "roleRef":{"kind":"ClusterRole","name":"cluster-admin"},
  "subjects":[{"kind":"User","name":"u"},{"kind":"Group","name":"g"},
    {"kind":"ServiceAccount","name":"sa","namespace":"ns"},{"kind":"ServiceAccount","name":"lone"}],
  "rules":[{"apiGroups":[""],"verbs":["get","list"],"resources":["pods","pods/exec"]},
    {"nonResourceURLs":["/metrics"],"verbs":["*"]}],
  "spec":{
    "hostIPC":true,"hostNetwork":true,"hostPID":false,"type":"NodePort","ports":[{"port":80},{"port":81}],
    "securityContext":{"runAsUser":1000,"runAsGroup":1001,"fsGroup":1002,"supplementalGroups":[5,6]},
    "containers":[
      {"name":"c1","image":"registry.example:5000/a/nginx:1.27@sha256:00","args":["x","y z"],"command":["sleep","1"],
       "ports":[{"containerPort":80,"hostPort":8080},{"containerPort":443}],
       "securityContext":{"privileged":true,"allowPrivilegeEscalation":false,"readOnlyRootFilesystem":true,
         "runAsUser":7,"runAsGroup":8,"procMount":"Unmasked","capabilities":{"add":["NET_ADMIN","SYS_PTRACE"]}}},
      {"name":"c2","image":"busybox","ports":[{"containerPort":53}],"securityContext":{"privileged":false}}],
    "initContainers":[
      {"name":"i1","image":"init:2","args":["a"],"command":["b"],"ports":[{"hostPort":1}],
       "securityContext":{"privileged":true,"allowPrivilegeEscalation":true,"readOnlyRootFilesystem":false,
         "runAsUser":3,"runAsGroup":4,"procMount":"Default","capabilities":{"add":["SYS_ADMIN"]}}}],
    "ephemeralContainers":[
      {"name":"e1","image":"localhost/debug","args":["c"],"command":["d"],
       "securityContext":{"privileged":true,"allowPrivilegeEscalation":true,"readOnlyRootFilesystem":true,
         "runAsUser":0,"runAsGroup":0,"procMount":"Default","capabilities":{"add":["SYS_TIME"]}}}],
    "volumes":[{"name":"v1","hostPath":{"path":"/etc"}},{"name":"v2","flexVolume":{"driver":"d"}},
      {"name":"v3","hostPath":{"path":"/var/run"},"extra":1}]}},
"responseObject":{"metadata":{"name":"web-x2x4z"}},
"requestReceivedTimestamp":"2026-07-21T15:25:11.401891Z","stageTimestamp":"2026-07-21T15:25:11.901891Z",
"annotations":{"authorization.k8s.io/decision":"forbid","authorization.k8s.io/reason":"no",
  "authentication.openshift.io/decision":"allow","authentication.openshift.io/username":"osu",
  "validation.policy.admission.k8s.io/validation_failure":"[{\"message\":\"m\"}]",
  "pod-security.kubernetes.io/audit-violations":"would violate","cluster_name":"prod"}}"#;

/// Each field with its value in [`FULL`].
const VALUES: &[(&str, &str)] = &[
    ("ka.auditid", "id-1"),
    ("ka.stage", "ResponseComplete"),
    ("ka.auth.decision", "forbid"),
    ("ka.auth.reason", "no"),
    ("ka.auth.openshift.decision", "allow"),
    ("ka.auth.openshift.username", "osu"),
    (
        "ka.validations.admission.policy.failure",
        "[{\"message\":\"m\"}]",
    ),
    ("ka.security.pod.violations", "would violate"),
    ("ka.user.name", "alice"),
    ("ka.user.groups", "(dev,system:authenticated)"),
    ("ka.impuser.name", "bob"),
    ("ka.verb", "create"),
    (
        "ka.uri",
        "/api/v1/namespaces/shop/pods/web/exec?command=sh&command=-c&command=id%3B+ls&container=web&tty=true",
    ),
    ("ka.uri.param[command]", "sh"),
    ("ka.uri.param[container]", "web"),
    ("ka.uri.param[stdin]", "<NA>"),
    ("ka.target.name", "web"),
    ("ka.target.namespace", "shop"),
    ("ka.target.resource", "pods"),
    ("ka.target.subresource", "exec"),
    // It is for a subresource.
    ("ka.target.pod.name", "<NA>"),
    (
        "ka.req.binding.subjects",
        "({\"kind\":\"User\",\"name\":\"u\"},{\"kind\":\"Group\",\"name\":\"g\"},\
         {\"kind\":\"ServiceAccount\",\"name\":\"sa\",\"namespace\":\"ns\"},\
         {\"kind\":\"ServiceAccount\",\"name\":\"lone\"})",
    ),
    ("ka.req.binding.subjects.user_names", "(u)"),
    ("ka.req.binding.subjects.group_names", "(g)"),
    ("ka.req.binding.subjects.serviceaccount_names", "(sa,lone)"),
    ("ka.req.binding.subjects.serviceaccount_ns_names", "(ns:sa)"),
    ("ka.req.binding.role", "cluster-admin"),
    ("ka.req.binding.subject.has_name[x]", "true"),
    ("ka.req.configmap.name", "web"),
    ("ka.req.configmap.obj", "{\"a\":\"1\",\"b\":\"<x>\"}"),
    (
        "ka.req.role.rules",
        "({\"apiGroups\":[\"\"],\"verbs\":[\"get\",\"list\"],\"resources\":[\"pods\",\"pods/exec\"]},\
         {\"nonResourceURLs\":[\"/metrics\"],\"verbs\":[\"*\"]})",
    ),
    ("ka.req.role.rules.apiGroups", "()"),
    ("ka.req.role.rules.nonResourceURLs", "(/metrics)"),
    ("ka.req.role.rules.verbs", "(get,list,*)"),
    ("ka.req.role.rules.verbs[0]", "(get,list)"),
    ("ka.req.role.rules.verbs[1]", "(*)"),
    ("ka.req.role.rules.verbs[2]", "<NA>"),
    ("ka.req.role.rules.resources", "(pods,pods/exec)"),
    ("ka.req.role.rules.resources[1]", "<NA>"),
    ("ka.req.pod.host_ipc", "true"),
    ("ka.req.pod.host_network", "true"),
    ("ka.req.pod.host_pid", "false"),
    ("ka.req.container.host_network", "true"),
    ("ka.req.pod.run_as_user", "1000"),
    ("ka.req.pod.run_as_group", "1001"),
    ("ka.req.pod.fs_group", "1002"),
    ("ka.req.pod.supplemental_groups", "(5,6)"),
    ("ka.req.service.type", "NodePort"),
    ("ka.req.service.ports", "([{\"port\":80},{\"port\":81}])"),
    ("ka.req.pod.volumes.hostpath", "(/etc,/var/run)"),
    ("ka.req.pod.volumes.hostpath[0]", "(/etc)"),
    ("ka.req.pod.volumes.hostpath[1]", "<NA>"),
    ("ka.req.pod.volumes.flexvolume_driver", "(d)"),
    (
        "ka.req.pod.volumes.volume_type",
        "(hostPath,flexVolume,hostPath,extra)",
    ),
    ("ka.req.pod.volumes.volume_type[1]", "(flexVolume)"),
    ("ka.req.volume.hostpath[/etc]", "true"),
    ("ka.req.volume.hostpath[/var]", "false"),
    ("ka.req.volume.hostpath[/var*]", "true"),
    (
        "ka.req.container.image",
        "registry.example:5000/a/nginx:1.27@sha256:00",
    ),
    (
        "ka.req.container.image.repository",
        "registry.example:5000/a/nginx",
    ),
    ("ka.req.container.privileged", "true"),
    ("ka.resp.name", "web-x2x4z"),
    ("ka.response.code", "403"),
    ("ka.response.reason", "Forbidden"),
    ("ka.useragent", "kubectl/v1.34.1"),
    ("ka.sourceips", "(203.0.113.9,192.0.2.10)"),
    ("ka.sourceips[1]", "(192.0.2.10)"),
    ("ka.sourceips[2]", "<NA>"),
    ("ka.cluster.name", "prod"),
    ("ka.req.pod.containers.name", "(c1,c2)"),
    ("ka.req.pod.containers.name[1]", "(c2)"),
    ("ka.req.pod.containers.name[2]", "<NA>"),
    (
        "ka.req.pod.containers.image",
        "(registry.example:5000/a/nginx:1.27@sha256:00,busybox)",
    ),
    ("ka.req.pod.containers.image[1]", "(busybox)"),
    (
        "ka.req.pod.containers.image.repository",
        "(registry.example:5000/a/nginx,busybox)",
    ),
    ("ka.req.pod.containers.args", "(x y z)"),
    ("ka.req.pod.containers.args[1]", "<NA>"),
    ("ka.req.pod.containers.command", "(sleep 1)"),
    ("ka.req.pod.containers.privileged", "(true,false)"),
    (
        "ka.req.pod.containers.allow_privilege_escalation",
        "(false)",
    ),
    ("ka.req.pod.containers.read_only_fs", "(true)"),
    ("ka.req.pod.containers.run_as_user", "(7)"),
    ("ka.req.pod.containers.run_as_group", "(8)"),
    ("ka.req.pod.containers.eff_run_as_user", "(7,1000)"),
    ("ka.req.pod.containers.eff_run_as_user[1]", "(1000)"),
    ("ka.req.pod.containers.eff_run_as_group", "(8,1001)"),
    ("ka.req.pod.containers.proc_mount", "(Unmasked)"),
    (
        "ka.req.pod.containers.add_capabilities",
        "(NET_ADMIN,SYS_PTRACE)",
    ),
    ("ka.req.pod.containers.host_port", "(8080,443,53)"),
    ("ka.req.pod.containers.host_port[1]", "(53)"),
    ("ka.req.pod.initContainers.name", "(i1)"),
    ("ka.req.pod.initContainers.image", "(init:2)"),
    ("ka.req.pod.initContainers.image.repository", "(init)"),
    ("ka.req.pod.initContainers.args", "(a)"),
    ("ka.req.pod.initContainers.command", "(b)"),
    ("ka.req.pod.initContainers.privileged", "(true)"),
    (
        "ka.req.pod.initContainers.allow_privilege_escalation",
        "(true)",
    ),
    ("ka.req.pod.initContainers.read_only_fs", "(false)"),
    ("ka.req.pod.initContainers.run_as_user", "(3)"),
    ("ka.req.pod.initContainers.run_as_group", "(4)"),
    ("ka.req.pod.initContainers.eff_run_as_user", "(3)"),
    ("ka.req.pod.initContainers.eff_run_as_group", "(4)"),
    ("ka.req.pod.initContainers.proc_mount", "(Default)"),
    ("ka.req.pod.initContainers.add_capabilities", "(SYS_ADMIN)"),
    ("ka.req.pod.initContainers.host_port", "(1)"),
    ("ka.req.pod.ephemeralContainers.name", "(e1)"),
    ("ka.req.pod.ephemeralContainers.image", "(localhost/debug)"),
    (
        "ka.req.pod.ephemeralContainers.image.repository",
        "(localhost/debug)",
    ),
    ("ka.req.pod.ephemeralContainers.args", "(c)"),
    ("ka.req.pod.ephemeralContainers.command", "(d)"),
    ("ka.req.pod.ephemeralContainers.privileged", "(true)"),
    (
        "ka.req.pod.ephemeralContainers.allow_privilege_escalation",
        "(true)",
    ),
    ("ka.req.pod.ephemeralContainers.read_only_fs", "(true)"),
    ("ka.req.pod.ephemeralContainers.run_as_user", "(0)"),
    ("ka.req.pod.ephemeralContainers.run_as_group", "(0)"),
    ("ka.req.pod.ephemeralContainers.eff_run_as_user", "(0)"),
    ("ka.req.pod.ephemeralContainers.eff_run_as_group", "(0)"),
    ("ka.req.pod.ephemeralContainers.proc_mount", "(Default)"),
    (
        "ka.req.pod.ephemeralContainers.add_capabilities",
        "(SYS_TIME)",
    ),
    ("jevt.value[/stage]", "ResponseComplete"),
    ("jevt.value[stage]", "ResponseComplete"),
    ("jevt.value[/user/groups/1]", "system:authenticated"),
    ("jevt.value[/user/groups/2]", "<NA>"),
    ("jevt.value[/user/groups/x]", "<NA>"),
    (
        "jevt.value[/annotations/authorization.k8s.io~1decision]",
        "forbid",
    ),
    (
        "jevt.value[/user/groups]",
        "[\"dev\",\"system:authenticated\"]",
    ),
    ("jevt.value[/responseStatus/code]", "403"),
    ("jevt.value[/requestObject/spec/tls]", "<NA>"),
    ("json.value[/verb]", "create"),
    ("jevt.rawtime", "1784647511901891000"),
    ("json.rawtime", "1784647511901891000"),
    ("audit.id", "id-1"),
    ("audit.user", "alice"),
    ("audit.groups", "(dev,system:authenticated)"),
    ("audit.source_ip", "192.0.2.10"),
    ("audit.impersonated_user", "bob"),
    ("audit.credential", "JTI=7"),
    // Of processes.
    ("audit.session", "<NA>"),
    // Without a capture there is no process: tests/cli/audit_sessions.rs has them.
    ("audit.caller.name", "<NA>"),
    ("audit.caller.cmdline", "<NA>"),
    ("audit.caller.pid", "<NA>"),
    ("audit.caller.container", "<NA>"),
    ("audit.caller.confidence", "<NA>"),
    ("audit.pod.name", "ci-0"),
    ("audit.pod.uid", "p-1"),
    ("audit.node.name", "n-1"),
    ("audit.target", "pods/exec shop/web"),
    ("audit.code", "403"),
    ("audit.latency", "500000000"),
    ("audit.exec.command", "sh -c id; ls"),
    ("audit.exec.args", "(sh,-c,id; ls)"),
    ("audit.exec.container", "web"),
    ("audit.exec.tty", "true"),
    ("audit.exec.stdin", "false"),
    ("evt.source", "k8s_audit"),
    ("evt.pluginname", "k8saudit"),
    ("evt.type", "pluginevent"),
    ("evt.rawtime", "1784647511901891000"),
];

#[test]
fn every_field_has_its_value() {
    let mut wrong = Vec::new();
    for (field, expected) in VALUES {
        let value = shown(FULL, field);
        if value != *expected {
            wrong.push(format!("{field}: {value} instead of {expected}"));
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
    // `obj` has its test below.
    let of_audit = |name: &&str| ["ka", "jevt", "json", "audit"].contains(name);
    for class in CLASSES.iter().filter(|class| of_audit(&class.name)) {
        for info in class.fields {
            let name = info.name;
            let is_tested = |(field, _): &(&str, &str)| {
                field
                    .strip_prefix(name)
                    .is_some_and(|rest| rest.is_empty() || rest.starts_with('['))
            };
            let tested = name.ends_with(".obj") || VALUES.iter().any(is_tested);
            assert!(tested, "{name} has no test");
        }
    }
}

#[test]
fn nothing_else_has_a_value() {
    const OTHERS: [&str; 6] = ["evt", "util", "ka", "json", "jevt", "audit"];
    let others = |class: &&Class| !OTHERS.contains(&class.name);
    let mut wrong = Vec::new();
    // As for every event without a thread.
    const OF_NO_THREAD: [&str; 2] = ["thread.tid: -1", "thread.exectime: 0"];
    for class in CLASSES.iter().filter(others) {
        for info in class.fields {
            for argument in ["", "[1]", ".x"] {
                let name = format!("{}{argument}", info.name);
                if lookup(&name).is_ok() && Template::new(&format!("*%{name}")).is_ok() {
                    let value = shown(FULL, &name);
                    wrong.extend((value != "<NA>").then(|| format!("{name}: {value}")));
                    wrong.retain(|found| !OF_NO_THREAD.contains(&&**found));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn documents() {
    let json = r#"{"a":[1,{"b":"x"}],"c":{}}"#;
    let indented =
        "{\\n  \"a\": [\\n    1,\\n    {\\n      \"b\": \"x\"\\n    }\\n  ],\\n  \"c\": {}\\n}";
    assert_eq!(shown(json, "jevt.obj"), indented);
    assert_eq!(shown(json, "json.obj"), indented);
    assert_eq!(shown(json, "jevt.value[]"), json);
    assert_eq!(shown(json, "jevt.value[/]"), json);
    assert_eq!(shown(r#"[7,8]"#, "jevt.value[1]"), "8");
    assert_eq!(shown(r#"{"7":"x"}"#, "jevt.value[7]"), "x");
    // The JSON of any plugin, but not as an audit event.
    let event = r#"{"auditID":"a","verb":"get"}"#;
    assert_eq!(shown_of(2, event, "jevt.value[/verb]"), "get");
    for field in ["ka.verb", "audit.id", "evt.source", "evt.pluginname"] {
        assert_eq!(shown_of(2, event, field), "<NA>", "{field}");
    }
    for invalid in [
        "",
        "no JSON",
        "{\"auditID\":\"a\"",
        "{\"auditID\":\"a\"} {}",
    ] {
        for field in ["ka.auditid", "jevt.value[/auditID]", "jevt.obj"] {
            assert_eq!(shown(invalid, field), "<NA>", "{invalid}");
        }
    }
}

#[test]
fn what_is_missing_is_absent() {
    // Without an id, no field of the plugin has a value.
    let nameless = r#"{"verb":"get","user":{"username":"x"}}"#;
    assert_eq!(shown(nameless, "ka.verb"), "<NA>");
    assert_eq!(shown(nameless, "jevt.value[/verb]"), "get");
    let event = |request: &str| format!(r#"{{"auditID":"a","requestObject":{request}}}"#);
    let of = |request: &str, field: &str| shown(&event(request), field);
    // A container without a name: the whole field.
    let unnamed = r#"{"spec":{"containers":[{"image":"a"},{"name":"b"}]}}"#;
    assert_eq!(of(unnamed, "ka.req.pod.containers.name"), "<NA>");
    assert_eq!(of(unnamed, "ka.req.pod.containers.name[1]"), "(b)");
    assert_eq!(of(unnamed, "ka.req.pod.containers.image"), "<NA>");
    assert_eq!(
        of(unnamed, "ka.req.pod.containers.eff_run_as_user"),
        "(0,0)"
    );
    assert_eq!(of(unnamed, "ka.req.container.privileged"), "false");
    assert_eq!(of("{}", "ka.req.container.privileged"), "<NA>");
    assert_eq!(of("{}", "ka.req.volume.hostpath[/etc]"), "<NA>");
    assert_eq!(
        of(r#"{"spec":{"volumes":[]}}"#, "ka.req.volume.hostpath[/etc]"),
        "false"
    );
    assert_eq!(
        of(r#"{"subjects":[]}"#, "ka.req.binding.subjects.user_names"),
        "<NA>"
    );
    // Wrong types.
    for request in [
        "3",
        "[]",
        "null",
        "\"spec\"",
        r#"{"spec":[]}"#,
        r#"{"spec":{"containers":{}}}"#,
    ] {
        for field in [
            "ka.req.pod.containers.name",
            "ka.req.pod.host_pid",
            "ka.req.role.rules.verbs",
        ] {
            assert_eq!(of(request, field), "<NA>", "{request} {field}");
        }
    }
    // A null is there.
    assert_eq!(
        of(r#"{"spec":{"hostPID":null}}"#, "ka.req.pod.host_pid"),
        "null"
    );
    // The name of a pod, in requests for pods.
    let pod = |reference: &str| {
        let json = format!(
            r#"{{"auditID":"a","objectRef":{reference},"responseObject":{{"metadata":{{"name":"p"}}}}}}"#
        );
        shown(&json, "ka.target.pod.name")
    };
    assert_eq!(pod(r#"{"resource":"pods"}"#), "p");
    assert_eq!(pod(r#"{"resource":"nodes"}"#), "<NA>");
    // An exec of others, and a request without an object.
    let attach = r#"{"auditID":"a","requestURI":"/x?container=c&command=no&stdin=1","objectRef":{"subresource":"attach"}}"#;
    assert_eq!(shown(attach, "audit.exec.command"), "<NA>");
    assert_eq!(shown(attach, "audit.exec.container"), "c");
    assert_eq!(shown(attach, "audit.exec.stdin"), "true");
    let plain = r#"{"auditID":"a","requestURI":"/healthz?container=c"}"#;
    assert_eq!(shown(plain, "audit.exec.container"), "<NA>");
    assert_eq!(shown(plain, "audit.exec.tty"), "<NA>");
    assert_eq!(shown(plain, "audit.target"), "/healthz?container=c");
}

#[test]
fn repositories_of_images() {
    for (image, repository) in [
        ("nginx", "nginx"),
        ("nginx:1.27", "nginx"),
        ("nginx@sha256:00", "nginx"),
        ("nginx:1.27@sha256:00", "nginx"),
        ("docker.io/library/nginx:1", "docker.io/library/nginx"),
        ("host:5000/nginx", "host:5000/nginx"),
        ("host:5000/a/nginx:1", "host:5000/a/nginx"),
        ("", ""),
    ] {
        let event = format!(
            r#"{{"auditID":"a","requestObject":{{"spec":{{"containers":[{{"image":"{image}"}}]}}}}}}"#
        );
        let shown = shown(&event, "ka.req.pod.containers.image.repository");
        assert_eq!(shown, format!("({repository})"));
    }
}

#[test]
fn conditions_on_text_and_lists() {
    for filter in [
        "ka.response.code = 403",
        "ka.response.code startswith 4",
        "audit.code >= 400",
        "ka.user.groups intersects (dev, ops)",
        "ka.user.groups in (dev, system:authenticated, other)",
        "ka.req.role.rules.apiGroups in (\"\")",
        "ka.req.pod.host_network intersects (true)",
        "ka.req.pod.containers.privileged intersects (true)",
        "not ka.req.pod.containers.privileged in (true)",
        "ka.req.pod.containers.add_capabilities intersects (SYS_PTRACE)",
        "ka.req.pod.containers.image[1] in (busybox)",
        "ka.req.configmap.obj contains \"<x>\"",
        "jevt.rawtime exists and not jevt.rawtime = 0",
        "jevt.value[/requestObject/spec/hostPID] = false",
        "not ka.req.pod.containers.args[1] exists",
        "not ka.target.pod.name != x",
        "len(ka.user.groups) = 2",
        "audit.exec.tty = true and audit.latency > 400ms",
        "evt.source = k8s_audit and evt.pluginname = k8saudit",
    ] {
        assert!(matches(FULL, filter), "{filter}");
    }
    for filter in [
        "ka.user.groups in (dev)",
        "ka.user.groups intersects (ops)",
        "ka.req.pod.containers.args[1] exists",
        "ka.sourceips[5] exists",
        "proc.name exists or container.id exists or user.name exists",
    ] {
        assert!(!matches(FULL, filter), "{filter}");
    }
    for refused in [
        "ka.user.groups = dev",
        "ka.req.pod.containers.image[0] = nginx",
        "ka.user.groups contains dev",
        "ka.uri.param = x",
        "ka.verb[0] = x",
        "ka.nothing = x",
    ] {
        assert!(Filter::parse(refused).is_err(), "{refused}");
    }
}

#[test]
fn hostile_texts_stay_one_text() {
    let event =
        r#"{"auditID":"a","verb":"\u0000get\n\u001b[2J","user":{"groups":["a\u0000b","c"]}}"#;
    assert_eq!(shown(event, "ka.verb"), "\\u0000get\\n\\x1b[2J");
    assert!(matches(event, "not ka.user.groups intersects (a, b)"));
    assert!(matches(event, "ka.user.groups intersects (c)"));
}

#[test]
fn only_events_of_plugins_are_read_for_them() {
    let types = |text: &str| Filter::parse(text).unwrap().pushdown().types;
    let only = types("ka.verb = create and jevt.value[/stage] = Panic");
    assert!(only.contains(types::PLUGINEVENT_E));
    assert_eq!(only.iter().count(), 1);
    assert!(types("not ka.verb = create").is_all());
}

/// The facts that the fields were made from, if they are there.
#[test]
fn every_field_of_the_plugins_is_there() {
    let Some(path) = crate::common::extra_data("reference/audit-fields.csv") else {
        return;
    };
    let text = std::fs::read_to_string(path).unwrap();
    let mut count = 0;
    for line in text.lines().skip(1) {
        let mut columns = line.splitn(5, ',');
        let name = columns.next().unwrap();
        let kind = columns.nth(1).unwrap();
        let with_argument = line.contains(",\"key, required\",");
        let field = match with_argument {
            true => format!("{name}[x]"),
            false => name.to_owned(),
        };
        let field = lookup(&field).unwrap();
        let is_list = field.info.flags.contains(FieldFlags::IS_LIST);
        assert_eq!(is_list, kind == "string list", "{name}");
        let takes_index = line.contains(",\"index, optional\",");
        assert_eq!(
            lookup(&format!("{name}[0]")).is_ok(),
            takes_index || with_argument,
            "{name}"
        );
        count += 1;
    }
    assert_eq!(count, 106);
}
