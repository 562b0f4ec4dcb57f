//! The dependency directions of the architecture hold.
//!
//! `capture-format` and `probe/common` depend on nothing of ours, `engine` on `capture-format` alone. In
//! `scap` and `engine` a module may name only the modules listed for it in [`MAY_USE`]; `cli` is named by
//! `main` alone, and by what the fuzzer calls. The check reads the sources, so it also sees code behind `cfg`.

#![expect(clippy::unwrap_used, reason = "helpers of tests")]

mod field_names;

use std::fs;
use std::path::{Path, PathBuf};

/// Where the modules are.
const SOURCES: &[&str] = &["engine/src", "src"];

/// What each top-level module of `engine` and `scap` may name.
const MAY_USE: &[(&str, &[&str])] = &[
    ("event", &["capture-format"]),
    ("audit", &["capture-format", "event"]),
    ("state", &["capture-format", "event"]),
    ("fields", &["capture-format", "event", "audit", "state"]),
    ("filter", &["capture-format", "event", "state", "fields"]),
    (
        "format",
        &[
            "capture-format",
            "event",
            "audit",
            "state",
            "fields",
            "filter",
        ],
    ),
    ("lanes", &["capture-format", "event", "state"]),
    (
        "replay",
        &[
            "capture-format",
            "event",
            "audit",
            "state",
            "fields",
            "filter",
        ],
    ),
    (
        "stats",
        &[
            "capture-format",
            "event",
            "audit",
            "state",
            "fields",
            "filter",
            "lanes",
            "replay",
        ],
    ),
    ("files", &[]),
    (
        "chisel",
        &[
            "files",
            "capture-format",
            "event",
            "state",
            "fields",
            "filter",
            "format",
            "replay",
            "stats",
        ],
    ),
    (
        "rules",
        &["capture-format", "event", "fields", "filter", "format"],
    ),
    ("seal", &["files", "capture-format", "event"]),
    (
        "inspect",
        &[
            "capture-format",
            "event",
            "audit",
            "state",
            "fields",
            "filter",
            "format",
            "lanes",
            "replay",
            "stats",
            "chisel",
            "rules",
        ],
    ),
    (
        "export",
        &[
            "capture-format",
            "event",
            "state",
            "fields",
            "filter",
            "format",
            "lanes",
            "replay",
        ],
    ),
    (
        "tables",
        &["capture-format", "event", "state", "fields", "format"],
    ),
    ("sql", &["event", "fields", "filter", "replay", "tables"]),
    (
        "record",
        &[
            "files",
            "capture-format",
            "probe-common",
            "event",
            "audit",
            "state",
            "fields",
            "filter",
            "format",
            "lanes",
            "replay",
            "rules",
            "seal",
        ],
    ),
    (
        "tui",
        &[
            "files",
            "capture-format",
            "event",
            "state",
            "fields",
            "filter",
            "format",
            "lanes",
            "replay",
            "stats",
            "chisel",
            "rules",
            "inspect",
            "export",
        ],
    ),
    (
        "cli",
        &[
            "capture-format",
            "probe-common",
            "event",
            "audit",
            "state",
            "fields",
            "filter",
            "format",
            "lanes",
            "replay",
            "stats",
            "chisel",
            "inspect",
            "export",
            "files",
            "record",
            "rules",
            "seal",
            "sql",
            "tables",
            "tui",
        ],
    ),
    ("fuzzing", &["record", "tui", "cli"]),
    ("main", &["cli", "memory"]),
    ("memory", &[]),
    // The roots only declare their modules; that of `scap` shows those of `engine` as its own.
    ("lib", ENGINE),
];

/// The modules of `engine`.
const ENGINE: &[&str] = &[
    "audit", "event", "fields", "filter", "format", "lanes", "replay", "state", "stats",
];

/// A source text of one crate, with where its module sits.
struct Module<'a> {
    /// Path of the file's module below the crate root: `["event", "render"]`; empty for the root.
    path: &'a [String],
    text: &'a str,
}

