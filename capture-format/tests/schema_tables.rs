//! Re-reads `schema/*.csv` with a parser of its own and compares every row with the tables in the
//! crate, so that a mistake of `build.rs` cannot hide.
#![allow(
    clippy::unwrap_used,
    clippy::print_stderr,
    reason = "a test that panics fails, one that cannot run says so"
)]

use std::collections::HashSet;
use std::path::{Path, PathBuf};
use std::{fs, iter};

use scap_capture_format::schema::{
    self, Arch, EVENTS, EventType, ParamDetail, ParamType, event_info, flags, syscall, types,
};

/// Upstream names of the parameter types in numeric order.
const PT: [&str; 49] = [
    "NONE",
    "INT8",
    "INT16",
    "INT32",
    "INT64",
    "UINT8",
    "UINT16",
    "UINT32",
    "UINT64",
    "CHARBUF",
    "BYTEBUF",
    "ERRNO",
    "SOCKADDR",
    "SOCKTUPLE",
    "FD",
    "PID",
    "FDLIST",
    "FSPATH",
    "SYSCALLID",
    "SIGTYPE",
    "RELTIME",
    "ABSTIME",
    "PORT",
    "L4PROTO",
    "SOCKFAMILY",
    "BOOL",
    "IPV4ADDR",
    "DYN",
    "FLAGS8",
    "FLAGS16",
    "FLAGS32",
    "UID",
    "GID",
    "DOUBLE",
    "SIGSET",
    "CHARBUFARRAY",
    "CHARBUF_PAIR_ARRAY",
    "IPV4NET",
    "IPV6ADDR",
    "IPV6NET",
    "IPADDR",
    "IPNET",
    "MODE",
    "FSRELPATH",
    "ENUMFLAGS8",
    "ENUMFLAGS16",
    "ENUMFLAGS32",
    "FD32",
    "PID32",
];

fn schema_dir() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("schema")
}

fn rows(file: &str) -> Vec<Vec<String>> {
    let text = fs::read_to_string(schema_dir().join(file)).unwrap();
    text.lines()
        .skip(1)
        .map(|l| l.split(',').map(str::to_owned).collect())
        .collect()
}

fn pt_name(ty: ParamType) -> String {
    format!("PT_{}", PT[usize::from(ty.number())])
}

fn detail_name(detail: ParamDetail) -> String {
    match detail {
        ParamDetail::None => String::new(),
        ParamDetail::Flags(t) => t.name.to_owned(),
        ParamDetail::Dyn(t) => t.name.to_owned(),
        ParamDetail::DirFd(i) => format!("dirfd_param={i}"),
    }
}

fn pf_name(format: schema::PrintFormat) -> &'static str {
    [
        "PF_NA",
        "PF_DEC",
        "PF_HEX",
        "PF_10_PADDED_DEC",
        "PF_ID",
        "PF_DIR",
        "PF_OCT",
    ][usize::from(format.number())]
}

/// Parameters that only scap's own files have.
fn native_params(ty: EventType) -> usize {
    let own = rows("native-params.csv");
    own.iter().filter(|row| row[0] == ty.0.to_string()).count()
}

#[test]
fn event_types() {
    let rows = rows("event-table.csv");
    assert_eq!(rows.len(), EVENTS.len());
    assert_eq!(rows.len(), 454);
    for row in rows {
        let ty = EventType(row[0].parse().unwrap());
        let e = event_info(ty).unwrap();
        assert_eq!(e.ty, ty);
        assert_eq!(e.enum_name, row[1]);
        assert_eq!(e.name, row[2]);
        assert_eq!(if e.enter { ">" } else { "<" }, row[3]);
        assert_eq!(e.enter, ty.is_enter());
        let category = format!("{:?}", e.category).to_uppercase();
        assert_eq!(category, row[4].replace('_', ""), "{row:?}");
        let mut source: Vec<_> = e.source_category.iter_names().map(|f| f.0).collect();
        let mut expected: Vec<_> = row[5].split('|').filter(|s| !s.is_empty()).collect();
        source.sort_unstable();
        expected.sort_unstable();
        assert_eq!(source, expected);
        let set: Vec<_> = e.flags.iter_names().map(|f| f.0).collect();
        let expected: Vec<_> = row[6].split('|').filter(|s| !s.is_empty()).collect();
        assert_eq!(set, expected, "{row:?}");
        assert_eq!(format!("{:?}", e.status).to_lowercase(), row[7]);
        let native = native_params(ty);
        assert_eq!(e.params.len(), row[8].parse::<usize>().unwrap() + native);
        assert_eq!(e.fd_param.map_or(String::new(), |i| i.to_string()), row[9]);
        let params: Vec<String> = e
            .params
            .iter()
            .take(e.params.len() - native)
            .map(|p| {
                let info = told_detail(ty, p.info);
                let sep = if info.is_empty() { "" } else { ":" };
                let pf = pf_name(p.format).trim_start_matches("PF_");
                let pt = if is_offset(e.name, p.name) {
                    "PT_UINT64".to_owned()
                } else {
                    pt_name(p.ty)
                };
                format!("{}:{}:{pf}{sep}{info}", p.name, &pt[3..])
            })
            .collect();
        assert_eq!(params.join("; "), row[12]);
    }
    assert_eq!(event_info(EventType(454)), None);
    assert_eq!(event_info(EventType(u16::MAX)), None);
}

