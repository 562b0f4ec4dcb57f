//! The fields of the fd.

use scap_capture_format::native::NameKind;
use scap_capture_format::schema::PrintFormat;

use super::{
    cip, connected, containerdirectory, containername, cport, cproto, dev, dev_major, dev_minor,
    directory, either_ip, either_port, filename, ino, is_lower_layer, is_server, is_upper_layer,
    kind, l4proto, lip, lport, lproto, name, name_changed, nameraw, num, rip, rport, rproto, sip,
    sockfamily, sport, sproto, typechar, types, uid,
};
use crate::fields::attributes::{Listing, Narrow, Needs, Role};
use crate::fields::info::{
    ArgForm, FieldFlags, FieldInfo, boolean, int, ip, na, net, port as port_field, text,
};

pub(in crate::fields) const FIELDS: &[FieldInfo] = &[
    ip("fd.cip", "client IP", cip)
        .role(Role::Name(NameKind::Address))
        .of_fd(),
    text("fd.cip.name", "DNS name of client address", na)
        .never(DNS)
        .flag(PLAIN_LHS)
        .of_fd(),
    net("fd.cnet", "client address in CIDR (filter only)", cip)
        .flag(CONDITION_ONLY)
        .of_fd(),
    boolean("fd.connected", "TCP/UDP fd is connected", connected)
        .of_fd()
        .needs(Needs::ALL_EVENTS),
    text(
        "fd.containerdirectory",
        "container id : directory",
        containerdirectory,
    )
    .of_fd(),
    text("fd.containername", "container id : fd name", containername).of_fd(),
    port_field("fd.cport", "client port", cport).of_fd(),
    text("fd.cproto", "client port as text", cproto).of_fd(),
    int("fd.dev", "device number of the file", dev)
        .format(PrintFormat::Hex)
        .of_fd(),
    int("fd.dev.major", "major device number", dev_major).of_fd(),
    int("fd.dev.minor", "minor device number", dev_minor).of_fd(),
    text("fd.directory", "directory part of a file fd", directory)
        .role(Role::Name(NameKind::Path))
        .of_fd()
        .narrow(Narrow::Directory),
    text("fd.filename", "last path component of a file fd", filename)
        .role(Role::Name(NameKind::FileName))
        .of_fd(),
    int("fd.ino", "inode of the file", ino).of_fd(),
    ip("fd.ip", "either end's IP (filter only)", either_ip)
        .flag(CONDITION_ONLY)
        .role(Role::Name(NameKind::Address))
        .of_fd(),
    boolean(
        "fd.is_lower_layer",
        "file in overlayfs lower layer",
        is_lower_layer,
    )
    .of_fd(),
    boolean("fd.is_server", "owner is the server end", is_server).of_fd(),
    boolean(
        "fd.is_upper_layer",
        "file in overlayfs upper layer",
        is_upper_layer,
    )
    .of_fd(),
    text("fd.l4proto", "tcp, udp, icmp, raw or <NA>", l4proto).of_fd(),
    ip("fd.lip", "local IP", lip)
        .role(Role::Name(NameKind::Address))
        .of_fd(),
    text("fd.lip.name", "DNS name of local address", na)
        .never(DNS)
        .flag(PLAIN_LHS)
        .of_fd(),
    net("fd.lnet", "local address in CIDR (filter only)", lip)
        .flag(CONDITION_ONLY)
        .of_fd(),
    port_field("fd.lport", "local port", lport).of_fd(),
    text("fd.lproto", "local port as text", lproto).of_fd(),
    text("fd.name", "full path or connection tuple", name)
        .role(Role::Name(NameKind::Path))
        .of_fd()
        .listing(Listing::First(17))
        .narrow(Narrow::Path),
    boolean(
        "fd.name_changed",
        "this event changed the fd's name",
        name_changed,
    )
    .of_fd(),
    text(
        "fd.nameraw",
        "path as given, duplicate slashes removed",
        nameraw,
    )
    .of_fd(),
    net(
        "fd.net",
        "either end's address in CIDR (filter only)",
        either_ip,
    )
    .flag(CONDITION_ONLY)
    .of_fd(),
    int("fd.num", "fd number", num)
        .format(PrintFormat::Id)
        .of_fd()
        .listing(Listing::First(18)),
    port_field("fd.port", "either end's port (filter only)", either_port)
        .flag(CONDITION_ONLY)
        .of_fd(),
    port_field(
        "fd.proto",
        "either end's port given as service name or number (filter only)",
        either_port,
    )
    .flag(CONDITION_ONLY)
    .of_fd(),
    ip("fd.rip", "remote IP", rip)
        .role(Role::Name(NameKind::Address))
        .of_fd(),
    text("fd.rip.name", "DNS name of remote address", na)
        .never(DNS)
        .flag(PLAIN_LHS)
        .of_fd(),
    net("fd.rnet", "remote address in CIDR (filter only)", rip)
        .flag(CONDITION_ONLY)
        .of_fd(),
    port_field("fd.rport", "remote port", rport).of_fd(),
    text("fd.rproto", "remote port as text", rproto).of_fd(),
    ip("fd.sip", "server IP", sip)
        .role(Role::Name(NameKind::Address))
        .of_fd(),
    text("fd.sip.name", "DNS name of server address", na)
        .never(DNS)
        .flag(PLAIN_LHS)
        .of_fd(),
    net("fd.snet", "server address in CIDR (filter only)", sip)
        .flag(CONDITION_ONLY)
        .of_fd(),
    text("fd.sockfamily", "ip or unix", sockfamily).of_fd(),
    port_field("fd.sport", "server port", sport)
        .role(Role::Name(NameKind::ServerPort))
        .of_fd()
        .narrow(Narrow::ServerPort),
    text("fd.sproto", "server port as text", sproto).of_fd(),
    text(
        "fd.type",
        "file, directory, ipv4, ipv6, unix, pipe, event, signalfd, eventpoll, inotify, ...",
        kind,
    )
    .of_fd()
    .listing(Listing::First(19)),
    text("fd.typechar", "one-letter fd type", typechar).of_fd(),
    text(
        "fd.types",
        "list of distinct fd types open; [n] type of fd n",
        types,
    )
    .arg(ArgForm::OptIndex)
    .flag(FieldFlags::IS_LIST)
    .flag(FieldFlags::NO_RHS)
    .of_thread(),
    text("fd.uid", "tid followed by fd number", uid).of_fd(),
];

/// Flags of the fields that cannot be transformed nor used on the right-hand side.
const PLAIN_LHS: FieldFlags = FieldFlags::NO_RHS.union(FieldFlags::NO_TRANSFORMER);
/// Flags of the fields that stand for either end, or are compared with networks.
const CONDITION_ONLY: FieldFlags = PLAIN_LHS.union(FieldFlags::FILTER_ONLY);
/// Why captures have no names of addresses.
const DNS: &str = "address names would need DNS lookups";
