//! Built-in scripts.

/// Makes the list of scripts from their names.
macro_rules! scripts {
    ($($name:literal,)*) => {
        &[$(($name, include_str!(concat!("builtin/", $name, ".lua"))),)*]
    };
}

/// Names and texts, sorted by name.
pub(super) const SCRIPTS: &[(&str, &str)] = scripts![
    "around",
    "beaconing",
    "bottlenecks",
    "container_escape",
    "credential_sweep",
    "deleted_exec",
    "echo_fds",
    "fdbytes_by",
    "fdcount_by",
    "fdtime_by",
    "fileslower",
    "history_wipe",
    "httplog",
    "httptop",
    "iobytes",
    "iobytes_file",
    "iobytes_net",
    "list_login_shells",
    "lscontainers",
    "lsof",
    "mass_rename",
    "memcachelog",
    "memfd_exec",
    "netlower",
    "netstat",
    "persistence",
    "port_scan",
    "proc_exec_time",
    "ps",
    "reverse_shells",
    "scallslower",
    "scap_around",
    "scap_container",
    "scap_cpu",
    "scap_each_second",
    "scap_http",
    "scap_io",
    "scap_paths",
    "scap_ranking",
    "scap_recent",
    "scap_slow",
    "scap_state",
    "scap_top",
    "shellshock_detect",
    "spectrogram",
    "spy_file",
    "spy_ip",
    "spy_logs",
    "spy_port",
    "spy_syslog",
    "spy_users",
    "stderr",
    "stdin",
    "stdout",
    "subsecoffset",
    "topconns",
    "topcontainers_cpu",
    "topcontainers_error",
    "topcontainers_file",
    "topcontainers_net",
    "topfiles_bytes",
    "topfiles_errors",
    "topfiles_time",
    "topports_server",
    "topprocs_cpu",
    "topprocs_errors",
    "topprocs_file",
    "topprocs_net",
    "topscalls",
    "topscalls_time",
    "udp_extract",
    "write_then_exec",
];

/// Returns a script's text.
pub(super) fn find(name: &str) -> Option<&'static str> {
    let at = SCRIPTS
        .binary_search_by_key(&name, |(name, _)| *name)
        .ok()?;
    SCRIPTS.get(at).map(|(_, text)| *text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_scripts_are_listed_in_order() {
        let dir = concat!(env!("CARGO_MANIFEST_DIR"), "/src/chisel/builtin");
        let mut files: Vec<String> = std::fs::read_dir(dir)
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .filter_map(|name| name.strip_suffix(".lua").map(str::to_owned))
            .collect();
        files.sort();
        let listed: Vec<&str> = SCRIPTS.iter().map(|(name, _)| *name).collect();
        assert_eq!(listed, files);
    }
}
