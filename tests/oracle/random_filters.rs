//! Filters made up from a field's type and the values that a capture has.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::path::Path;

use crate::ours;
use crate::sysdig::{self, KEY, Known};

/// Fields asked of sysdig in one run.
const AT_ONCE: usize = 20;

/// Values of one capture.
pub(crate) struct Pool {
    values: HashMap<String, Vec<String>>,
    /// Fields that have other values here than there.
    pub(crate) different: BTreeSet<String>,
}

impl Pool {
    pub(crate) fn new(dir: &Path, capture: &str, known: &[Known]) -> Self {
        let seen = sysdig::run(dir, capture, &["-p", &format!("*{KEY}")]).unwrap();
        let seen: HashSet<&str> = seen.lines().collect();
        let mut pool = Self {
            values: HashMap::new(),
            different: BTreeSet::new(),
        };
        let printed = known.iter().map(|k| &*k.name).filter(|name| {
            // 0.29.3 prints nothing for them.
            !name.starts_with("evt.type.is") && !DERIVED.iter().any(|(of, ..)| of == name)
        });
        let printed: Vec<&str> = printed.collect();
        for names in printed.chunks(AT_ONCE) {
            if !pool.add(dir, capture, names, &seen) {
                for name in names {
                    pool.add(dir, capture, &[name], &seen);
                }
            }
        }
        for (of, _, parts) in DERIVED {
            if parts.iter().any(|p| pool.different.contains(*p)) {
                pool.different.insert((*of).to_owned());
            }
            let parts = parts
                .iter()
                .flat_map(|n| pool.values.get(*n).cloned().unwrap_or_default());
            let list: Vec<String> = match of.ends_with("net") {
                // 0.29.3 knows no IPv6 networks.
                true => parts
                    .filter(|ip| !ip.contains(':'))
                    .map(|ip| format!("{ip}/16"))
                    .collect(),
                false => parts.collect(),
            };
            pool.values.insert((*of).to_owned(), list);
        }
        pool
    }

    /// Takes the values of some fields. False: sysdig cannot print one of them.
    fn add(&mut self, dir: &Path, capture: &str, names: &[&str], seen: &HashSet<&str>) -> bool {
        let Ok(theirs) = sysdig::run(dir, capture, &["-p", &sysdig::format(names)]) else {
            return false;
        };
        let (ours, _) = ours::print(dir, capture, names, seen);
        let (theirs, ours) = (sysdig::records(&theirs), sysdig::records(&ours));
        for (i, name) in names.iter().enumerate() {
            let theirs: Vec<&str> = theirs.iter().map(|r| r[i + 1]).collect();
            let ours = ours.iter().map(|r| r[i + 1]);
            if !theirs
                .iter()
                .zip(ours.clone())
                .all(|(t, o)| sysdig::same(t, o))
            {
                self.different.insert((*name).to_owned());
            }
            // sysdig leaves control characters out of what it prints, not of what it compares.
            let plain = theirs.into_iter().zip(ours.clone());
            let plain = plain.filter(|(theirs, ours)| theirs == ours);
            let mut list: Vec<String> = plain.map(|(v, _)| v.to_owned()).collect();
            list.sort_unstable();
            list.dedup();
            list.retain(|value| value != "<NA>" && value.len() <= 60);
            self.values.insert((*name).to_owned(), list);
        }
        true
    }

    fn pick(&self, random: &mut Random, field: &str) -> Option<&str> {
        let list = self.values.get(field).filter(|l| !l.is_empty())?;
        Some(&list[random.below(list.len())])
    }
}

/// Filter-only fields with their types, and the fields that have their values.
pub(crate) const DERIVED: &[(&str, &str, &[&str])] = &[
    ("fd.ip", "IPADDR", &["fd.cip", "fd.sip"]),
    ("fd.net", "IPNET", &["fd.cip", "fd.sip"]),
    ("fd.port", "PORT", &["fd.cport", "fd.sport"]),
    ("fd.proto", "PORT", &["fd.cport", "fd.sport"]),
    ("fd.cnet", "IPNET", &["fd.cip"]),
    ("fd.snet", "IPNET", &["fd.sip"]),
    ("fd.lnet", "IPNET", &["fd.lip"]),
    ("fd.rnet", "IPNET", &["fd.rip"]),
    ("evt.rawarg.fd", "INT64", &["fd.num"]),
    ("evt.rawarg.res", "INT64", &["evt.rawres"]),
    ("evt.rawarg.size", "UINT32", &["evt.arg.size"]),
    ("evt.rawarg.name", "CHARBUF", &["evt.arg.name"]),
];

/// Numbers that are the same on every run.
pub(crate) struct Random(pub(crate) u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ z >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ z >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ z >> 31
    }

    fn below(&mut self, end: usize) -> usize {
        usize::try_from(self.next() % end as u64).unwrap()
    }

    fn of<'a>(&mut self, list: &[&'a str]) -> &'a str {
        list[self.below(list.len())]
    }
}