/// Everything of ours that a source names: top-level modules and crates.
fn named(module: &Module<'_>) -> Vec<String> {
    let tokens = tokens(module.text);
    let mut found = Vec::new();
    // Inline modules open around the current token: the brace depth at which each was opened.
    let mut inline: Vec<usize> = Vec::new();
    let mut depth = 0_usize;
    let mut at = 0;
    while let Some(token) = tokens.get(at) {
        match token.as_str() {
            "{" => {
                depth += 1;
                if at >= 2 && tokens[at - 2] == "mod" {
                    inline.push(depth);
                }
            }
            "}" => {
                if inline.last() == Some(&depth) {
                    inline.pop();
                }
                depth = depth.saturating_sub(1);
            }
            "crate" | "scap" | "scap_engine" if is_path(&tokens, at) => {
                children(&tokens, at + 2, &mut found);
            }
            "super" if is_path(&tokens, at) => {
                let mut supers = 1;
                let mut end = at + 2;
                while tokens.get(end).is_some_and(|t| t == "super") && is_path(&tokens, end) {
                    supers += 1;
                    end += 2;
                }
                if supers >= module.path.len() + inline.len() {
                    children(&tokens, end, &mut found);
                }
                at = end;
                continue;
            }
            "scap_capture_format" => found.push("capture-format".to_owned()),
            "scap_probe_common" => found.push("probe-common".to_owned()),
            _ => {}
        }
        at += 1;
    }
    found.sort();
    found.dedup();
    found
}

fn is_path(tokens: &[String], at: usize) -> bool {
    tokens.get(at + 1).is_some_and(|t| t == "::")
}

/// The first path segments after `crate::`, which may be one name or a braced list.
fn children(tokens: &[String], at: usize, found: &mut Vec<String>) {
    match tokens.get(at).map(String::as_str) {
        Some("{") => {
            let mut depth = 0_usize;
            let mut first = false;
            for token in &tokens[at..] {
                match token.as_str() {
                    "{" => {
                        depth += 1;
                        first = depth == 1;
                    }
                    "}" => {
                        depth -= 1;
                        if depth == 0 {
                            return;
                        }
                    }
                    "," => first = depth == 1,
                    name => {
                        if first {
                            found.push(name.to_owned());
                        }
                        first = false;
                    }
                }
            }
        }
        Some(name) => found.push(name.to_owned()),
        None => {}
    }
}

/// Splits a source into names, `::`, and single characters, without comments and literals.
fn tokens(text: &str) -> Vec<String> {
    let bytes = text.as_bytes();
    let mut out = Vec::new();
    let mut at = 0;
    while at < bytes.len() {
        let rest = &text.as_bytes()[at..];
        if rest.starts_with(b"//") {
            at += rest.iter().position(|b| *b == b'\n').unwrap_or(rest.len());
        } else if rest.starts_with(b"/*") {
            at += 2 + find(&rest[2..], b"*/").map_or(rest.len(), |n| n + 2);
        } else if rest.starts_with(b"r#\"") {
            at += 3 + find(&rest[3..], b"\"#").map_or(rest.len(), |n| n + 2);
        } else if rest[0] == b'"' {
            at += 1;
            while at < bytes.len() && bytes[at] != b'"' {
                at += if bytes[at] == b'\\' { 2 } else { 1 };
            }
            at += 1;
        } else if rest[0] == b'\'' && rest.get(2) == Some(&b'\'') {
            at += 3;
        } else if rest[0] == b'\'' && rest.get(1) == Some(&b'\\') {
            // An escaped character: '\n', '\'', '\u{1b}'.
            at += 3 + rest[3..]
                .iter()
                .position(|b| *b == b'\'')
                .map_or(rest.len(), |n| n + 1);
        } else if rest.starts_with(b"::") {
            out.push("::".to_owned());
            at += 2;
        } else if rest[0].is_ascii_alphanumeric() || rest[0] == b'_' {
            let end = rest
                .iter()
                .position(|b| !b.is_ascii_alphanumeric() && *b != b'_')
                .unwrap_or(rest.len());
            out.push(text[at..at + end].to_owned());
            at += end;
        } else {
            if rest[0].is_ascii() && !rest[0].is_ascii_whitespace() {
                out.push(char::from(rest[0]).to_string());
            }
            at += 1;
        }
    }
    out
}

