//! A table on the screen, with its sort order, filter text and selection.

use crate::stats::table::{Cell, Column, Row, Subject, Table, View};
use crate::tui::cells;

/// A table with its order and selection.
#[derive(Debug, Default)]
pub(crate) struct TablePane {
    /// The view of the table.
    of: Option<View>,
    pub(crate) table: Option<Table>,
    /// The indices of the shown rows, in order.
    pub(crate) order: Vec<u32>,
    /// The columns that are empty in all rows: they are dropped first if there is little space.
    pub(crate) blank: Vec<bool>,
    /// The sort column, and whether largest first; `None` = the order of the table.
    pub(crate) sort: Option<(usize, bool)>,
    /// Only rows that contain this text, in lower case.
    pub(crate) within: String,
    /// The position of the selected row in the order.
    pub(crate) selected: usize,
    /// The position of the first row on the screen.
    pub(crate) top: usize,
}

impl TablePane {
    /// Makes a pane for a table.
    pub(crate) fn of(table: Table) -> Self {
        let mut pane = Self {
            sort: table.sorted,
            table: Some(table),
            ..Self::default()
        };
        pane.arrange();
        pane
    }

    /// Replaces the table, by a newer one of the same view or that of another view. The selected
    /// row stays selected if the user chose it and it still exists.
    pub(crate) fn take(&mut self, view: View, table: Option<Table>) {
        if self.of != Some(view) {
            *self = Self {
                of: Some(view),
                sort: table.as_ref().and_then(|t| t.sorted),
                ..Self::default()
            };
        } else if self.table.is_none() {
            self.sort = self.sort.or(table.as_ref().and_then(|t| t.sorted));
        }
        self.renew(table);
    }

    /// Replaces the table by one with the same columns; order and filter text stay.
    pub(crate) fn renew(&mut self, table: Option<Table>) {
        let subject = match self.selected {
            0 => None,
            _ => self.row().map(|row| row.subject.clone()),
        };
        self.table = table;
        self.arrange();
        if let Some(at) = subject.and_then(|subject| self.find(&subject)) {
            self.selected = at;
        }
    }

    /// Selects a row once it exists: the table may not have arrived yet.
    pub(crate) fn resume(&mut self, at: usize) {
        match self.order.is_empty() {
            true => self.selected = at,
            false => self.select(at),
        }
    }

    /// Returns true if the rows are in the order of the table.
    pub(crate) fn is_as_it_comes(&self) -> bool {
        self.sort == self.table.as_ref().and_then(|table| table.sorted)
    }

    /// Finds the row with a subject; of several the selected one.
    fn find(&self, subject: &Subject) -> Option<usize> {
        let is = |at: &usize| self.row_at(*at).is_some_and(|row| row.subject == *subject);
        std::iter::once(self.selected)
            .chain(0..self.order.len())
            .find(is)
    }

    /// Whether no row has a value in a column.
    pub(crate) fn is_blank(&self, column: usize) -> bool {
        self.blank.get(column).is_some_and(|is_blank| *is_blank)
    }

    /// Whether a column is not shown, however wide the screen is.
    pub(crate) fn is_hidden(&self, column: usize) -> bool {
        let Some(table) = &self.table else {
            return false;
        };
        let is_optional = table.columns.get(column).is_some_and(|c| c.optional);
        is_optional && (table.rows.is_empty() || self.is_blank(column))
    }

    /// Sorts the rows.
    pub(crate) fn arrange(&mut self) {
        self.order.clear();
        self.blank.clear();
        if let Some(table) = &self.table {
            let is_blank = |at: usize| {
                let mut cells = table.rows.iter().filter_map(|row| row.cells.get(at));
                !table.rows.is_empty() && cells.all(|cell| *cell == Cell::Empty)
            };
            self.blank.extend((0..table.columns.len()).map(is_blank));
            let count = u32::try_from(table.rows.len()).unwrap_or(u32::MAX);
            let rows = &table.rows;
            let within = &self.within;
            let columns = table.columns;
            let fits = |at: &u32| within.is_empty() || holds(&rows[*at as usize], columns, within);
            self.order.extend((0..count).filter(fits));
            if let Some((column, falls)) = self.sort {
                let cell = |at: u32| rows[at as usize].cells.get(column).unwrap_or(&Cell::Empty);
                // Equal rows stay in the order of the table.
                match falls {
                    true => self.order.sort_by(|a, b| cell(*b).cmp(cell(*a))),
                    false => self.order.sort_by(|a, b| cell(*a).cmp(cell(*b))),
                }
            }
        }
        if self.table.is_some() {
            self.select(self.selected);
        }
    }

