//! Splits positional arguments into files and a filter.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use super::diagnostic;
use super::error::CliError;
use crate::filter::{Filter, When};
use crate::replay::Selection;

/// Which captures a command reads, and what of them.
#[derive(Debug, clap::Args)]
pub(super) struct CaptureArgs {
    /// Captures; several are merged by time; `-` is standard input. The words after the files are a filter in the
    /// language of sysdig and Falco, such as 'proc.name=sshd and evt.type=execve'
    #[arg(value_name = "FILE… [FILTER")]
    words: Vec<OsString>,

    /// Read this capture; all other words are the filter
    #[arg(short = 'r', long = "read", value_name = "FILE")]
    read: Vec<PathBuf>,

    /// Start at a time (`2026-11-24 03:12:01.5`, `03:12:01`), an offset from the first event
    /// (`+12.5s`) or an event number (`#123`)
    #[arg(long, value_name = "WHEN")]
    pub(super) from: Option<String>,

    /// End at this time, offset or event number
    #[arg(long, value_name = "WHEN")]
    pub(super) to: Option<String>,
}

impl CaptureArgs {
    /// Returns the files, as [`split`] does, the text of the filter, and both filter and time range.
    pub(super) fn parse(
        &self,
        needs_file: bool,
    ) -> Result<(Vec<PathBuf>, Option<String>, Selection), CliError> {
        let (files, filter) = split(&self.read, &self.words, needs_file)?;
        let selection = selection(filter.as_deref(), self.from.as_deref(), self.to.as_deref())?;
        Ok((files, filter, selection))
    }
}

/// Splits the words into files and the text of a filter.
///
/// All words before the first that is not a file are files; with `-r` there are none. A filter can
/// also come before all files. Without `needs_file` there need not be any file.
pub(super) fn split(
    read: &[PathBuf],
    words: &[OsString],
    needs_file: bool,
) -> Result<(Vec<PathBuf>, Option<String>), CliError> {
    if !read.is_empty() {
        return Ok((read.to_vec(), filter_text(words)?));
    }
    let files = words.iter().take_while(|word| is_file(word)).count();
    if files > 0 {
        let (files, filter) = words.split_at(files);
        return Ok((paths(files), filter_text(filter)?));
    }
    let is_filter = |words: &[OsString]| {
        join(words).is_ok_and(|text| !text.trim().is_empty() && Filter::parse(&text).is_ok())
    };
    // A value in the filter can be the name of a file, too: what is before the files has to be a
    // filter, and everything after it a file.
    let starts = 1..words.len();
    let start = starts
        .into_iter()
        .find(|at| words[*at..].iter().all(is_file) && is_filter(&words[..*at]));
    if let Some((filter, files)) = start.map(|at| words.split_at(at)) {
        return Ok((paths(files), filter_text(filter)?));
    }
    match words {
        _ if !needs_file => Ok((Vec::new(), filter_text(words)?)),
        [first, ..] if is_filter(words) || is_filter(std::slice::from_ref(first)) => {
            let first = first.to_string_lossy();
            Err(
                CliError::usage(format!("`{first}` is a filter, not a capture"))
                    .hint("name the captures first, then the filter"),
            )
        }
        // If the first word does not exist, opening it reports that.
        [first, filter @ ..] => Ok((vec![first.into()], filter_text(filter)?)),
        [] => Err(CliError::usage("no capture is named")
            .hint("name one or more captures, then the filter; `-` is standard input")),
    }
}

fn is_file(word: &OsString) -> bool {
    word == "-" || Path::new(word).exists()
}

fn paths(words: &[OsString]) -> Vec<PathBuf> {
    words.iter().map(PathBuf::from).collect()
}

/// Joins the words of a filter, so that a filter need not be quoted as one argument.
pub(super) fn join(words: &[OsString]) -> Result<String, CliError> {
    let mut text = String::new();
    for word in words {
        let Some(word) = word.to_str() else {
            return Err(CliError::usage("the filter is not UTF-8"));
        };
        if !text.is_empty() {
            text.push(' ');
        }
        text.push_str(word);
    }
    Ok(text)
}