fn find(haystack: &[u8], needle: &[u8]) -> Option<usize> {
    haystack.windows(needle.len()).position(|w| w == needle)
}

/// What a file of `scap` names against the rules; empty if all is well.
fn violations(top: &str, module: &Module<'_>) -> Vec<String> {
    let Some((_, allowed)) = MAY_USE.iter().find(|(name, _)| *name == top) else {
        return vec![format!(
            "module `{top}` has no entry in tests/layers/main.rs"
        )];
    };
    named(module)
        .into_iter()
        .filter(|name| name != top && !allowed.contains(&name.as_str()))
        // Names that are no module of ours (a crate-root macro, `self`, `*`) are not layers; but a
        // wildcard import of the root would hide everything.
        .filter(|name| name == "*" || is_layer(name))
        .map(|name| format!("`{top}` names `{name}`"))
        .collect()
}

fn is_layer(name: &str) -> bool {
    name == "capture-format" || name == "probe-common" || MAY_USE.iter().any(|(n, _)| *n == name)
}

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

fn rust_files(dir: &Path, out: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            rust_files(&path, out);
        } else if path.extension().is_some_and(|e| e == "rs") {
            out.push(path);
        }
    }
}

/// Every source of `engine` and `scap`, with the directory of its crate's sources.
fn sources() -> Vec<(PathBuf, PathBuf)> {
    let mut out = Vec::new();
    for src in SOURCES {
        let src = root().join(src);
        let mut files = Vec::new();
        rust_files(&src, &mut files);
        assert!(files.len() > 1, "no sources in {}", src.display());
        out.extend(files.into_iter().map(|file| (src.clone(), file)));
    }
    out
}

/// The module path of a file below `src`.
fn module_path(src: &Path, file: &Path) -> Vec<String> {
    let mut path: Vec<String> = file
        .strip_prefix(src)
        .unwrap()
        .with_extension("")
        .components()
        .map(|c| c.as_os_str().to_str().unwrap().to_owned())
        .collect();
    if path.last().is_some_and(|l| l == "mod") || path == ["lib"] || path == ["main"] {
        path.pop();
    }
    path
}

#[test]
fn modules_of_scap_name_only_what_is_below_them() {
    let mut bad = Vec::new();
    for (src, file) in sources() {
        let path = module_path(&src, &file);
        let top = match path.first() {
            Some(first) => first.clone(),
            None => file.file_stem().unwrap().to_str().unwrap().to_owned(),
        };
        let text = fs::read_to_string(&file).unwrap();
        for v in violations(
            &top,
            &Module {
                path: &path,
                text: &text,
            },
        ) {
            bad.push(format!(
                "{}: {v}",
                file.strip_prefix(root()).unwrap().display()
            ));
        }
    }
    assert!(bad.is_empty(), "layers broken:\n{}", bad.join("\n"));
}

/// What makes files or changes directories. `files` does it for all.
const MAKES_FILES: &[&[&str]] = &[
    &["File", "::", "create"],
    &["File", "::", "create_new"],
    &["File", "::", "options"],
    &["OpenOptions"],
    &["DirBuilder"],
    &["fs", "::", "write"],
    &["fs", "::", "copy"],
    &["fs", "::", "rename"],
    &["fs", "::", "hard_link"],
    &["fs", "::", "create_dir"],
    &["fs", "::", "create_dir_all"],
    &["fs", "::", "set_permissions"],
    &["symlink"],
    &["OFlags", "::", "CREATE"],
    &["OFlags", "::", "WRONLY"],
    &["OFlags", "::", "RDWR"],
    &["libc", "::", "O_CREAT"],
    &["tempfile"],
    &["NamedTempFile"],
];

/// What a source that is not a test makes files with.
fn makes_files(text: &str) -> Vec<String> {
    let text = text.split("#[cfg(test)]\nmod ").next().unwrap();
    let tokens = tokens(text);
    let is_there = |pattern: &&&[&str]| tokens.windows(pattern.len()).any(|part| part == **pattern);
    let found = MAKES_FILES.iter().filter(is_there);
    found.map(|pattern| pattern.concat()).collect()
}