/// Whether a parameter is a file offset, which is signed here and not in the field's tables.
fn is_offset(event: &str, param: &str) -> bool {
    event != "mmap" && matches!(param, "offset" | "pos" | "offin" | "offout")
}

/// The detail of a parameter as the field's tables have it: they do not say from which directory the path of an enter
/// event starts.
fn told_detail(ty: EventType, detail: ParamDetail) -> String {
    match detail {
        ParamDetail::DirFd(_) if ty.is_enter() => String::new(),
        detail => detail_name(detail),
    }
}

#[test]
fn parameters() {
    let mut seen = 0;
    let native = rows("native-params.csv");
    let own = native
        .iter()
        .map(|r| ["", &r[1], &r[2], &r[3], &r[4], &r[5], &r[0]].map(str::to_owned));
    let field = rows("event-params.csv");
    let field = field
        .iter()
        .map(|r| [&r[1], &r[3], &r[4], &r[5], &r[6], &r[7], &r[0]].map(String::clone));
    for [event, index, name, pt, pf, info, ty] in field.chain(own) {
        let e = event_info(EventType(ty.parse().unwrap())).unwrap();
        assert!(event.is_empty() || event == e.name);
        let p = e.params[index.parse::<usize>().unwrap()];
        let pt = if is_offset(e.name, &name) {
            assert_eq!(pt, "PT_UINT64");
            "PT_INT64".to_owned()
        } else {
            pt
        };
        assert_eq!(
            (p.name, pt_name(p.ty), pf_name(p.format)),
            (name.as_str(), pt, pf.as_str())
        );
        assert_eq!(told_detail(EventType(ty.parse().unwrap()), p.info), info);
        if let ParamDetail::DirFd(i) = p.info {
            assert_eq!(e.params[usize::from(i)].ty, ParamType::Fd);
        }
        seen += 1;
    }
    assert_eq!(seen, EVENTS.iter().map(|e| e.params.len()).sum::<usize>());
}

#[test]
fn flag_tables() {
    let mut seen = 0;
    for row in rows("flags.csv")
        .into_iter()
        .chain(rows("native-flags.csv"))
    {
        let table = flags::by_name(&row[0]).unwrap();
        let value = row[2].parse().unwrap();
        assert!(table.entries.contains(&(row[1].as_str(), value)), "{row:?}");
        seen += 1;
    }
    assert_eq!(
        seen,
        flags::ALL.iter().map(|t| t.entries.len()).sum::<usize>()
    );
    // Upstream order is kept: printing a combined value depends on it.
    let names: Vec<_> = flags::SHUTDOWN_HOW.entries.iter().map(|e| e.0).collect();
    let expected: Vec<_> = rows("flags.csv")
        .into_iter()
        .filter(|r| r[0] == "shutdown_how")
        .map(|r| r[1].clone())
        .collect();
    assert_eq!(names, expected);
}

#[test]
fn dynamic_parameters() {
    let mut tables = HashSet::new();
    for p in EVENTS.iter().flat_map(|e| e.params) {
        if let ParamDetail::Dyn(table) = p.info
            && tables.insert(table.name)
        {
            let rows: Vec<_> = rows("dynamic-params.csv")
                .into_iter()
                .filter(|r| r[0] == table.name)
                .collect();
            assert_eq!(rows.len(), table.variants.len());
            for (row, variant) in iter::zip(rows, table.variants) {
                assert_eq!(
                    (pt_name(variant.ty), pf_name(variant.format)),
                    (row[2].clone(), row[3].as_str())
                );
            }
        }
    }
    assert_eq!(tables.len(), 4);
}