    /// Returns the row at a position in the order.
    pub(crate) fn row_at(&self, at: usize) -> Option<&Row> {
        let place = *self.order.get(at)?;
        self.table.as_ref()?.rows.get(place as usize)
    }

    /// Returns the selected row.
    pub(crate) fn row(&self) -> Option<&Row> {
        self.row_at(self.selected)
    }

    /// Selects the row at a position, or the last one.
    pub(crate) fn select(&mut self, at: usize) {
        self.selected = at.min(self.order.len().saturating_sub(1));
    }

    /// Scrolls so that the selected row is visible.
    pub(crate) fn show_selected(&mut self, height: usize) {
        let height = height.max(1);
        if self.selected < self.top {
            self.top = self.selected;
        } else if self.selected >= self.top.saturating_add(height) {
            self.top = self.selected + 1 - height;
        }
        self.top = self.top.min(self.order.len().saturating_sub(height));
    }

    /// Finds the next row that contains a text (in lower case), after the selected one or before
    /// it.
    pub(crate) fn search(&self, text: &str, forward: bool) -> Option<usize> {
        let count = self.order.len();
        let step = |distance: usize| match forward {
            true => (self.selected + distance) % count,
            false => (self.selected + count - distance % count) % count,
        };
        let columns = self.table.as_ref().map_or(&[][..], |table| table.columns);
        let hit = |at: &usize| {
            self.row_at(*at)
                .is_some_and(|row| holds(row, columns, text))
        };
        (1..=count).map(step).find(hit)
    }

    /// Sorts by a column; reverses the order if it is already sorted by it.
    pub(crate) fn sort_by(&mut self, column: usize) {
        let columns = self.table.as_ref().map_or(0, |t| t.columns.len());
        if column >= columns {
            return;
        }
        self.sort = Some(match self.sort {
            Some((sorted, falls)) if sorted == column => (column, !falls),
            // Numbers are sorted largest first, words alphabetically.
            _ => (column, !self.is_of_words(column)),
        });
        self.selected = 0;
        self.arrange();
    }

    fn is_of_words(&self, column: usize) -> bool {
        let rows = self.table.iter().flat_map(|t| &t.rows).take(64);
        let mut cells = rows.filter_map(|row| row.cells.get(column));
        cells.any(|cell| !cells::is_number(cell) && !matches!(cell, Cell::Empty | Cell::Time(_)))
    }
}

/// Returns true if a row contains a text as it is shown, in lower case: with escapes and units.
fn holds(row: &Row, columns: &[Column], text: &str) -> bool {
    let width = |at: usize| {
        columns
            .get(at)
            .map_or(0, |column| usize::from(column.width))
    };
    let mut cells = row.cells.iter().enumerate();
    cells.any(|(at, cell)| match cell {
        Cell::Empty => false,
        Cell::Text(bytes) if is_shown_as_is(bytes) => contains(bytes, text.as_bytes()),
        Cell::Text(_) | Cell::List(..) | Cell::Timed(..) => {
            let shown = cells::text(cell, usize::MAX);
            shown.to_lowercase().contains(text)
        }
        Cell::Count(count) => {
            // In full, in groups, and as a narrow column shows it.
            count.to_string().contains(text)
                || [usize::MAX, width(at)]
                    .iter()
                    .any(|width| cells::text(cell, *width).to_lowercase().contains(text))
        }
        other => cells::text(other, usize::MAX).to_lowercase().contains(text),
    })
}

/// Returns true if a text is shown as it is: most are plain ASCII.
fn is_shown_as_is(bytes: &[u8]) -> bool {
    let is_plain = |byte: &u8| matches!(byte, b' '..=b'~') && *byte != b'\\';
    bytes.iter().all(is_plain)
}