/// Joins the words of a filter beside files; `None` without a filter.
fn filter_text(words: &[OsString]) -> Result<Option<String>, CliError> {
    let text = join(words)?;
    // A single word that looks like a path was probably meant as a file.
    if let [word] = words
        && let Some(word) = word.to_str()
        && (word.contains('/') || word.ends_with(".scap"))
        && !word.contains([' ', '=', '(', '<', '>'])
    {
        return Err(match Path::new(word).exists() {
            true => CliError::usage(format!("{word} is a capture, and so is the file of -r"))
                .hint("repeat -r, or name all captures without it"),
            false => CliError::failed(format!("cannot read {word}: no such file")),
        });
    }
    Ok((!text.trim().is_empty()).then_some(text))
}

/// Parses a filter.
pub(super) fn filter(text: &str) -> Result<Filter, CliError> {
    Filter::parse(text).map_err(|error| diagnostic::filter("filter", text, &error))
}

/// Parses the options of a selection.
pub(super) fn selection(
    text: Option<&str>,
    from: Option<&str>,
    to: Option<&str>,
) -> Result<Selection, CliError> {
    let when = |option: &str, text: Option<&str>| {
        text.map(|text| When::parse(text).map_err(|e| diagnostic::filter(option, text, &e)))
            .transpose()
    };
    Ok(Selection {
        filter: text.map(filter).transpose()?,
        from: when("--from", from)?,
        to: when("--to", to)?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(words: &[&str]) -> Vec<OsString> {
        words.iter().map(OsString::from).collect()
    }

    #[test]
    fn files_come_first() {
        let here = file!();
        let parts = |w: &[&str]| split(&[], &words(w), true).unwrap();
        assert_eq!(parts(&["nowhere"]), (vec!["nowhere".into()], None));
        assert_eq!(
            parts(&["-", "proc.name=x", "and", "fd.num=3"]),
            (
                vec!["-".into()],
                Some("proc.name=x and fd.num=3".to_owned())
            )
        );
        assert_eq!(
            parts(&[here, "-", "evt.type=open"]).0,
            [PathBuf::from(here), PathBuf::from("-")]
        );
        assert_eq!(parts(&["-", " "]).1, None);
    }

    #[test]
    fn a_file_given_by_option_leaves_the_words_to_the_filter() {
        let (files, filter) = split(&["a".into()], &words(&["-", "x"]), true).unwrap();
        assert_eq!((files, filter), (vec!["a".into()], Some("- x".to_owned())));
    }

    #[test]
    fn a_filter_can_come_first() {
        let here = file!();
        let both = |w: &[&str]| split(&[], &words(w), true);
        let found = |filter: &str| (vec![PathBuf::from(here)], Some(filter.to_owned()));
        for filter in [
            "proc.name=x",
            "proc.name = x and not fd.num=3",
            "fd.name exists",
            "fd.name = /",
        ] {
            let mut line: Vec<&str> = filter.split(' ').collect();
            line.push(here);
            assert_eq!(both(&line).unwrap(), found(filter));
            assert_eq!(both(&[filter, here]).unwrap(), found(filter));
        }
        let (files, filter) = both(&["evt.type=open", here, "-"]).unwrap();
        assert_eq!((files.len(), filter.as_deref()), (2, Some("evt.type=open")));
        // Without a capture, with a filter at both ends, or before a file that does not exist.
        for line in [
            &["proc.name=x"][..],
            &["proc.name=x", "nowhere"],
            &["proc.name=x", here, "fd.num=3"],
        ] {
            let refused = both(line).unwrap_err().text();
            assert!(refused.contains("is a filter, not a capture"), "{refused}");
        }
    }

    #[test]
    fn a_filter_alone_is_enough_beside_other_sources() {
        let alone = |w: &[&str]| split(&[], &words(w), false);
        assert_eq!(alone(&[]).unwrap(), (vec![], None));
        let filter = Some("ka.verb = get".to_owned());
        assert_eq!(alone(&["ka.verb", "=", "get"]).unwrap(), (vec![], filter));
        let (files, filter) = alone(&[file!(), "fd.num=3"]).unwrap();
        assert_eq!((files.len(), filter.as_deref()), (1, Some("fd.num=3")));
        assert!(alone(&["/no/such/file"]).is_err());
    }

    #[test]
    fn a_missing_file_is_no_filter() {
        let missing = |word: &str| split(&[], &words(&["-", word]), true).is_err();
        assert!(missing("/no/such/file") && missing("b.scap"));
        assert!(!missing("fd.name=/no/such/file"));
    }
}
