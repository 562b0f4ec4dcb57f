//! Fields of the class fd.

use scap_capture_format::schema::PrintFormat;

use super::info::{ArgForm, FieldFlags, FieldInfo, boolean, int, ip, na, net, port, text};

pub(super) const FIELDS: &[FieldInfo] = &[
    ip("fd.cip", "client IP", na),
    text("fd.cip.name", "DNS name of client address", na)
        .flag(FieldFlags::NO_RHS)
        .flag(FieldFlags::NO_TRANSFORMER),
    net("fd.cnet", "client address in CIDR (filter only)", na)
        .flag(FieldFlags::FILTER_ONLY)
        .flag(FieldFlags::NO_RHS)
        .flag(FieldFlags::NO_TRANSFORMER),
    boolean("fd.connected", "TCP/UDP fd is connected", na),
    text("fd.containerdirectory", "container id : directory", na),
    text("fd.containername", "container id : fd name", na),
    port("fd.cport", "client port", na),
    text("fd.cproto", "client port as text", na),
    int("fd.dev", "device number of the file", na).format(PrintFormat::Hex),
    int("fd.dev.major", "major device number", na),
    int("fd.dev.minor", "minor device number", na),
    text("fd.directory", "directory part of a file fd", na),
    text("fd.filename", "last path component of a file fd", na),
    int("fd.ino", "inode of the file", na),
    ip("fd.ip", "either end's IP (filter only)", na)
        .flag(FieldFlags::FILTER_ONLY)
        .flag(FieldFlags::NO_RHS)
        .flag(FieldFlags::NO_TRANSFORMER),
    boolean("fd.is_lower_layer", "file in overlayfs lower layer", na),
    boolean("fd.is_server", "owner is the server end", na),
    boolean("fd.is_upper_layer", "file in overlayfs upper layer", na),
    text("fd.l4proto", "tcp, udp, icmp, raw or <NA>", na),
    ip("fd.lip", "local IP", na),
    text("fd.lip.name", "DNS name of local address", na)
        .flag(FieldFlags::NO_RHS)
        .flag(FieldFlags::NO_TRANSFORMER),
    net("fd.lnet", "local address in CIDR (filter only)", na)
        .flag(FieldFlags::FILTER_ONLY)
        .flag(FieldFlags::NO_RHS)
        .flag(FieldFlags::NO_TRANSFORMER),
    port("fd.lport", "local port", na),
    text("fd.lproto", "local port as text", na),
    text("fd.name", "full path or connection tuple", na),
    boolean("fd.name_changed", "this event changed the fd's name", na),
    text("fd.nameraw", "path as given, duplicate slashes removed", na),
    net("fd.net", "either end's address in CIDR (filter only)", na)
        .flag(FieldFlags::FILTER_ONLY)
        .flag(FieldFlags::NO_RHS)
        .flag(FieldFlags::NO_TRANSFORMER),
    int("fd.num", "fd number", na),
    port("fd.port", "either end's port (filter only)", na)
        .flag(FieldFlags::FILTER_ONLY)
        .flag(FieldFlags::NO_RHS)
        .flag(FieldFlags::NO_TRANSFORMER),
    port(
        "fd.proto",
        "either end's port given as service name or number (filter only)",
        na,
    )
    .flag(FieldFlags::FILTER_ONLY)
    .flag(FieldFlags::NO_RHS)
    .flag(FieldFlags::NO_TRANSFORMER),
    ip("fd.rip", "remote IP", na),
    text("fd.rip.name", "DNS name of remote address", na)
        .flag(FieldFlags::NO_RHS)
        .flag(FieldFlags::NO_TRANSFORMER),
    net("fd.rnet", "remote address in CIDR (filter only)", na)
        .flag(FieldFlags::FILTER_ONLY)
        .flag(FieldFlags::NO_RHS)
        .flag(FieldFlags::NO_TRANSFORMER),
    port("fd.rport", "remote port", na),
    text("fd.rproto", "remote port as text", na),
    ip("fd.sip", "server IP", na),
    text("fd.sip.name", "DNS name of server address", na)
        .flag(FieldFlags::NO_RHS)
        .flag(FieldFlags::NO_TRANSFORMER),
    net("fd.snet", "server address in CIDR (filter only)", na)
        .flag(FieldFlags::FILTER_ONLY)
        .flag(FieldFlags::NO_RHS)
        .flag(FieldFlags::NO_TRANSFORMER),
    text("fd.sockfamily", "ip or unix", na),
    port("fd.sport", "server port", na),
    text("fd.sproto", "server port as text", na),
    text(
        "fd.type",
        "file, directory, ipv4, ipv6, unix, pipe, event, signalfd, eventpoll, inotify, ...",
        na,
    ),
    text("fd.typechar", "one-letter fd type", na),
    text(
        "fd.types",
        "list of distinct fd types open; [n] type of fd n",
        na,
    )
    .arg(ArgForm::OptIndex)
    .flag(FieldFlags::IS_LIST)
    .flag(FieldFlags::NO_RHS),
    text("fd.uid", "tid followed by fd number", na),
];