#[test]
fn files_are_made_in_one_place() {
    let mut bad = Vec::new();
    for (src, file) in sources() {
        let path = file.strip_prefix(root()).unwrap();
        let parts: Vec<_> = path.iter().map(|part| part.to_str().unwrap()).collect();
        // What is only for the fuzzer is not in the program.
        let is_test = parts
            .iter()
            .any(|part| part.starts_with("tests") || *part == "fuzzing.rs");
        let is_home = src.ends_with("src") && path.starts_with("src/files");
        if is_test || is_home {
            continue;
        }
        for found in makes_files(&fs::read_to_string(&file).unwrap()) {
            bad.push(format!("{}: {found}", path.display()));
        }
    }
    assert!(bad.is_empty(), "use crate::files:\n{}", bad.join("\n"));
}

/// Where standard error is written to; what is written there is escaped.
const STDERR: &[&str] = &["src/cli/stderr.rs", "src/chisel/run.rs", "src/tui/tty.rs"];

#[test]
fn standard_error_is_written_to_in_one_place_of_each_room() {
    for (_, file) in sources() {
        let path = file.strip_prefix(root()).unwrap();
        let text = fs::read_to_string(&file).unwrap();
        let text = text.split("#[cfg(test)]\nmod ").next().unwrap();
        let tokens = tokens(text);
        let mut calls = tokens.windows(2);
        let writes = calls.any(|pair| pair == ["stderr", "("])
            || tokens.iter().any(|t| t == "eprintln" || t == "eprint");
        let may = STDERR.iter().any(|home| path == Path::new(home));
        assert!(may || !writes, "{}: use cli::stderr", path.display());
    }
}

#[test]
fn the_checker_sees_every_way_to_make_a_file() {
    for text in [
        "let f = File::create(path)?;",
        "std::fs::File::create_new(path)",
        "fs::write(&path, b\"\")",
        "use std::fs::OpenOptions;",
        "std::fs::create_dir_all(dir)",
        "let dir = tempfile::tempdir()?;",
        "openat(dir, name, OFlags::CREATE | OFlags::EXCL, mode)",
        "unsafe { libc::open(path, libc::O_CREAT) }",
        "std::os::unix::fs::symlink(a, b)",
    ] {
        assert_eq!(makes_files(text).len(), 1, "{text}");
    }
    assert!(makes_files("File::open(path)").is_empty());
    assert!(makes_files("#[cfg(test)]\nmod tests { fn f() { fs::write(a, b) } }").is_empty());
}

#[test]
fn the_engine_depends_on_the_format_alone() {
    let manifest = fs::read_to_string(root().join("engine/Cargo.toml")).unwrap();
    let ours = ours_in_manifest(&manifest);
    assert_eq!(ours.len(), 1, "{ours:?}");
    assert!(ours[0].starts_with("scap-capture-format ="), "{ours:?}");
    for (src, _) in sources()
        .iter()
        .filter(|(src, _)| src.ends_with("engine/src"))
    {
        for module in fs::read_dir(src).unwrap() {
            let path = module.unwrap().path();
            let name = path.file_stem().unwrap().to_str().unwrap();
            assert!(name == "lib" || ENGINE.contains(&name), "{name}");
        }
    }
}

#[test]
fn the_two_bottom_crates_depend_on_nothing_of_ours() {
    for dir in ["capture-format", "probe/common"] {
        let dir = root().join(dir);
        let manifest = fs::read_to_string(dir.join("Cargo.toml")).unwrap();
        assert_eq!(
            ours_in_manifest(&manifest),
            Vec::<String>::new(),
            "{}",
            dir.display()
        );
        let mut files = Vec::new();
        rust_files(&dir.join("src"), &mut files);
        for file in files {
            let text = fs::read_to_string(&file).unwrap();
            let own = if dir.ends_with("capture-format") {
                "scap_capture_format"
            } else {
                "scap_probe_common"
            };
            let others: Vec<String> = tokens(&text)
                .into_iter()
                .filter(|t| {
                    t != own
                        && matches!(
                            t.as_str(),
                            "scap_capture_format"
                                | "scap_engine"
                                | "scap_probe_common"
                                | "scap_probe_ebpf"
                        )
                })
                .collect();
            assert!(others.is_empty(), "{}: names {others:?}", file.display());
        }
    }
}

