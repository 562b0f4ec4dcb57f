//! An input line.

use unicode_width::UnicodeWidthStr as _;

/// The purpose of an input line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Purpose {
    /// The filter.
    Filter,
    /// A text to search for.
    Search,
    /// A text that rows have to contain.
    Within,
    /// A note on an event (with its line) or on a range.
    Note,
    /// The file to save events to.
    Save,
    /// The file to save this text to.
    SaveText(String),
}

/// An input line.
#[derive(Clone, Debug)]
pub(crate) struct Prompt {
    pub(crate) purpose: Purpose,
    pub(crate) text: String,
    /// The position of the caret, in bytes.
    pub(crate) caret: usize,
    /// The error in the text: its span in bytes, and the message.
    pub(crate) error: Option<(std::ops::Range<usize>, String)>,
    /// Completions of the word at the caret.
    pub(crate) suggestions: Vec<String>,
    /// The selected suggestion.
    pub(crate) chosen: usize,
    /// The position in the history of inputs.
    pub(crate) past: usize,
}

impl Prompt {
    /// Makes a prompt with an initial text.
    pub(crate) fn new(purpose: Purpose, text: String) -> Self {
        Self {
            purpose,
            caret: text.len(),
            text,
            error: None,
            suggestions: Vec::new(),
            chosen: 0,
            past: 0,
        }
    }

    /// Replaces the text.
    pub(crate) fn set(&mut self, text: String) {
        self.caret = text.len();
        self.text = text;
    }

    /// Inserts a character at the caret.
    pub(crate) fn insert(&mut self, c: char) {
        self.text.insert(self.caret, c);
        self.caret += c.len_utf8();
    }

    /// Deletes the character before the caret.
    pub(crate) fn backspace(&mut self) {
        if let Some(c) = self.text[..self.caret].chars().next_back() {
            self.caret -= c.len_utf8();
            self.text.remove(self.caret);
        }
    }

    /// Deletes the character at the caret.
    pub(crate) fn delete(&mut self) {
        if self.caret < self.text.len() {
            self.text.remove(self.caret);
        }
    }

    /// Moves the caret by a character.
    pub(crate) fn step(&mut self, forward: bool) {
        if forward {
            let next = self.text[self.caret..].chars().next();
            self.caret += next.map_or(0, char::len_utf8);
        } else {
            let before = self.text[..self.caret].chars().next_back();
            self.caret -= before.map_or(0, char::len_utf8);
        }
    }

    /// Deletes everything before the caret, or only the word there.
    pub(crate) fn delete_back(&mut self, only_word: bool) {
        let before = &self.text[..self.caret];
        let start = match only_word {
            true => {
                let trimmed = before.trim_end();
                trimmed.rfind(char::is_whitespace).map_or(0, |at| at + 1)
            }
            false => 0,
        };
        self.text.drain(start..self.caret);
        self.caret = start;
    }

    /// Returns the word before the caret, with its start.
    pub(crate) fn word(&self) -> (usize, &str) {
        let before = &self.text[..self.caret];
        let is_break = |c: char| c.is_whitespace() || "()=!<>,".contains(c);
        let start = before.rfind(is_break).map_or(0, |at| {
            at + before[at..].chars().next().map_or(1, char::len_utf8)
        });
        (start, &before[start..])
    }

    /// Replaces the word at the caret by a suggestion.
    pub(crate) fn complete(&mut self, with: &str) {
        let (start, _) = self.word();
        self.text.replace_range(start..self.caret, with);
        self.caret = start + with.len();
    }

    /// Returns the column of the caret.
    pub(crate) fn column(&self) -> usize {
        self.text[..self.caret].width()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn editing_keeps_to_characters() {
        let mut prompt = Prompt::new(Purpose::Filter, "a\u{e9}".to_owned());
        prompt.insert('\u{65e5}');
        assert_eq!(
            (prompt.text.as_str(), prompt.column()),
            ("a\u{e9}\u{65e5}", 4)
        );
        prompt.step(false);
        prompt.step(false);
        prompt.delete();
        assert_eq!(prompt.text, "a\u{65e5}");
        prompt.backspace();
        prompt.backspace();
        assert_eq!((prompt.text.as_str(), prompt.caret), ("\u{65e5}", 0));
        prompt.step(false);
        prompt.step(true);
        prompt.step(true);
        assert_eq!(prompt.caret, 3);
    }

    #[test]
    fn words_and_completion() {
        let mut prompt = Prompt::new(Purpose::Filter, "evt.type=open and proc.na".to_owned());
        assert_eq!(prompt.word(), (18, "proc.na"));
        prompt.complete("proc.name");
        assert_eq!(prompt.text, "evt.type=open and proc.name");
        prompt.delete_back(true);
        assert_eq!(prompt.text, "evt.type=open and ");
        prompt.set("a=b".into());
        assert_eq!(prompt.word(), (2, "b"));
        prompt.delete_back(false);
        assert_eq!(prompt.text, "");
    }
}
