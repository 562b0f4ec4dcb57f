//! Turns the fact tables in `schema/*.csv` into const Rust tables in `OUT_DIR`.
//!
//! The CSVs are the single source of truth; nothing of them is repeated in hand-written code. Every
//! inconsistency (an unknown name, a gap in a numbering, a reference to a missing table) stops the
//! build, so the generated tables can be used without checks.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::print_stdout,
    reason = "a build script reports by failing and talks to cargo on stdout"
)]

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::path::Path;
use std::{env, fs};

/// Rows of `schema/<name>` as column name -> cell. The tables hold no quotes, which is checked.
fn table(name: &str) -> Vec<BTreeMap<String, String>> {
    let path = Path::new("schema").join(name);
    println!("cargo:rerun-if-changed={}", path.display());
    let text = fs::read_to_string(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
    assert!(
        !text.contains('"'),
        "{name}: quoted cells are not supported"
    );
    let mut lines = text.lines();
    let head: Vec<&str> = lines.next().expect("a header line").split(',').collect();
    lines
        .map(|line| {
            let cells: Vec<&str> = line.split(',').collect();
            assert_eq!(cells.len(), head.len(), "{name}: {line}");
            head.iter()
                .zip(cells)
                .map(|(h, c)| ((*h).to_owned(), c.to_owned()))
                .collect()
        })
        .collect()
}

/// `PT_FSRELPATH` -> `FsRelPath`: the variant of `ParamType`.
fn param_type(pt: &str) -> &'static str {
    match pt.strip_prefix("PT_").unwrap() {
        "NONE" => "None",
        "INT8" => "Int8",
        "INT16" => "Int16",
        "INT32" => "Int32",
        "INT64" => "Int64",
        "UINT8" => "Uint8",
        "UINT16" => "Uint16",
        "UINT32" => "Uint32",
        "UINT64" => "Uint64",
        "CHARBUF" => "CharBuf",
        "BYTEBUF" => "ByteBuf",
        "ERRNO" => "Errno",
        "SOCKADDR" => "SockAddr",
        "SOCKTUPLE" => "SockTuple",
        "FD" => "Fd",
        "PID" => "Pid",
        "FDLIST" => "FdList",
        "FSPATH" => "FsPath",
        "SYSCALLID" => "SyscallId",
        "SIGTYPE" => "SigType",
        "RELTIME" => "RelTime",
        "ABSTIME" => "AbsTime",
        "PORT" => "Port",
        "IPV4ADDR" => "Ipv4Addr",
        "DYN" => "Dyn",
        "FLAGS8" => "Flags8",
        "FLAGS16" => "Flags16",
        "FLAGS32" => "Flags32",
        "UID" => "Uid",
        "GID" => "Gid",
        "SIGSET" => "SigSet",
        "CHARBUFARRAY" => "CharBufArray",
        "CHARBUF_PAIR_ARRAY" => "CharBufPairArray",
        "IPV6ADDR" => "Ipv6Addr",
        "MODE" => "Mode",
        "FSRELPATH" => "FsRelPath",
        "ENUMFLAGS8" => "EnumFlags8",
        "ENUMFLAGS16" => "EnumFlags16",
        "ENUMFLAGS32" => "EnumFlags32",
        "FD32" => "Fd32",
        "PID32" => "Pid32",
        other => panic!("no event parameter had type {other} when this was written"),
    }
}

fn print_format(pf: &str) -> &'static str {
    match pf {
        "PF_NA" => "Na",
        "PF_DEC" => "Dec",
        "PF_HEX" => "Hex",
        "PF_10_PADDED_DEC" => "PaddedDec10",
        "PF_ID" => "Id",
        "PF_DIR" => "Dir",
        "PF_OCT" => "Oct",
        other => panic!("unknown print format {other}"),
    }
}

/// `IO_READ` -> `IoRead`.
fn camel(upper: &str) -> String {
    upper
        .split('_')
        .map(|w| w[..1].to_owned() + &w[1..].to_lowercase())
        .collect()
}

/// `A|B` -> a const expression of a bitflags type.
fn flags_expr(ty: &str, names: &str) -> String {
    let bits: Vec<String> = names
        .split('|')
        .filter(|n| !n.is_empty())
        .map(|n| format!("{ty}::{n}.bits()"))
        .collect();
    let bits = if bits.is_empty() {
        "0".to_owned()
    } else {
        bits.join(" | ")
    };
    format!("{ty}::from_bits_retain({bits})")
}

/// Checks that `index` counts up from 0 within each group of rows.
fn expect_index(row: &BTreeMap<String, String>, expected: usize) {
    assert_eq!(
        row["index"].parse(),
        Ok(expected),
        "{row:?}: index out of order"
    );
}

