//! Decides whether the word after a chisel's name is its arguments.
//!
//! As in sysdig this depends on the arguments that the chisel declares, which clap cannot know. So
//! the command line is rewritten before clap parses it, with the arguments of each `-c` behind an
//! option of their own.

use std::ffi::{OsStr, OsString};
use std::path::Path;

use super::ChiselArgs;
use super::run::watch;
use crate::chisel::{ScriptRegistry, declared_arguments, takes};
use crate::filter::Filter;

/// The hidden option that carries the arguments of a chisel.
pub(super) const ARGUMENTS: &str = "arguments-of-chisel";

/// Puts the arguments of each chisel behind [`ARGUMENTS`]. Command lines other than those of `read`
/// and `live` are returned unchanged. Scripts run under these limits.
pub(in crate::cli) fn expand(words: Vec<OsString>, limits: &ChiselArgs) -> Vec<OsString> {
    watch(limits.chisel_timeout);
    let command = words.get(1).and_then(|word| word.to_str());
    if !matches!(command, Some("read" | "live")) {
        return words;
    }
    let is_read = command == Some("read");
    let registry = ScriptRegistry::from_environment();
    let named_by_option = words.iter().any(|w| names_capture(w));
    let mut has_capture = !is_read || named_by_option;
    let mut out: Vec<OsString> = words[..2].to_vec();
    let mut rest = words[2..].iter();
    while let Some(word) = rest.next() {
        out.push(word.clone());
        if word == "--" {
            out.extend(rest.by_ref().cloned());
            break;
        }
        let text = word.to_str().unwrap_or_default();
        let name = match text {
            "-c" | "--chisel" => rest.next().inspect(|name| out.push((*name).clone())),
            _ => None,
        };
        let name = match name {
            Some(name) => name.to_str().map(str::to_owned),
            None => attached(text),
        };
        let Some(name) = name else {
            has_capture |= is_read && (word == "-" || Path::new(word).is_file());
            continue;
        };
        let mut arguments = OsString::new();
        let declared = registry.find(&name).map(|script| {
            let registry = ScriptRegistry::from_environment();
            declared_arguments(registry, limits.policy(), script)
        });
        let declared = declared.unwrap_or_default();
        if let Some(next) = rest.clone().next() {
            let following: Vec<&OsString> = rest.clone().collect();
            let is_capture = !has_capture && (next == "-" || Path::new(next).is_file());
            let is_filter = || is_filter(&following, !has_capture);
            if !is_capture && takes(&declared, &next.to_string_lossy(), is_filter) {
                arguments.clone_from(next);
                rest.next();
            }
        }
        let mut option = OsString::from(format!("--{ARGUMENTS}="));
        option.push(arguments);
        out.push(option);
    }
    out
}

/// Returns true if a word is the option that names the capture.
fn names_capture(word: &OsStr) -> bool {
    let text = word.to_str().unwrap_or_default();
    text == "--read" || text.starts_with("--read=") || (text.starts_with("-r") && text.len() >= 2)
}

/// Returns the name in `-cNAME` and `--chisel=NAME`.
fn attached(word: &str) -> Option<String> {
    let name = word.strip_prefix("--chisel=");
    let short = || word.strip_prefix("-c").filter(|name| !name.is_empty());
    Some(name.or_else(short)?.to_owned())
}

/// Returns true if the words up to the next option are a filter. Captures can follow it if none was
/// named before.
fn is_filter(words: &[&OsString], captures_follow: bool) -> bool {
    let option = words
        .iter()
        .position(|w| w.as_encoded_bytes().starts_with(b"-"));
    let mut words = &words[..option.unwrap_or(words.len())];
    let is_filter = |words: &[&OsString]| {
        let words: Vec<_> = words.iter().map(|word| word.to_string_lossy()).collect();
        Filter::parse(&words.join(" ")).is_ok()
    };
    loop {
        match words {
            _ if is_filter(words) => return true,
            [filter @ .., last] if captures_follow && Path::new(last).is_file() => words = filter,
            _ => return false,
        }
    }
}