/// Dependencies on our own crates in a manifest.
fn ours_in_manifest(manifest: &str) -> Vec<String> {
    let mut in_dependencies = false;
    let mut found = Vec::new();
    for line in manifest.lines().map(str::trim) {
        if let Some(section) = line.strip_prefix('[') {
            in_dependencies = section.contains("dependencies");
            if in_dependencies && section.contains("dependencies.scap") {
                found.push(section.to_owned());
            }
        } else if in_dependencies && (line.starts_with("scap") || line.contains("path =")) {
            found.push(line.to_owned());
        }
    }
    found
}

#[test]
fn the_checker_sees_every_way_to_name_a_module() {
    let module = |path: &[&str], text: &str| {
        let path: Vec<String> = path.iter().map(|p| (*p).to_owned()).collect();
        violations(&path[0].clone(), &Module { path: &path, text })
    };
    let bad = |path: &[&str], text: &str| assert!(!module(path, text).is_empty(), "missed: {text}");
    let good = |path: &[&str], text: &str| assert_eq!(module(path, text), Vec::<String>::new());

    bad(&["event"], "use crate::state::State;");
    bad(&["event", "render"], "fn f() { crate::filter::run() }");
    bad(
        &["event"],
        "use crate::{event::Value, replay::{self, Sink}};",
    );
    bad(&["event"], "use super::cli;");
    bad(&["event", "render"], "use super::super::state::Thread;");
    bad(
        &["event", "render"],
        "mod tests { use super::super::super::state::Thread; }",
    );
    bad(&["state"], "use scap::filter::Filter;");
    bad(&["lib"], "pub use scap_engine::{event, cli};");
    bad(&["event"], "use crate::*;");
    bad(&["replay"], "pub use crate::cli::Args;");
    bad(&["replay"], "use scap_probe_common::Header;");
    bad(&["record"], "use crate::inspect::page;");
    bad(&["replay"], "use crate::record::Options;");
    bad(&["nonsense"], "fn f() {}");

    good(
        &["event", "render"],
        "use super::value::Value; // crate::state is above us",
    );
    good(
        &["event"],
        "const S: &str = \"crate::state::x\"; const C: char = '\"'; // crate::cli",
    );
    good(
        &["event", "render"],
        "mod tests { use super::super::value::Value; }",
    );
    good(
        &["state"],
        "use crate::event::Event; use scap_capture_format::schema::EventType;",
    );
    good(
        &["record"],
        "use scap_probe_common::Header; use crate::{event::Event, state::State};",
    );
    good(&["cli"], "use crate::{event, state, replay, record};");
    good(&["main"], "fn main() { scap::cli::run() }");

    assert!(ours_in_manifest("[dependencies]\nscap = { path = \"..\" }\n").len() == 1);
    assert!(ours_in_manifest("[dependencies.scap-probe-common]\npath = \"x\"\n").len() == 2);
    assert!(
        ours_in_manifest("[package]\nname = \"scap-x\"\n[dependencies]\ncrc = \"1\"\n").is_empty()
    );
}

/// Every dependency is from crates.io, by its checksum: of what is there nothing can be exchanged.
#[test]
fn dependencies_are_pinned() {
    let lock = fs::read_to_string(root().join("Cargo.lock")).unwrap();
    let packages: Vec<&str> = lock.split("[[package]]").skip(1).collect();
    assert!(packages.len() > 100);
    for package in packages {
        let value = |key: &str| {
            let line = package.lines().find(|line| line.starts_with(key))?;
            line.split('"').nth(1)
        };
        let name = value("name = ").unwrap();
        match value("source = ") {
            Some(source) => {
                let from = "registry+https://github.com/rust-lang/crates.io-index";
                assert_eq!(source, from, "{name}");
                assert_eq!(value("checksum = ").map(str::len), Some(64), "{name}");
            }
            None => assert!(name.starts_with("scap"), "{name} is of nowhere"),
        }
    }
}
