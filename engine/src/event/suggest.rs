//! "Did you mean": known names that are similar to an unknown one.

/// Least similarity of a suggested name.
const ALIKE: f64 = 0.8;
/// Most suggested names.
const MAX_NAMES: usize = 3;
/// Longest name that is compared: longer ones are not typing errors, and the comparison is quadratic.
const MAX_LEN: usize = 100;

/// Returns the most similar candidates, best first, at most three.
pub fn similar<'a>(name: &str, candidates: impl IntoIterator<Item = &'a str>) -> Vec<&'a str> {
    if name.len() > MAX_LEN {
        return Vec::new();
    }
    let mut found: Vec<(f64, &str)> = candidates
        .into_iter()
        .map(|candidate| (strsim::jaro_winkler(candidate, name), candidate))
        .filter(|(alike, _)| *alike > ALIKE)
        .collect();
    found.sort_by(|a, b| b.0.total_cmp(&a.0).then_with(|| a.1.cmp(b.1)));
    found.dedup_by_key(|(_, name)| *name);
    found.truncate(MAX_NAMES);
    found.into_iter().map(|(_, name)| name).collect()
}

/// Returns "did you mean `a`, `b` or `c`?"; `None` for no names.
pub fn did_you_mean<S: AsRef<str>>(names: &[S]) -> Option<String> {
    let (last, others) = names.split_last()?;
    let last = last.as_ref();
    let others: Vec<String> = others.iter().map(|n| format!("`{}`", n.as_ref())).collect();
    Some(if others.is_empty() {
        format!("did you mean `{last}`?")
    } else {
        format!("did you mean {} or `{last}`?", others.join(", "))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_look_alike_are_proposed() {
        let names = ["proc.name", "proc.exe", "fd.name", "topfiles_bytes"];
        assert_eq!(similar("proc.nmae", names)[0], "proc.name");
        assert_eq!(similar("opfiles_bytes", names), ["topfiles_bytes"]);
        assert!(similar("qqq", names).is_empty());
        assert!(similar(&"proc.name".repeat(20), names).is_empty());
    }

    #[test]
    fn one_name_or_several() {
        assert_eq!(did_you_mean::<&str>(&[]), None);
        assert_eq!(did_you_mean(&["a"]).unwrap(), "did you mean `a`?");
        let text = did_you_mean(&["a", "b", "c"]).unwrap();
        assert_eq!(text, "did you mean `a`, `b` or `c`?");
    }
}
