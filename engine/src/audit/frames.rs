//! Splits a stream into the JSON objects that it consists of.
//!
//! Objects can be on a line each, as API servers write them, over several lines, one after the other, or in arrays,
//! which may be of any size: brackets and commas between objects are skipped. Whatever else is between objects is
//! foreign, up to the end of its line. After a broken object the search goes on at the line after its first one, so
//! that a line that was cut off does not hide those after it.

use std::io::{self, Read};

use super::limits::{MAX_DEPTH, MAX_TEXT};

/// How much is read at once.
const READ: usize = 256 << 10;
/// How much of a foreign line is passed on, to recognise what it is.
const FOREIGN_HEAD: usize = 4096;
/// How many times over lines may be searched again after broken objects that reached over them. After that, objects
/// have to be on a line each.
const RESCANS: u64 = 4;

/// A part of the stream, with its place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Frame<'a> {
    /// The offset of its first byte.
    pub offset: u64,
    /// The number of its first line, from 1 on.
    pub line: u64,
    /// What it is.
    pub part: Part<'a>,
}

/// What a part of the stream is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part<'a> {
    /// An object, with balanced brackets.
    Object(&'a [u8]),
    /// The beginning of a line that is no object.
    Foreign(&'a [u8]),
    /// An object that is not JSON.
    Broken,
    /// An object that is nested too deeply.
    TooDeep,
    /// An object of more than [`MAX_TEXT`] bytes.
    TooLong,
    /// The stream ends within an object or an array.
    CutOff,
}

/// The objects of a stream.
#[derive(Debug)]
pub struct Frames<R> {
    input: R,
    buffer: Vec<u8>,
    /// The part of the buffer that is in use.
    start: usize,
    end: usize,
    /// The stream ended.
    is_over: bool,
    /// The offset of `start`, and its line.
    offset: u64,
    line: u64,
    /// Arrays that are open around the next object.
    arrays: u64,
    /// The same at the beginning of its line.
    arrays_before: u64,
    /// The bytes that were searched again.
    rescanned: u64,
    /// They are too many: from here on an object ends with its line.
    is_by_line: bool,
}

/// How the search for the end of an object ended.
enum Found {
    End(usize),
    Broken(usize),
    TooDeep(usize),
    TooLong,
    CutOff(usize),
}

impl<R: Read> Frames<R> {
    /// Makes an iterator over a stream.
    pub fn new(input: R) -> Self {
        Self {
            input,
            buffer: Vec::new(),
            start: 0,
            end: 0,
            is_over: false,
            offset: 0,
            line: 1,
            arrays: 0,
            arrays_before: 0,
            rescanned: 0,
            is_by_line: false,
        }
    }

    /// Returns how many bytes were taken so far.
    pub fn offset(&self) -> u64 {
        self.offset
    }

    /// Returns the next part; `None` at the end.
    ///
    /// # Errors
    ///
    /// Those of the stream.
    pub fn next_frame(&mut self) -> io::Result<Option<Frame<'_>>> {
        let Some(first) = self.skip_between()? else {
            if std::mem::take(&mut self.arrays) > 0 {
                return Ok(Some(Frame {
                    offset: self.offset,
                    line: self.line,
                    part: Part::CutOff,
                }));
            }
            return Ok(None);
        };
        let (offset, line) = (self.offset, self.line);
        if first != b'{' {
            self.arrays = self.arrays_before;
            let head = self.skip_line()?;
            let frame = Frame {
                offset,
                line,
                part: Part::Foreign(&self.buffer[head]),
            };
            return Ok(Some(frame));
        }
        let part = match self.object()? {
            Found::End(len) => {
                let start = self.start;
                self.take(len);
                Part::Object(&self.buffer[start..start + len])
            }
            Found::TooLong => Part::TooLong,
            Found::Broken(at) => {
                self.recover(at)?;
                Part::Broken
            }
            Found::TooDeep(at) => {
                self.recover(at)?;
                Part::TooDeep
            }
            Found::CutOff(at) => {
                self.recover(at)?;
                Part::CutOff
            }
        };
        Ok(Some(Frame { offset, line, part }))
    }

    /// Skips what may be between objects, and returns the byte after it.
    fn skip_between(&mut self) -> io::Result<Option<u8>> {
        loop {
            let mut len = 0;
            let mut next = None;
            for byte in &self.buffer[self.start..self.end] {
                match byte {
                    b'[' => self.arrays += 1,
                    b']' => self.arrays = self.arrays.saturating_sub(1),
                    b' ' | b'\t' | b'\r' | b',' => {}
                    b'\n' => self.arrays_before = self.arrays,
                    // The mark of UTF-8 at the beginning of a file.
                    0xef | 0xbb | 0xbf if self.offset + len < 3 => {}
                    byte => {
                        next = Some(*byte);
                        break;
                    }
                }
                len += 1;
            }
            self.take(usize::try_from(len).unwrap_or(0));
            if next.is_some() || !self.fill()? {
                return Ok(next);
            }
        }
    }

    /// Searches the end of the object at `start`. If it is too long, it is skipped.
    fn object(&mut self) -> io::Result<Found> {
        let mut scan = Scan {
            is_by_line: self.is_by_line,
            ..Scan::default()
        };
        let mut at = 0;
        // What was skipped of an object that is too long.
        let mut is_skipped = false;
        loop {
            let text = &self.buffer[self.start..self.end];
            match scan.advance(text, &mut at) {
                State::More => {}
                State::End if is_skipped => {
                    self.take(at);
                    return Ok(Found::TooLong);
                }
                State::End if at > MAX_TEXT => {
                    self.take(at);
                    return Ok(Found::TooLong);
                }
                State::End => return Ok(Found::End(at)),
                State::Broken | State::TooDeep if is_skipped => {
                    self.take(at);
                    self.skip_line()?;
                    return Ok(Found::TooLong);
                }
                State::Broken => return Ok(Found::Broken(at)),
                State::TooDeep => return Ok(Found::TooDeep(at)),
            }
            if is_skipped || at > MAX_TEXT {
                is_skipped = true;
                self.take(at);
                at = 0;
            }
            if !self.fill()? {
                return Ok(match is_skipped {
                    true => Found::TooLong,
                    false => Found::CutOff(at),
                });
            }
        }
    }

    /// Goes on after the first line of an object that broke at `at`.
    fn recover(&mut self, at: usize) -> io::Result<()> {
        self.arrays = self.arrays_before;
        let text = &self.buffer[self.start..self.start + at];
        let Some(line_end) = memchr::memchr(b'\n', text) else {
            self.skip_line()?;
            return Ok(());
        };
        self.rescanned += (at - line_end) as u64;
        self.is_by_line |= self.rescanned > RESCANS * (self.offset + at as u64) + READ as u64;
        self.take(line_end);
        Ok(())
    }

    /// Skips the rest of the line, and returns where its beginning is in the buffer.
    fn skip_line(&mut self) -> io::Result<std::ops::Range<usize>> {
        loop {
            let text = &self.buffer[self.start..self.end];
            if let Some(len) = memchr::memchr(b'\n', text) {
                let head = self.start..self.start + len.min(FOREIGN_HEAD);
                self.take(len);
                return Ok(head);
            }
            if text.len() > READ {
                // The beginning is enough; it stays at the beginning of the buffer.
                let len = text.len();
                self.take(len);
                let head: Vec<u8> = self.buffer[self.start - len..][..FOREIGN_HEAD].to_vec();
                self.skip_rest_of_line()?;
                return Ok(self.keep(&head));
            }
            if !self.fill()? {
                let head = self.start..self.end.min(self.start + FOREIGN_HEAD);
                self.take(self.end - self.start);
                return Ok(head);
            }
        }
    }

    fn skip_rest_of_line(&mut self) -> io::Result<()> {
        loop {
            let text = &self.buffer[self.start..self.end];
            match memchr::memchr(b'\n', text) {
                Some(len) => {
                    self.take(len);
                    return Ok(());
                }
                None => self.take(text.len()),
            }
            if !self.fill()? {
                return Ok(());
            }
        }
    }

    /// Stores bytes after those in use, so that they can be borrowed from the buffer.
    fn keep(&mut self, bytes: &[u8]) -> std::ops::Range<usize> {
        self.buffer.truncate(self.end);
        self.buffer.extend_from_slice(bytes);
        self.end..self.end + bytes.len()
    }

    fn take(&mut self, len: usize) {
        let taken = &self.buffer[self.start..self.start + len];
        self.line += memchr::memchr_iter(b'\n', taken).count() as u64;
        self.offset += len as u64;
        self.start += len;
    }

    /// Reads more; `false` at the end of the stream.
    fn fill(&mut self) -> io::Result<bool> {
        if self.is_over {
            return Ok(false);
        }
        self.buffer.copy_within(self.start..self.end, 0);
        self.end -= self.start;
        self.start = 0;
        if self.buffer.len() < self.end + READ {
            self.buffer.resize(self.end + READ, 0);
        }
        loop {
            match self.input.read(&mut self.buffer[self.end..]) {
                Ok(0) => {
                    self.is_over = true;
                    return Ok(false);
                }
                Ok(count) => {
                    self.end += count;
                    return Ok(true);
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
    }
}

/// What the bytes of an object say about its end.
enum State {
    More,
    End,
    Broken,
    TooDeep,
}

/// What may come next in an object.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Expect {
    #[default]
    Value,
    FirstItem,
    FirstKey,
    Key,
    Colon,
    Comma,
    /// Within a text; `is_key` is beside.
    Text,
    /// After a backslash in a text.
    Escape,
    /// Within a number or a word.
    Word,
}

/// The structure of an object, as far as it was read. Numbers, words and escapes are checked later.
#[derive(Debug, Default)]
struct Scan {
    expect: Expect,
    is_key: bool,
    /// One bit for each open bracket: whether it is an object's.
    objects: u128,
    depth: usize,
    /// The object may not go on after its line.
    is_by_line: bool,
}

const _: () = assert!(MAX_DEPTH == 128, "one bit of `objects` for each level");

impl Scan {
    /// Reads on from `at`, which becomes the end of the object or the place of what is wrong.
    fn advance(&mut self, text: &[u8], at: &mut usize) -> State {
        while let Some(byte) = text.get(*at) {
            match (self.expect, byte) {
                (Expect::Text, _) => {
                    let rest = &text[*at..];
                    let len = memchr::memchr2(b'"', b'\\', rest).unwrap_or(rest.len());
                    if let Some(line) = memchr::memchr(b'\n', &rest[..len]) {
                        *at += line;
                        return State::Broken;
                    }
                    *at += len;
                    match rest.get(len) {
                        Some(b'\\') => self.expect = Expect::Escape,
                        Some(_) if self.is_key => self.expect = Expect::Colon,
                        Some(_) => self.expect = Expect::Comma,
                        None => return State::More,
                    }
                }
                (Expect::Escape, b'\n') => return State::Broken,
                (Expect::Escape, _) => self.expect = Expect::Text,
                (Expect::Word, b'0'..=b'9' | b'a'..=b'z' | b'A'..=b'Z' | b'+' | b'-' | b'.') => {}
                (Expect::Word, _) => {
                    self.expect = Expect::Comma;
                    continue;
                }
                (_, b'\n') if self.is_by_line => return State::Broken,
                (_, b' ' | b'\t' | b'\r' | b'\n') => {}
                (Expect::Value | Expect::FirstItem, b'{' | b'[') => {
                    if self.depth == MAX_DEPTH {
                        return State::TooDeep;
                    }
                    let is_object = *byte == b'{';
                    self.objects = self.objects << 1 | u128::from(is_object);
                    self.depth += 1;
                    self.expect = match is_object {
                        true => Expect::FirstKey,
                        false => Expect::FirstItem,
                    };
                }
                (Expect::FirstKey | Expect::Comma, b'}') if self.objects & 1 == 1 => {
                    if self.close() {
                        *at += 1;
                        return State::End;
                    }
                }
                (Expect::FirstItem | Expect::Comma, b']') if self.objects & 1 == 0 => {
                    self.close();
                }
                (Expect::FirstKey | Expect::Key, b'"') => {
                    (self.expect, self.is_key) = (Expect::Text, true);
                }
                (Expect::Value | Expect::FirstItem, b'"') => {
                    (self.expect, self.is_key) = (Expect::Text, false);
                }
                (Expect::Value | Expect::FirstItem, b'0'..=b'9' | b'-' | b't' | b'f' | b'n') => {
                    self.expect = Expect::Word;
                }
                (Expect::Colon, b':') => self.expect = Expect::Value,
                (Expect::Comma, b',') if self.objects & 1 == 1 => self.expect = Expect::Key,
                (Expect::Comma, b',') => self.expect = Expect::Value,
                _ => return State::Broken,
            }
            *at += 1;
        }
        State::More
    }

    /// Closes a bracket; returns whether it was the first one.
    fn close(&mut self) -> bool {
        self.objects >>= 1;
        self.depth = self.depth.saturating_sub(1);
        self.expect = Expect::Comma;
        self.depth == 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The parts of a stream that is read a few bytes at a time: `{` objects by their text, others by their kind, each
    /// with its line.
    fn parts(text: &str) -> Vec<String> {
        let all = |step: usize| {
            let mut frames = Frames::new(Slow(text.as_bytes(), step));
            let mut out = Vec::new();
            while let Some(frame) = frames.next_frame().unwrap() {
                let at = usize::try_from(frame.offset).unwrap();
                out.push(match frame.part {
                    Part::Object(object) => {
                        assert_eq!(&text.as_bytes()[at..at + object.len()], object);
                        format!("{} {}", frame.line, String::from_utf8_lossy(object))
                    }
                    Part::Foreign(head) => {
                        assert_eq!(&text.as_bytes()[at..at + head.len()], head);
                        format!("{} foreign {}", frame.line, String::from_utf8_lossy(head))
                    }
                    part => format!("{} {part:?}", frame.line),
                });
            }
            out
        };
        let whole = all(usize::MAX);
        assert_eq!(all(1), whole, "the size of reads matters");
        assert_eq!(all(7), whole, "the size of reads matters");
        whole
    }

    struct Slow<'a>(&'a [u8], usize);

    impl Read for Slow<'_> {
        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            let len = self.0.len().min(self.1).min(buffer.len());
            let (head, rest) = self.0.split_at(len);
            buffer[..len].copy_from_slice(head);
            self.0 = rest;
            Ok(len)
        }
    }

    #[test]
    fn objects_in_every_arrangement() {
        assert_eq!(parts(""), [""; 0]);
        assert_eq!(parts("\n \r\n"), [""; 0]);
        assert_eq!(
            parts("{\"a\":1}\n{\"b\":2}\n"),
            ["1 {\"a\":1}", "2 {\"b\":2}"]
        );
        assert_eq!(parts("{\"a\":1}\r\n\n{}"), ["1 {\"a\":1}", "3 {}"]);
        assert_eq!(parts("{}{} {}"), ["1 {}", "1 {}", "1 {}"]);
        assert_eq!(parts("[{},{}]"), ["1 {}", "1 {}"]);
        assert_eq!(parts("[\n[{}],\n{}\n]\n{}"), ["2 {}", "3 {}", "5 {}"]);
        assert_eq!(parts("\u{feff}{}"), ["1 {}"]);
        let many_lines = "{\n  \"a\": [\n    {\"b\": \"}\\\"{\"},\n    null\n  ]\n}";
        assert_eq!(parts(many_lines), [format!("1 {many_lines}")]);
    }

    #[test]
    fn what_is_broken_hides_nothing_after_it() {
        for (broken, kind) in [
            ("{\"a\":{\"b\":1", "Broken"),
            ("{\"a\":\"x", "Broken"),
            ("{\"a\":\"x\\", "Broken"),
            ("{\"a\":", "Broken"),
            ("{\"a\":[", "Broken"),
            ("{\"a\":1,", "Broken"),
            ("{\"a\"", "Broken"),
            ("{\"a", "Broken"),
            ("{", "Broken"),
            ("{a}", "Broken"),
            ("{\"a\":1]", "Broken"),
        ] {
            let text = format!("{{}}\n{broken}\n{{\"k\":1}}\n{{\"l\":2}}\n");
            let expected = ["1 {}", &format!("2 {kind}"), "3 {\"k\":1}", "4 {\"l\":2}"];
            assert_eq!(parts(&text), expected, "{broken}");
        }
        assert_eq!(parts("{}\n{\"a\":{\"b\""), ["1 {}", "2 CutOff"]);
        // What was taken for a value of the object that was cut off.
        assert_eq!(parts("{\"a\":\n{\"k\":1}"), ["1 CutOff", "2 {\"k\":1}"]);
        assert_eq!(parts("[{},\n{}"), ["1 {}", "2 {}", "2 CutOff"]);
    }

    #[test]
    fn foreign_lines() {
        assert_eq!(parts("what\n{}\n"), ["1 foreign what", "2 {}"]);
        assert_eq!(parts("{} what\n{}"), ["1 {}", "1 foreign what", "2 {}"]);
        assert_eq!(
            parts("[1,2]\n{}\n\"x\""),
            ["1 foreign 1,2]", "2 {}", "3 foreign \"x\""]
        );
        let long = "x".repeat(3 * READ);
        let head = "x".repeat(FOREIGN_HEAD);
        let frames = parts(&format!("{long}\n{{}}"));
        assert_eq!(frames, [format!("1 foreign {head}"), "2 {}".to_owned()]);
    }

    #[test]
    fn limits() {
        let deep = format!("{}{}\n{{}}", "{\"a\":".repeat(200), "}".repeat(200));
        assert_eq!(parts(&deep), ["1 TooDeep", "2 {}"]);
        let kinds = |text: &[u8]| {
            let mut frames = Frames::new(text);
            let mut kinds = Vec::new();
            while let Some(frame) = frames.next_frame().unwrap() {
                let is_object = matches!(frame.part, Part::Object(_));
                kinds.push((frame.line, is_object, frame.part == Part::TooLong));
            }
            assert!(frames.buffer.len() <= MAX_TEXT + 3 * READ);
            kinds
        };
        let long = format!("{{\"a\":\"{}\"}}\n{{}}\n", "x".repeat(MAX_TEXT));
        assert_eq!(kinds(long.as_bytes()), [(1, false, true), (2, true, false)]);
        let open = format!("{{\"a\":\"{}", "x".repeat(2 * MAX_TEXT));
        assert_eq!(kinds(open.as_bytes()), [(1, false, true)]);
        let lines = format!("{{\"a\":[\n{}1]}}\n{{}}", "1,\n".repeat(MAX_TEXT / 2));
        assert_eq!(kinds(lines.as_bytes()).len(), 2);
    }

    #[test]
    fn broken_objects_over_many_lines_are_not_read_again_and_again() {
        // Each line begins an object that reaches to the end.
        let text = "{\"a\":[\n[],\n".repeat(50_000);
        let mut frames = Frames::new(text.as_bytes());
        let mut count = 0_u64;
        while frames.next_frame().unwrap().is_some() {
            count += 1;
        }
        assert!(count > 0);
        assert!(frames.rescanned <= (RESCANS + 1) * text.len() as u64 + (1 << 20));
    }
}
