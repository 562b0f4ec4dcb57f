//! Reads the OCI specification (`config.json`) of a container.

use serde_json::Value as Json;

use super::describe::Draft;

/// A specification; members of one that could not be read are unknown.
pub(super) struct Spec<'a>(pub(super) &'a Json);

impl Spec<'_> {
    /// Adds members that the runtime's own interface lacks.
    pub(super) fn process(&self, draft: &mut Draft, env: bool) {
        let process = &self.0["process"];
        if let Some(uid) = process["user"]["uid"].as_u64() {
            draft.text("User", &uid.to_string());
        }
        if env {
            let variables = process["env"].as_array().into_iter().flatten();
            for variable in variables.filter_map(Json::as_str) {
                draft.env(variable);
            }
        }
    }

    pub(super) fn resources(&self, draft: &mut Draft) {
        let resources = &self.0["linux"]["resources"];
        let (cpu, memory) = (&resources["cpu"], &resources["memory"]);
        draft.number("cpu_shares", cpu["shares"].as_i64());
        draft.number("cpu_quota", cpu["quota"].as_i64());
        draft.number("cpu_period", cpu["period"].as_i64());
        draft.cpus(cpu["cpus"].as_str().unwrap_or_default());
        draft.number("memory_limit", memory["limit"].as_i64());
        draft.number("swap_limit", memory["swap"].as_i64());
    }

    /// Adds which namespaces are the host's: the ones missing in the specification.
    pub(super) fn namespaces(&self, draft: &mut Draft) {
        let Some(given) = self.0["linux"]["namespaces"].as_array() else {
            return;
        };
        for (key, kind) in [
            ("host_pid", "pid"),
            ("host_network", "network"),
            ("host_ipc", "ipc"),
        ] {
            let has_own = given.iter().any(|namespace| namespace["type"] == kind);
            draft.truth(key, Some(!has_own));
        }
    }

    /// Adds the mounts from the host.
    pub(super) fn mounts(&self, draft: &mut Draft) {
        for mount in self.0["mounts"].as_array().into_iter().flatten() {
            let options = mount["options"].as_array().into_iter().flatten();
            let options: Vec<&str> = options.filter_map(Json::as_str).collect();
            let has = |option: &str| options.contains(&option);
            if mount["type"] != "bind" && !has("bind") && !has("rbind") {
                continue;
            }
            let propagation = options.iter().find(|option| {
                let kind = option.strip_prefix('r').unwrap_or(option);
                matches!(kind, "private" | "shared" | "slave" | "unbindable")
            });
            draft.mount(
                mount["source"].as_str().unwrap_or_default(),
                mount["destination"].as_str().unwrap_or_default(),
                "",
                !has("ro"),
                propagation.copied().unwrap_or_default(),
            );
        }
    }

    /// Guesses whether the container is privileged: clients then omit the masked paths and grant all capabilities, but
    /// do not store the option itself.
    pub(super) fn privileged(&self, draft: &mut Draft) {
        let Some(capabilities) = self.0["process"]["capabilities"]["bounding"].as_array() else {
            return;
        };
        let hidden = self.0["linux"]["maskedPaths"].as_array();
        let is_open = hidden.is_none_or(Vec::is_empty);
        let may_all = capabilities.iter().any(|name| name == "CAP_SYS_ADMIN");
        draft.truth("privileged", Some(is_open && may_all));
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::describe::Kind;
    use super::super::odd::each_with_odd_members;
    use super::*;

    fn described(spec: &Json) -> Json {
        let mut draft = Draft::new("x", Kind::Containerd);
        let spec = Spec(spec);
        spec.privileged(&mut draft);
        spec.namespaces(&mut draft);
        spec.resources(&mut draft);
        spec.mounts(&mut draft);
        spec.process(&mut draft, true);
        let json: Json = serde_json::from_str(&draft.finish().json).unwrap();
        json["container"].clone()
    }

    #[test]
    fn members_of_a_specification() {
        let spec = json!({
            "process": {
                "user": { "uid": 33 },
                "env": ["A=1"],
                "capabilities": { "bounding": ["CAP_CHOWN", "CAP_SYS_ADMIN"] },
            },
            "mounts": [
                { "destination": "/proc", "type": "proc", "source": "proc", "options": ["nosuid"] },
                { "destination": "/m", "type": "bind", "source": "/srv", "options": ["rbind", "ro", "rslave"] },
                { "destination": "/n", "source": "/opt", "options": ["bind"] },
            ],
            "linux": {
                "namespaces": [{ "type": "pid" }, { "type": "ipc" }, { "type": "mount" }],
                "resources": {
                    "cpu": { "shares": 2, "quota": 50_000, "period": 100_000, "cpus": "0-1" },
                    "memory": { "limit": 1 << 20, "swap": 2 << 20 },
                },
            },
        });
        let expected = json!({
            "id": "x", "full_id": "x", "type": 7,
            "privileged": true,
            "host_pid": false, "host_network": true, "host_ipc": false,
            "cpu_shares": 2, "cpu_quota": 50_000, "cpu_period": 100_000, "cpuset_cpu_count": 2,
            "memory_limit": 1 << 20, "swap_limit": 2 << 20,
            "Mounts": [
                { "Source": "/srv", "Destination": "/m", "Mode": "", "RW": false, "Propagation": "rslave" },
                { "Source": "/opt", "Destination": "/n", "Mode": "", "RW": true, "Propagation": "" },
            ],
            "User": "33",
            "env": ["A=1"],
        });
        assert_eq!(described(&spec), expected);
        // Masked paths exist only in containers that are not privileged.
        let mut spec = spec;
        spec["linux"]["maskedPaths"] = json!(["/proc/kcore"]);
        assert_eq!(described(&spec)["privileged"], false);
        each_with_odd_members(&spec, &mut |odd| assert_eq!(described(odd)["id"], "x"));
        assert_eq!(
            described(&Json::Null).as_object().map(|json| json.len()),
            Some(3)
        );
    }
}
