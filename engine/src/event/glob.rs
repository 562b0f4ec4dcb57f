//! Shell patterns, on bytes.
//!
//! Patterns have the semantics of `fnmatch` without flags: `*` and `?` match `/` too, a leading dot is not
//! special, a backslash escapes the next byte. Matching backtracks over the last `*` only, so that
//! it takes at most the product of the two lengths.

/// A compiled shell pattern.
#[derive(Clone, Debug)]
pub struct Glob {
    tokens: Box<[Token]>,
    fold: bool,
}

#[derive(Clone, Debug)]
enum Token {
    Byte(u8),
    One,
    Many,
    Set(Box<[u64; 4]>),
    /// A trailing backslash, which matches nothing.
    Never,
}

impl Glob {
    /// Compiles a pattern. `fold`: ignores the case of ASCII letters.
    pub fn new(pattern: &[u8], fold: bool) -> Self {
        let mut tokens = Vec::new();
        let mut at = 0;
        while let Some(byte) = pattern.get(at) {
            at += 1;
            let token = match byte {
                b'*' => {
                    if matches!(tokens.last(), Some(Token::Many)) {
                        continue;
                    }
                    Token::Many
                }
                b'?' => Token::One,
                b'\\' => match pattern.get(at) {
                    Some(next) => {
                        at += 1;
                        Token::Byte(folded(*next, fold))
                    }
                    None => Token::Never,
                },
                b'[' => match set(&pattern[at..], fold) {
                    Some((set, len)) => {
                        at += len;
                        Token::Set(Box::new(set))
                    }
                    None => Token::Byte(b'['),
                },
                byte => Token::Byte(folded(*byte, fold)),
            };
            tokens.push(token);
        }
        Self {
            tokens: tokens.into(),
            fold,
        }
    }

    /// Whether the whole text matches.
    pub fn is_match(&self, text: &[u8]) -> bool {
        let mut token = 0;
        let mut at = 0;
        // Where to continue after a mismatch: after the last `*`, one byte further in the text.
        let mut retry: Option<(usize, usize)> = None;
        loop {
            let fits = match (self.tokens.get(token), text.get(at)) {
                (Some(Token::Many), _) => {
                    token += 1;
                    if token == self.tokens.len() {
                        return true;
                    }
                    retry = Some((token, at));
                    continue;
                }
                (None, None) => return true,
                (Some(Token::Byte(b)), Some(t)) => *b == folded(*t, self.fold),
                (Some(Token::One), Some(_)) => true,
                (Some(Token::Set(set)), Some(t)) => {
                    let t = folded(*t, self.fold);
                    set[usize::from(t >> 6)] >> (t & 63) & 1 == 1
                }
                _ => false,
            };
            if fits {
                token += 1;
                at += 1;
                continue;
            }
            match &mut retry {
                Some((after_star, from)) if *from < text.len() => {
                    *from += 1;
                    token = *after_star;
                    at = *from;
                }
                _ => return false,
            }
        }
    }
}

fn folded(byte: u8, fold: bool) -> u8 {
    if fold {
        byte.to_ascii_lowercase()
    } else {
        byte
    }
}

/// Parses the set after `[`; returns it with its length including the closing bracket, or `None` without one.
fn set(pattern: &[u8], fold: bool) -> Option<([u64; 4], usize)> {
    let mut bits = [0_u64; 4];
    let mut add = |byte: u8| {
        let byte = folded(byte, fold);
        bits[usize::from(byte >> 6)] |= 1 << (byte & 63);
    };
    let negated = matches!(pattern.first(), Some(b'!' | b'^'));
    let start = usize::from(negated);
    let mut at = start;
    loop {
        let byte = *pattern.get(at)?;
        // A closing bracket at the first position is a member of the set.
        if byte == b']' && at > start {
            at += 1;
            break;
        }
        if byte == b'[' && pattern.get(at + 1) == Some(&b':') {
            let name = &pattern[at + 2..];
            let len = name.windows(2).position(|w| w == b":]")?;
            let class = class(&name[..len])?;
            (0..=u8::MAX).filter(class).for_each(&mut add);
            at += 2 + len + 2;
            continue;
        }
        let (first, next) = one(pattern, at)?;
        at = next;
        if pattern.get(at) == Some(&b'-') && pattern.get(at + 1).is_some_and(|b| *b != b']') {
            let (last, next) = one(pattern, at + 1)?;
            at = next;
            (first..=last).for_each(&mut add);
        } else {
            add(first);
        }
    }
    if negated {
        bits = bits.map(|word| !word);
    }
    Some((bits, at))
}

/// Returns a byte of a set, possibly escaped, and the position after it.
fn one(pattern: &[u8], at: usize) -> Option<(u8, usize)> {
    match *pattern.get(at)? {
        b'\\' => Some((*pattern.get(at + 1)?, at + 2)),
        byte => Some((byte, at + 1)),
    }
}

fn class(name: &[u8]) -> Option<fn(&u8) -> bool> {
    Some(match name {
        b"alnum" => u8::is_ascii_alphanumeric,
        b"alpha" => u8::is_ascii_alphabetic,
        b"blank" => |b| matches!(b, b' ' | b'\t'),
        b"cntrl" => u8::is_ascii_control,
        b"digit" => u8::is_ascii_digit,
        b"graph" => u8::is_ascii_graphic,
        b"lower" => u8::is_ascii_lowercase,
        b"print" => |b| matches!(b, 0x20..=0x7e),
        b"punct" => u8::is_ascii_punctuation,
        b"space" => |b| matches!(b, b' ' | 0x09..=0x0d),
        b"upper" => u8::is_ascii_uppercase,
        b"xdigit" => u8::is_ascii_hexdigit,
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn globs_are_those_of_fnmatch() {
        let yes = |p: &str, t: &str| {
            assert!(
                Glob::new(p.as_bytes(), false).is_match(t.as_bytes()),
                "{p} {t}"
            );
        };
        let no = |p: &str, t: &str| {
            assert!(
                !Glob::new(p.as_bytes(), false).is_match(t.as_bytes()),
                "{p} {t}"
            );
        };
        yes("", "");
        no("", "a");
        yes("*", "");
        yes("*", "a/b");
        yes("/etc/*", "/etc/a/b");
        yes("*.conf", ".conf");
        yes("a?c", "a/c");
        no("a?c", "ac");
        yes("[a-c]x", "bx");
        no("[a-c]x", "dx");
        yes("[!a-c]x", "dx");
        yes("[^a]", "b");
        yes("[]a]", "]");
        yes("[a-]", "-");
        yes("[[:digit:]]*", "7up");
        no("[[:digit:]]*", "up7");
        yes("[a", "[a");
        yes("\\*", "*");
        no("\\*", "x");
        yes("[\\]]", "]");
        no("a\\", "a");
        no("a\\", "a\\");
        yes("*a*b*c*", "xxaxxbxxcxx");
        no("*a*b*c", "xxaxxbxxcxx");
        yes("**a", "bba");
        assert!(Glob::new(b"*.CONF", true).is_match(b"x.cOnf"));
        assert!(Glob::new(b"[A-Z]", true).is_match(b"q"));
    }

    #[test]
    fn globs_do_not_blow_up() {
        let pattern = "*a".repeat(2000) + "b";
        let text = "a".repeat(4000);
        let start = std::time::Instant::now();
        assert!(!Glob::new(pattern.as_bytes(), false).is_match(text.as_bytes()));
        assert!(start.elapsed().as_secs() < 2);
    }
}