/// Returns true if plain bytes contain others, ignoring case.
fn contains(bytes: &[u8], text: &[u8]) -> bool {
    text.is_empty()
        || bytes
            .windows(text.len())
            .any(|window| window.eq_ignore_ascii_case(text))
}

#[cfg(test)]
mod tests {
    use super::*;

    const COLUMNS: &[Column] = &[
        Column::new("COUNT", 6, "number"),
        Column::new("NAME", 0, "who"),
    ];

    fn table(rows: &[(u64, &str)]) -> Table {
        let row = |(count, name): &(u64, &str)| Row {
            cells: vec![Cell::Count(*count), Cell::Text(name.as_bytes().into())],
            subject: Subject::File(name.as_bytes().into(), None),
            depth: 0,
            life: None,
        };
        Table {
            columns: COLUMNS,
            sorted: Some((0, true)),
            rows: rows.iter().map(row).collect(),
            omitted: 0,
        }
    }

    fn names(pane: &TablePane) -> Vec<String> {
        let row = |at| pane.row_at(at).map(|row| cells::text(&row.cells[1], 64));
        (0..pane.order.len()).filter_map(row).collect()
    }

    #[test]
    fn the_selected_row_stays_selected_when_counts_change() {
        let mut pane = TablePane::default();
        pane.take(View::Files, Some(table(&[(1, "a"), (3, "b"), (2, "c")])));
        assert_eq!(names(&pane), ["b", "c", "a"]);
        pane.select(1);
        pane.take(View::Files, Some(table(&[(9, "a"), (3, "b"), (2, "c")])));
        assert_eq!(
            (names(&pane), pane.selected),
            (vec!["a".into(), "b".into(), "c".into()], 2)
        );
        pane.take(View::Calls, Some(table(&[(1, "x")])));
        assert_eq!((pane.selected, pane.sort), (0, Some((0, true))));
    }

    #[test]
    fn what_is_shown_is_found() {
        let row = |cell: Cell| Row {
            cells: vec![cell],
            subject: Subject::Call(b"x"[..].into()),
            depth: 0,
            life: None,
        };
        let found = |cell: Cell, text: &str| holds(&row(cell), COLUMNS, &text.to_lowercase());
        let text = |text: &str| Cell::Text(text.as_bytes().into());
        assert!(found(text("a\x1b[2J\nb"), "\\x1b[2J\\nB"));
        assert!(!found(text("a\x1b[2J"), "\x1b"));
        assert!(found(Cell::Text(b"\xff\xfe"[..].into()), "\\xff\\XFE"));
        assert!(found(text("\u{c9}t\u{c9}"), "\u{e9}T\u{e9}"));
        assert!(found(text("a\u{202e}b"), "\\u{202e}"));
        for shown in ["2,166,920", "2166920", "2.1m"] {
            assert!(found(Cell::Count(2_166_920), shown), "{shown}");
        }
        assert!(found(Cell::Duration(8_003_000_000), "8.00s"));
        assert!(found(Cell::Bytes(20_000), "19.5K"));
        assert!(found(Cell::Time(0), &cells::time(0)[3..]));
        let list = Cell::List([b"cat"[..].into(), b"sh"[..].into()].into(), true);
        assert!(found(list.clone(), "cat, SH") && !found(list, "bash"));
        assert!(!found(Cell::Empty, "") && found(Cell::Word("ENOENT"), "enoent"));
    }

    #[test]
    fn sorting_searching_and_keeping() {
        let mut pane = TablePane::of(table(&[(1, "Alpha"), (3, "beta"), (2, "alpine")]));
        pane.sort_by(1);
        assert_eq!(names(&pane), ["Alpha", "alpine", "beta"]);
        pane.sort_by(1);
        assert_eq!(names(&pane), ["beta", "alpine", "Alpha"]);
        assert_eq!(pane.search("alp", true), Some(1));
        assert_eq!(pane.search("alp", false), Some(2));
        assert_eq!(pane.search("none", true), None);
        pane.within = "ALP".to_lowercase();
        pane.arrange();
        assert_eq!(names(&pane), ["alpine", "Alpha"]);
        pane.select(100);
        assert_eq!(pane.selected, 1);
        pane.within = "nothing".into();
        pane.arrange();
        assert!(pane.row().is_none() && pane.search("a", true).is_none());
    }
}