fn flag_tables(out: &mut String) -> BTreeSet<String> {
    let mut order: Vec<String> = Vec::new();
    let mut tables: BTreeMap<String, Vec<(String, u64)>> = BTreeMap::new();
    for row in table("flags.csv")
        .into_iter()
        .chain(table("native-flags.csv"))
    {
        let name = row["table"].clone();
        if !tables.contains_key(&name) {
            order.push(name.clone());
        }
        let value: u64 = row["value"].parse().unwrap();
        assert_eq!(format!("{value:#x}"), row["value_hex"], "{row:?}");
        tables
            .entry(name)
            .or_default()
            .push((row["name"].clone(), value));
    }
    let mut list = String::new();
    for name in &order {
        writeln!(
            out,
            "/// Flag table `{name}`.\npub static {}: FlagTable = FlagTable {{ name: {name:?}, entries: &{:?} }};",
            name.to_uppercase(),
            tables[name]
        )
        .unwrap();
        write!(list, "&{}, ", name.to_uppercase()).unwrap();
    }
    writeln!(
        out,
        "/// Every flag table.\npub static ALL: &[&FlagTable] = &[{list}];"
    )
    .unwrap();
    order.into_iter().collect()
}

fn dyn_tables(out: &mut String) -> BTreeSet<String> {
    let mut tables: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for row in table("dynamic-params.csv") {
        let variants = tables.entry(row["table"].clone()).or_default();
        expect_index(&row, variants.len());
        variants.push(format!(
            "DynVariant {{ ty: ParamType::{}, format: PrintFormat::{} }}",
            param_type(&row["pt_type"]),
            print_format(&row["print_format"])
        ));
    }
    let mut list = String::new();
    for (name, variants) in &tables {
        writeln!(
            out,
            "static {}: DynTable = DynTable {{ name: {name:?}, variants: &[{}] }};",
            name.to_uppercase(),
            variants.join(", ")
        )
        .unwrap();
        write!(list, "&{}, ", name.to_uppercase()).unwrap();
    }
    writeln!(
        out,
        "/// Every table of dynamic parameter variants.\npub static DYN_TABLES: &[&DynTable] = &[{list}];"
    )
    .unwrap();
    tables.into_keys().collect()
}

fn events(
    out: &mut String,
    consts: &mut String,
    flags: &BTreeSet<String>,
    dyns: &BTreeSet<String>,
) {
    let mut params: BTreeMap<u16, Vec<String>> = BTreeMap::new();
    for row in table("event-params.csv")
        .into_iter()
        .chain(table("native-params.csv"))
    {
        let list = params.entry(row["type"].parse().unwrap()).or_default();
        expect_index(&row, list.len());
        let info = row["info"].as_str();
        let detail = if info.is_empty() {
            "ParamDetail::None".to_owned()
        } else if let Some(index) = info.strip_prefix("dirfd_param=") {
            format!("ParamDetail::DirFd({})", index.parse::<u8>().unwrap())
        } else if flags.contains(info) {
            format!("ParamDetail::Flags(&super::flags::{})", info.to_uppercase())
        } else {
            assert!(dyns.contains(info), "no table {info}");
            format!("ParamDetail::Dyn(&{})", info.to_uppercase())
        };
        list.push(format!(
            "ParamInfo {{ name: {:?}, ty: ParamType::{}, format: PrintFormat::{}, info: {detail} }}",
            row["param"],
            param_type(&row["pt_type"]),
            print_format(&row["print_format"]),
        ));
    }
    writeln!(
        out,
        "/// Every event type; the index is the type number.\npub static EVENTS: &[EventInfo] = &["
    )
    .unwrap();
    for (number, row) in table("event-table.csv").into_iter().enumerate() {
        let ty: u16 = row["type"].parse().unwrap();
        assert_eq!(usize::from(ty), number, "{row:?}: type out of order");
        let fd = row["fd_param"]
            .parse::<u8>()
            .map_or("None".to_owned(), |i| format!("Some({i})"));
        writeln!(
            out,
            "EventInfo {{ ty: EventType({ty}), enum_name: {:?}, name: {:?}, enter: {}, \
             category: Category::{}, source_category: {}, flags: {}, status: Status::{}, \
             fd_param: {fd}, params: &[{}] }},",
            row["enum"],
            row["name"],
            row["dir"] == ">",
            camel(&row["syscall_category"]),
            flags_expr("SourceCategory", &row["source_category"]),
            flags_expr("EventTypeFlags", &row["flags"]),
            camel(&row["status"].to_uppercase()),
            params.remove(&ty).unwrap_or_default().join(", "),
        )
        .unwrap();
        writeln!(
            consts,
            "/// `{} {}`, {}.\npub const {}: EventType = EventType({ty});",
            row["name"],
            row["dir"],
            row["status"],
            row["enum"].strip_prefix("PPME_").unwrap()
        )
        .unwrap();
    }
    writeln!(out, "];").unwrap();
    assert!(
        params.is_empty(),
        "parameters of unknown types {:?}",
        params.keys()
    );
}

