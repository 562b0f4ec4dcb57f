//! Secrets that can be recognised by their form, or by what is before them.

use std::borrow::Cow;
use std::sync::LazyLock;

use regex::bytes::{Captures, Regex};

/// What is in the place of a secret.
pub(super) const REDACTED: &[u8] = b"<redacted>";

/// A kind of secrets: what matches is replaced, but for the groups `before` and `after`.
struct Pattern {
    name: &'static str,
    regex: Regex,
}

/// Names of variables, options and members that hold secrets.
const SECRET_NAME: &str = r"(?:pass(?:word|wd|phrase|code)?|pwd|secret|token|api[-_]?key|access[-_]?key|private[-_]?key|auth[-_]?key|encryption[-_]?key|credentials?)";

static PATTERNS: LazyLock<Vec<Pattern>> = LazyLock::new(|| {
    let name = SECRET_NAME;
    let named = format!(
        r#"(?i-u)(?P<before>[a-z0-9_.-]*{name}[a-z0-9_.-]*["']?\s*[:=]\s*["']?)(?P<secret>[^\s"'\x00&,;}}]+)"#
    );
    let option = format!(
        r#"(?i-u)(?P<before>(?:^|[\s\x00])--?{name}[\s\x00]+["']?)(?P<secret>[^\s"'\x00]+)"#
    );
    let list: [(&'static str, &str); 13] = [
        (
            "private key",
            r"(?s-u)-----BEGIN [A-Z0-9 ]*PRIVATE KEY.*?(?:-----END [A-Z0-9 ]*PRIVATE KEY[A-Z ]*-----|\z)",
        ),
        (
            "AWS key",
            r"(?-u)\b(?:AKIA|ASIA|AGPA|AIDA|AROA|ANPA|AIPA)[0-9A-Z]{16}\b",
        ),
        (
            "GCP key",
            r"(?-u)\bAIza[0-9A-Za-z_-]{35,}|\bya29\.[0-9A-Za-z_.-]{10,}",
        ),
        (
            "GitHub token",
            r"(?-u)\bgh[pousr]_[0-9A-Za-z]{20,}|\bgithub_pat_[0-9A-Za-z_]{20,}|\bglpat-[0-9A-Za-z_-]{20,}",
        ),
        (
            "Slack token",
            r"(?-u)\bxox[abeoprs]-[0-9A-Za-z-]{10,}|\bxapp-[0-9A-Za-z-]{10,}|hooks\.slack\.com/services/[0-9A-Za-z/]+",
        ),
        (
            "JWT",
            r"(?-u)\beyJ[0-9A-Za-z_-]{5,}\.[0-9A-Za-z_-]{5,}\.[0-9A-Za-z_-]*",
        ),
        (
            "password in a URL",
            r#"(?-u)(?P<before>[A-Za-z][A-Za-z0-9+.-]*://[^/\s:@"'\x00]*:)(?P<secret>[^/\s"'\x00]+)(?P<after>@)"#,
        ),
        (
            "authorization",
            r#"(?i-u)(?P<before>(?:proxy-)?authorization["']?\s*[:=]\s*["']?)(?P<secret>[^\r\n\x00"']+)"#,
        ),
        (
            "authorization",
            r"(?i-u)(?P<before>\b(?:bearer|basic)\s+)(?P<secret>[0-9a-z+/=._~-]{8,})",
        ),
        (
            "cookie",
            r#"(?i-u)(?P<before>\b(?:set-)?cookie["']?\s*:\s*)(?P<secret>[^\r\n\x00"']+)"#,
        ),
        ("named secret", &named),
        ("secret argument", &option),
        (
            "secret argument",
            r"(?-u)(?P<before>\bsshpass[\s\x00]+-p[\s\x00]*)(?P<secret>[^\s\x00]+)",
        ),
    ];
    let pattern = |(name, text): &(&'static str, &str)| {
        let regex = Regex::new(text).ok()?;
        Some(Pattern { name, regex })
    };
    list.iter().filter_map(pattern).collect()
});

static NAMES: LazyLock<Option<Regex>> =
    LazyLock::new(|| Regex::new(&format!(r"(?i-u){SECRET_NAME}")).ok());

/// Whether the name of a variable or member is that of a secret.
pub(super) fn is_name(name: &[u8]) -> bool {
    NAMES.as_ref().is_some_and(|names| names.is_match(name))
}

/// Replaces the secrets in a text, and calls `found` with the kind of each.
pub(super) fn replace<'t>(text: &'t [u8], mut found: impl FnMut(&'static str)) -> Cow<'t, [u8]> {
    let mut text = Cow::Borrowed(text);
    for Pattern { name, regex } in PATTERNS.iter() {
        let replaced = regex.replace_all(&text, |captures: &Captures<'_>| {
            let group = |name| {
                captures
                    .name(name)
                    .map_or(&b""[..], |group| group.as_bytes())
            };
            if group("secret") == REDACTED
                || captures
                    .get(0)
                    .is_some_and(|all| all.as_bytes() == REDACTED)
            {
                return captures[0].to_vec();
            }
            found(name);
            [group("before"), REDACTED, group("after")].concat()
        });
        if let Cow::Owned(new) = replaced {
            text = Cow::Owned(new);
        }
    }
    text
}

/// Replaces secrets in the arguments of a program that only the program makes secrets: `-pX` of `mysql`, `-u user:X` of `curl`.
pub(super) fn arguments(exe: &[u8], args: &[u8], mut found: impl FnMut(&'static str)) -> Vec<u8> {
    let base = exe.rsplit(|byte| *byte == b'/').next().unwrap_or_default();
    let is_of = |names: &[&str]| names.iter().any(|name| base.starts_with(name.as_bytes()));
    let has_password = is_of(&[
        "mysql",
        "mariadb",
        "mysqldump",
        "sshpass",
        "smbclient",
        "xtrabackup",
    ]);
    let has_user = is_of(&["curl", "wget", "smbclient", "mongo", "http"]);
    let mut out = Vec::with_capacity(args.len());
    let mut before: &[u8] = b"";
    for (number, arg) in args.split(|byte| *byte == 0).enumerate() {
        if number > 0 {
            out.push(0);
        }
        let user = (has_user && matches!(before, b"-u" | b"--user" | b"-U" | b"--proxy-user"))
            .then(|| arg.iter().position(|byte| *byte == b':'))
            .flatten();
        if has_password && arg.len() > 2 && arg.starts_with(b"-p") {
            out.extend_from_slice(b"-p");
            out.extend_from_slice(REDACTED);
            found("secret argument");
        } else if let Some(at) = user {
            out.extend_from_slice(&arg[..=at]);
            out.extend_from_slice(REDACTED);
            found("secret argument");
        } else {
            out.extend_from_slice(arg);
        }
        before = arg;
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_pattern_compiles() {
        assert_eq!(PATTERNS.len(), 13);
    }

    #[test]
    fn secrets_are_found_and_what_names_them_stays() {
        let pairs: [(&str, &str); 22] = [
            ("AKIAIOSFODNN7EXAMPLE", "<redacted>"),
            (
                "AWS_SECRET_ACCESS_KEY=wJalrXUtnFEMI/K7MDENG",
                "AWS_SECRET_ACCESS_KEY=<redacted>",
            ),
            (
                "x AIzaSyA1234567890abcdefghijklmnopqrstuvw y",
                "x <redacted> y",
            ),
            ("ghp_abcdefghijklmnopqrstuvwxyz0123456789", "<redacted>"),
            ("github_pat_11ABCDEFG0abcdefghijkl_xyz", "<redacted>"),
            ("xoxb-123456789012-abcdef", "<redacted>"),
            (
                "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0In0.c2ln",
                "<redacted>",
            ),
            (
                "postgres://app:hunter2@db/x",
                "postgres://app:<redacted>@db/x",
            ),
            ("https://u:p%40:ss@host", "https://u:<redacted>@host"),
            (
                "Authorization: Bearer abc.def\r\nHost: x",
                "Authorization: <redacted>\r\nHost: x",
            ),
            (
                "GET / Proxy-Authorization: Basic dTpw",
                "GET / Proxy-Authorization: <redacted>",
            ),
            (
                "MY_TOKEN=abc\0PATH=/bin\0",
                "MY_TOKEN=<redacted>\0PATH=/bin\0",
            ),
            ("DB_PASSWORD_FILE=x", "DB_PASSWORD_FILE=<redacted>"),
            ("PGPASSWORD=x y", "PGPASSWORD=<redacted> y"),
            ("--password\0hunter2\0-v\0", "--password\0<redacted>\0-v\0"),
            ("tool --token hunter2 -v", "tool --token <redacted> -v"),
            ("--api-key=hunter2\0", "--api-key=<redacted>\0"),
            (
                r#"{"password": "hunter2", "a": 1}"#,
                r#"{"password": "<redacted>", "a": 1}"#,
            ),
            (
                "sshpass\0-p\0hunter2\0ssh\0",
                "sshpass\0-p\0<redacted>\0ssh\0",
            ),
            (
                "a -----BEGIN RSA PRIVATE KEY-----\nMII\n-----END RSA PRIVATE KEY----- b",
                "a <redacted> b",
            ),
            ("-----BEGIN OPENSSH PRIVATE KEY-----\ncut", "<redacted>"),
            (
                "nothing here: /usr/bin/python3 -m http.server 80",
                "nothing here: /usr/bin/python3 -m http.server 80",
            ),
        ];
        for (text, expected) in pairs {
            let replaced = replace(text.as_bytes(), |_| {});
            assert_eq!(String::from_utf8_lossy(&replaced), expected);
            // What is redacted stays as it is.
            let mut again = 0;
            assert_eq!(replace(&replaced, |_| again += 1), replaced);
            assert_eq!(again, 0, "{text}");
        }
    }

    #[test]
    fn arguments_are_understood_as_their_program_does() {
        let args = |exe: &str, args: &str| {
            let out = arguments(exe.as_bytes(), args.as_bytes(), |_| {});
            String::from_utf8(out).unwrap()
        };
        assert_eq!(
            args("/usr/bin/mysql", "-uroot\0-phunter2\0db\0"),
            "-uroot\0-p<redacted>\0db\0"
        );
        assert_eq!(args("mysqldump", "-p\0"), "-p\0");
        assert_eq!(args("find", "-print\0"), "-print\0");
        assert_eq!(
            args("curl", "-u\0me:hunter2\0x\0"),
            "-u\0me:<redacted>\0x\0"
        );
        assert_eq!(args("id", "-u\0me:x\0"), "-u\0me:x\0");
    }
}
