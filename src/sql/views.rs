//! Views with the names of Splunk's Common Information Model (data models Endpoint and Network Traffic).

/// The views: name, what is in them, and their query.
pub const VIEWS: [(&str, &str, &str); 3] = [
    (
        "cim_processes",
        "programs that were executed (Endpoint.Processes)",
        "SELECT time_us AS _time, host AS dest, user, proc_name AS process_name, exepath AS process_path, \
         cmdline AS process, pid AS process_id, pname AS parent_process_name, \
         pcmdline AS parent_process, ppid AS parent_process_id, container_id, num \
         FROM events WHERE evt_type IN ('execve', 'execveat') AND failed = 0 AND dir = '<'",
    ),
    (
        "cim_filesystem",
        "files that were created, read, changed, renamed and deleted (Endpoint.Filesystem)",
        "SELECT time_us AS _time, host AS dest, user, \
         CASE WHEN evt_type LIKE 'unlink%' OR evt_type = 'rmdir' THEN 'deleted' \
         WHEN evt_type LIKE 'rename%' THEN 'renamed' WHEN evt_type LIKE '%link%' THEN 'created' \
         WHEN evt_type LIKE '%chmod%' OR evt_type LIKE '%chown%' THEN 'acl_modified' \
         WHEN evt_type LIKE 'mkdir%' OR is_open_create = 1 THEN 'created' \
         WHEN is_open_write = 1 THEN 'modified' ELSE 'read' END AS action, \
         coalesce(path, fd_name) AS file_path, basename(coalesce(path, fd_name)) AS file_name, \
         path2 AS file_target, proc_name AS process_name, exepath AS process_path, \
         pid AS process_id, container_id, num \
         FROM events WHERE evt_type IN ('open', 'openat', 'openat2', 'creat', 'unlink', 'unlinkat', \
         'rmdir', 'rename', 'renameat', 'renameat2', 'link', 'linkat', 'symlink', 'symlinkat', 'mkdir', \
         'mkdirat', 'chmod', 'fchmod', 'fchmodat', 'chown', 'fchown', 'fchownat', 'lchown') \
         AND failed = 0 AND dir = '<'",
    ),
    (
        "cim_network",
        "connections that were made or accepted (Network Traffic)",
        "SELECT time_us AS _time, host AS dvc, user, cip AS src, cport AS src_port, sip AS dest, \
         sport AS dest_port, proto AS transport, \
         CASE is_server WHEN 1 THEN 'inbound' WHEN 0 THEN 'outbound' END AS direction, \
         proc_name AS app, exepath AS process_path, pid AS process_id, container_id, num \
         FROM events WHERE evt_type IN ('connect', 'accept', 'accept4') AND dir = '<' \
         AND (failed = 0 OR errno = 'EINPROGRESS') AND sip IS NOT NULL",
    ),
];