fn syscalls(out: &mut String) {
    let mut args: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for row in table("syscall-args.csv") {
        let list = args.entry(row["name"].clone()).or_default();
        expect_index(&row, list.len());
        list.push(format!(
            "SyscallArg {{ name: {:?}, ctype: {:?} }}",
            row["arg"], row["ctype"]
        ));
    }
    let mut rows = table("syscalls.csv");
    for (code, row) in rows.iter().enumerate() {
        assert_eq!(
            row["ppm_sc"].parse(),
            Ok(code),
            "{row:?}: code out of order"
        );
    }
    let known = rows.len();
    for extra in table("syscalls-extra.csv") {
        let old = rows.iter_mut().find(|r| r["name"] == extra["name"]);
        if let Some(old) = old {
            for column in ["nr_x86_64", "nr_aarch64"] {
                if !extra[column].is_empty() {
                    assert_eq!(
                        old[column], "",
                        "{extra:?}: the field's table has a number now"
                    );
                    old.insert(column.to_owned(), extra[column].clone());
                }
            }
        } else {
            let mut row = extra;
            row.insert("ppm_sc".to_owned(), "0".to_owned());
            row.insert("enter_type".to_owned(), String::new());
            row.insert("exit_type".to_owned(), String::new());
            rows.push(row);
        }
    }
    writeln!(out, "/// Rows below this index have `ppm_sc` equal to their index.\nconst PPM_SC_COUNT: usize = {known};").unwrap();
    writeln!(
        out,
        "/// Every syscall known by name.\npub static SYSCALLS: &[Syscall] = &["
    )
    .unwrap();
    let mut names: BTreeMap<String, usize> = BTreeMap::new();
    let mut by_nr = [BTreeMap::<usize, usize>::new(), BTreeMap::new()];
    let columns = ["nr_x86_64", "nr_aarch64"];
    for (index, row) in rows.iter().enumerate() {
        let cell = |c: &str| {
            if row[c].is_empty() {
                "None".to_owned()
            } else {
                format!("Some({})", row[c])
            }
        };
        let ty = |c: &str, generic: u16| {
            if row[c].is_empty() {
                generic
            } else {
                row[c].parse().unwrap()
            }
        };
        writeln!(
            out,
            "Syscall {{ ppm_sc: {}, name: {:?}, nr_x86_64: {}, nr_aarch64: {}, \
             enter_type: EventType({}), exit_type: EventType({}), args: &[{}] }},",
            row["ppm_sc"],
            row["name"],
            cell("nr_x86_64"),
            cell("nr_aarch64"),
            ty("enter_type", 0),
            ty("exit_type", 1),
            args.remove(&row["name"]).unwrap_or_default().join(", ")
        )
        .unwrap();
        assert!(
            names.insert(row["name"].clone(), index).is_none(),
            "{row:?}: name twice"
        );
        for (map, column) in by_nr.iter_mut().zip(columns) {
            if !row[column].is_empty() {
                let nr = row[column].parse().unwrap();
                assert!(map.insert(nr, index).is_none(), "{row:?}: {column} twice");
            }
        }
    }
    writeln!(out, "];").unwrap();
    assert!(
        args.is_empty(),
        "arguments of unknown syscalls {:?}",
        args.keys()
    );
    writeln!(
        out,
        "/// Indices into [`SYSCALLS`], ordered by name.\nstatic BY_NAME: &[u16] = &{:?};",
        names.values().collect::<Vec<_>>()
    )
    .unwrap();
    for (map, name) in by_nr.iter().zip(["BY_X86_64", "BY_AARCH64"]) {
        let size = map.keys().max().unwrap() + 1;
        let dense: Vec<usize> = (0..size)
            .map(|nr| map.get(&nr).copied().unwrap_or(usize::from(u16::MAX)))
            .collect();
        writeln!(
            out,
            "/// Indices into [`SYSCALLS`] by number; `u16::MAX` = none.\nstatic {name}: &[u16] = &{dense:?};"
        )
        .unwrap();
    }
    let mut ia32: BTreeMap<usize, String> = BTreeMap::new();
    for row in table("syscalls-ia32.csv") {
        let old = ia32.insert(row["nr"].parse().unwrap(), row["name"].clone());
        assert_eq!(old, None, "{row:?}: number twice");
    }
    let size = ia32.keys().max().unwrap() + 1;
    let dense: Vec<&str> = (0..size)
        .map(|nr| ia32.get(&nr).map_or("", String::as_str))
        .collect();
    writeln!(
        out,
        "/// i386 names by number; empty = none.\nstatic IA32: &[&str] = &{dense:?};"
    )
    .unwrap();
}

fn main() {
    println!("cargo:rerun-if-changed=build.rs");
    let out_dir = env::var("OUT_DIR").unwrap();
    let write = |name: &str, text: &str| fs::write(Path::new(&out_dir).join(name), text).unwrap();

    let (mut flags, mut dyns, mut event, mut consts, mut calls) = Default::default();
    let flag_names = flag_tables(&mut flags);
    let dyn_names = dyn_tables(&mut dyns);
    events(&mut event, &mut consts, &flag_names, &dyn_names);
    syscalls(&mut calls);
    write("flags.rs", &flags);
    write("events.rs", &(dyns + &event));
    write("types.rs", &consts);
    write("syscalls.rs", &calls);
}