#[test]
fn syscalls() {
    let opt = |n: Option<u16>| n.map_or(String::new(), |n| n.to_string());
    let extra = rows("syscalls-extra.csv");
    for row in rows("syscalls.csv") {
        let code: u16 = row[0].parse().unwrap();
        if code == 0 {
            assert_eq!(syscall::by_ppm_sc(0), None);
            assert_eq!(syscall::by_name("unknown"), None);
            continue;
        }
        let s = syscall::by_ppm_sc(code).unwrap();
        assert_eq!(s.ppm_sc, code);
        assert_eq!(s.name, row[1]);
        let patch = extra.iter().find(|r| r[0] == row[1]);
        let cell = |i: usize, j: usize| match patch {
            Some(p) if row[i].is_empty() => p[j].clone(),
            _ => row[i].clone(),
        };
        assert_eq!(opt(s.nr_x86_64), cell(2, 1), "{row:?}");
        assert_eq!(opt(s.nr_aarch64), cell(3, 2), "{row:?}");
        assert_eq!(s.enter_type.0, row[4].parse().unwrap_or(0));
        assert_eq!(s.exit_type.0, row[5].parse().unwrap_or(1));
        assert_eq!(syscall::by_name(s.name), Some(s));
    }
    for arch in [Arch::X86_64, Arch::Aarch64] {
        for s in syscall::SYSCALLS {
            if let Some(nr) = s.nr(arch) {
                assert_eq!(syscall::by_nr(arch, nr.into()), Some(s));
            }
        }
    }
    for row in rows("syscall-args.csv") {
        let arg = syscall::by_name(&row[0]).unwrap().args[row[1].parse::<usize>().unwrap()];
        assert_eq!((arg.name, arg.ctype), (row[2].as_str(), row[3].as_str()));
    }
    assert_eq!(syscall::by_nr(Arch::X86_64, 0).unwrap().name, "read");
    assert_eq!(
        syscall::by_nr(Arch::X86_64, 59).unwrap().args[0].name,
        "filename"
    );
    assert_eq!(syscall::by_nr(Arch::X86_64, u32::MAX), None);
    assert_eq!(syscall::by_name("no_such_call"), None);
    for row in rows("syscalls-ia32.csv") {
        assert_eq!(
            syscall::ia32_name(row[0].parse().unwrap()),
            Some(row[1].as_str())
        );
    }
    assert_eq!(syscall::ia32_name(11), Some("execve"));
    assert_eq!(syscall::ia32_name(222), None);
}

/// No number of a running kernel may be missing: an investigator must never see a bare number.
#[test]
fn every_x86_64_number_has_a_name() {
    let holes: Vec<u32> = (0..=471)
        .filter(|nr| syscall::by_nr(Arch::X86_64, *nr).is_none())
        .collect();
    assert_eq!(holes, (337..424).collect::<Vec<_>>());
}

#[test]
fn numbers_agree_with_the_kernel_headers() {
    for (path, ia32) in [("unistd_64.h", false), ("unistd_32.h", true)] {
        let path = format!("/usr/include/x86_64-linux-gnu/asm/{path}");
        let Ok(text) = fs::read_to_string(&path) else {
            eprintln!("skipped: no {path}");
            continue;
        };
        for line in text.lines() {
            let Some(rest) = line.strip_prefix("#define __NR_") else {
                continue;
            };
            let Some((name, nr)) = rest.split_once(' ') else {
                continue;
            };
            let Ok(nr) = nr.trim().parse() else { continue };
            let ours = if ia32 {
                syscall::ia32_name(nr)
            } else {
                syscall::by_nr(Arch::X86_64, nr).map(|s| s.name)
            };
            assert_eq!(ours, Some(name), "{path}: {line}");
        }
    }
}

/// The committed CSVs are copies; where the originals are given they must agree.
#[test]
fn committed_tables_agree_with_the_reference() {
    let Some(data) = std::env::var_os("SCAP_TEST_DATA") else {
        eprintln!("skipped: SCAP_TEST_DATA names no directory with the reference");
        return;
    };
    let reference = Path::new(&data).join("reference");
    for file in [
        "event-table.csv",
        "event-params.csv",
        "flags.csv",
        "dynamic-params.csv",
        "syscalls.csv",
    ] {
        let (ours, theirs) = (schema_dir().join(file), reference.join(file));
        assert_eq!(fs::read(ours).unwrap(), fs::read(theirs).unwrap(), "{file}");
    }
}

#[test]
fn io_data_is_found() {
    let io: Vec<_> = EVENTS
        .iter()
        .filter(|e| e.io_data_param().is_some())
        .collect();
    assert!(io.iter().any(|e| e.ty == types::SYSCALL_READ_X));
    assert!(io.iter().any(|e| e.ty == types::SOCKET_SENDMMSG_X));
    assert!(
        io.iter()
            .all(|e| !e.enter || e.status != schema::Status::Current)
    );
}
