//! Splits positional arguments into files and a filter.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use super::diagnostic;
use super::error::CliError;
use crate::filter::{Filter, When};
use crate::replay::Selection;

/// Splits the words into files and the text of a filter.
///
/// All words before the first that is not a file are files; with `-r` there are none.
pub(super) fn split(
    read: &[PathBuf],
    words: &[OsString],
) -> Result<(Vec<PathBuf>, Option<String>), CliError> {
    let is_file = |word: &OsString| word == "-" || Path::new(word).exists();
    let files = match (read.is_empty(), words) {
        (true, [first, rest @ ..]) => {
            // The first word is always a file; if it does not exist, opening it reports that.
            let more = rest.iter().take_while(|w| is_file(w)).count();
            std::iter::once(first)
                .chain(&rest[..more])
                .map(PathBuf::from)
                .collect()
        }
        _ => read.to_vec(),
    };
    let used = if read.is_empty() { files.len() } else { 0 };
    let filter = words.get(used..).filter(|rest| !rest.is_empty());
    let filter = filter
        .map(filter_text)
        .transpose()?
        .filter(|text| !text.trim().is_empty());
    Ok((files, filter))
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

/// Joins the words of a filter that follows files.
fn filter_text(words: &[OsString]) -> Result<String, CliError> {
    let text = join(words)?;
    // A single word that looks like a path was probably meant as a file.
    if let [word] = words
        && let Some(word) = word.to_str()
        && (word.contains('/') || word.ends_with(".scap"))
        && !word.contains([' ', '=', '(', '<', '>'])
    {
        return Err(CliError::failed(format!(
            "cannot read {word}: no such file"
        )));
    }
    Ok(text)
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
        let parts = |w: &[&str]| split(&[], &words(w)).unwrap();
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
        let (files, filter) = split(&["a".into()], &words(&["-", "x"])).unwrap();
        assert_eq!((files, filter), (vec!["a".into()], Some("- x".to_owned())));
    }

    #[test]
    fn a_missing_file_is_no_filter() {
        let missing = |word: &str| split(&[], &words(&["-", word])).is_err();
        assert!(missing("/no/such/file") && missing("b.scap"));
        assert!(!missing("fd.name=/no/such/file"));
    }
}