/// Makes a filter up.
pub(crate) fn random_filter(random: &mut Random, pool: &Pool, known: &[Known]) -> String {
    let one = |random: &mut Random| {
        loop {
            let field = &known[random.below(known.len())];
            if let Some(check) = check(random, pool, field) {
                return match random.below(6) {
                    0 => format!("not {check}"),
                    _ => check,
                };
            }
        }
    };
    match random.below(10) {
        0..=5 => one(random),
        6 => format!("{} and {}", one(random), one(random)),
        7 => format!("{} or {}", one(random), one(random)),
        8 => format!("({} or {}) and {}", one(random), one(random), one(random)),
        _ => format!(
            "not ({} and {}) or {}",
            one(random),
            one(random),
            one(random)
        )
        .replace(") or", ")  or"),
    }
}

fn quoted(value: &str) -> Option<String> {
    let plain = |b: u8| {
        b.is_ascii_alphanumeric()
            || matches!(b, b'_' | b'/' | b'.' | b':' | b'-' | b'%' | b'+' | b'@')
    };
    if value.is_empty()
        || value
            .bytes()
            .any(|b| !(0x20..=0x7e).contains(&b) || matches!(b, b'"' | b'\'' | b'\\'))
    {
        return None;
    }
    Some(match value.bytes().all(plain) {
        true => value.to_owned(),
        false => format!("\"{value}\""),
    })
}

fn check(random: &mut Random, pool: &Pool, field: &Known) -> Option<String> {
    let name = &field.name;
    if random.below(20) == 0 && !matches!(&*field.ty, "IPADDR" | "IPNET") {
        return Some(format!("{name} exists"));
    }
    if name.starts_with("evt.type.is") {
        return Some(format!(
            "{name} {} {}",
            random.of(&["=", "!="]),
            random.below(2)
        ));
    }
    let value = pool.pick(random, name)?.to_owned();
    let list = |random: &mut Random| {
        let mut values = vec![quoted(&value)?];
        for _ in 0..random.below(4) {
            values.extend(quoted(pool.pick(random, name)?));
        }
        Some(format!("({})", values.join(", ")))
    };
    match &*field.ty {
        "CHARBUF" | "FSPATH" => {
            let op = random.of(&[
                "=",
                "=",
                "!=",
                "in",
                "in",
                "contains",
                "icontains",
                "startswith",
                "endswith",
                "glob",
                "pmatch",
            ]);
            // 0.29.3 checks the value to be a type's name whatever the operator, and refuses patterns.
            let op = match (&**name, op) {
                ("evt.type" | "syscall.type", "=" | "!=" | "in") => op,
                ("evt.type" | "syscall.type", _) => "in",
                ("evt.rawarg.name", "pmatch" | "in") => "=",
                _ => op,
            };
            let part = |random: &mut Random, value: &str| {
                let from = random.below(value.len() + 1);
                let to = from + random.below(value.len() - from + 1);
                value.get(from..to).map(str::to_owned)
            };
            let right = match op {
                "in" | "pmatch" => list(random)?,
                "contains" => quoted(&part(random, &value)?)?,
                "icontains" => quoted(&part(random, &value)?.to_ascii_uppercase())?,
                "startswith" => quoted(value.get(..random.below(value.len() + 1))?)?,
                "endswith" => quoted(value.get(random.below(value.len() + 1)..)?)?,
                "glob" => {
                    let part = part(random, &value)?;
                    let pattern = match random.below(3) {
                        0 => format!("*{part}*"),
                        1 => value.replacen(&part, "*", 1),
                        _ => value
                            .chars()
                            .map(|c| if random.below(4) == 0 { '?' } else { c })
                            .collect(),
                    };
                    if pattern.contains(['"', '[', '\\']) {
                        return None;
                    }
                    format!("\"{pattern}\"")
                }
                _ => quoted(&value)?,
            };
            // Newer libraries have patterns in paths.
            let is_pattern = op == "pmatch" && right.contains(['[', '*', '?']);
            (!is_pattern).then(|| format!("{name} {op} {right}"))
        }
        "BOOL" => Some(format!(
            "{name} {} {}",
            random.of(&["=", "!="]),
            random.of(&["true", "false"])
        )),
        "IPADDR" | "IPNET" => match random.below(3) {
            0 => Some(format!("{name} in {}", list(random)?)),
            _ => Some(format!("{name} {} {value}", random.of(&["=", "!="]))),
        },
        "BYTEBUF" => None,
        _ => {
            // Numbers print in their own format; those that do not read back are left out.
            value.parse::<i64>().ok()?;
            match random.below(4) {
                // Lists of raw arguments make 0.29.3 crash.
                0 if !name.starts_with("evt.rawarg") => {
                    Some(format!("{name} in {}", list(random)?))
                }
                _ => Some(format!(
                    "{name} {} {value}",
                    random.of(&["=", "!=", "<", "<=", ">", ">="])
                )),
            }
        }
    }
}
