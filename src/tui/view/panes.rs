//! Draws overlays: details, I/O streams, the system state, menus, texts, the input line.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::{Color, Modifier, Style};
use ratatui::text::{Line, Span};
use ratatui::widgets::{self, Block, Clear, ListState, Paragraph, StatefulWidget, Widget as _};

use super::layout::Layout;
use super::{bytes, table};
use crate::event::number::plural;
use crate::inspect::system_tables::SystemView;
use crate::tui::cells;
use crate::tui::model::{
    DetailPane, EchoPane, List, ListItem, Model, Play, Prompt, Purpose, StatePane, TextPane,
};
use crate::tui::theme::Theme;

/// Clears a part of the screen and draws a frame with a title; returns the inner area.
fn frame(title: &str, area: Rect, model: &Model, buffer: &mut Buffer) -> Rect {
    Clear.render(area, buffer);
    let block = Block::bordered()
        .border_style(model.theme.dim())
        .title(Span::styled(
            format!(
                " {} ",
                cells::clip(title, usize::from(area.width.saturating_sub(6)))
            ),
            model.theme.title(),
        ));
    let inner = block.inner(area);
    block.render(area, buffer);
    inner
}

/// Returns the width of the names in the details.
fn name_width(width: usize) -> usize {
    (width / 3).clamp(8, 26)
}

/// Returns how many of these rows of the details show the data.
fn data_rows(height: usize) -> usize {
    height / 3
}

/// Draws the details of an event.
pub(super) fn detail(model: &Model, pane: &DetailPane, layout: &Layout, buffer: &mut Buffer) {
    let theme = model.theme;
    let area = layout.side.unwrap_or(layout.body);
    let title = format!("event {}", pane.num);
    let inner = frame(&title, area, model, buffer);
    let width = usize::from(inner.width);
    if inner.is_empty() {
        return;
    }
    let Some(detail) = &pane.detail else {
        let text = if model.pending.detail.is_some() {
            "\u{2026}"
        } else {
            "no such event"
        };
        buffer.set_stringn(inner.x, inner.y, text, width, theme.dim());
        return;
    };
    let has_data = !detail.data.is_empty();
    let data_rows = if has_data {
        data_rows(usize::from(inner.height))
    } else {
        0
    };
    let rows = usize::from(inner.height) - data_rows;
    // Headings and entries are one list; the selected entry is kept visible.
    let mut lines: Vec<(Option<usize>, String, String)> = Vec::new();
    let mut entry_at = 0;
    let mut selected_line = 0;
    for group in &detail.groups {
        lines.push((None, group.title.to_owned(), String::new()));
        for entry in &group.entries {
            if entry_at == pane.selected {
                selected_line = lines.len();
            }
            lines.push((Some(entry_at), entry.name.clone(), entry.value.clone()));
            entry_at += 1;
        }
    }
    let top = (selected_line + 1)
        .saturating_sub(rows)
        .max(match selected_line {
            1 => 0,
            line => line.saturating_sub(rows.saturating_sub(2)),
        });
    let names = name_width(width);
    for (row, (at, name, value)) in lines.iter().skip(top).take(rows).enumerate() {
        let y = inner.y + row as u16;
        match at {
            None => {
                buffer.set_stringn(inner.x, y, name, width, theme.title());
            }
            Some(at) => {
                let name = cells::clip(name, names);
                buffer.set_stringn(inner.x + 1, y, name, names, theme.dim());
                let left = width.saturating_sub(names + 2);
                let value = cells::clip(value, left);
                buffer.set_stringn(inner.x + names as u16 + 2, y, value, left, Style::new());
                if *at == pane.selected {
                    buffer.set_style(Rect::new(inner.x, y, inner.width, 1), theme.selected());
                }
            }
        }
    }
    if data_rows == 0 {
        return;
    }
    let y = inner.y + rows as u16;
    let shown = match detail.data_len > detail.data.len() as u64 {
        true => format!(", the first {} shown", detail.data.len()),
        false => String::new(),
    };
    let title = format!(
        "data: {} {}{shown} (x: {})",
        detail.data_len,
        plural(detail.data_len, "byte"),
        pane.form.name()
    );
    buffer.set_stringn(inner.x, y, title, width, theme.title());
    let lines = bytes::lines(&detail.data, pane.form, width - 1, 0, data_rows - 1);
    for (row, line) in lines.iter().enumerate() {
        buffer.set_stringn(
            inner.x + 1,
            y + 1 + row as u16,
            line,
            width - 1,
            Style::new(),
        );
    }
}

/// Draws an I/O stream.
pub(super) fn echo(model: &Model, pane: &EchoPane, layout: &Layout, buffer: &mut Buffer) {
    let theme = model.theme;
    let title = format!("{} ({})", pane.title, pane.form.name());
    let inner = frame(&title, layout.body, model, buffer);
    let width = usize::from(inner.width);
    if inner.is_empty() {
        return;
    }
    let Some(echo) = &pane.echo else {
        buffer.set_stringn(inner.x, inner.y, "\u{2026}", width, theme.dim());
        return;
    };
    if let Some(play) = &pane.play {
        return draw_play(model, play, pane.calls.len(), inner, buffer);
    }
    if echo.pieces.is_empty() {
        let text = "no data was read or written here, or none was captured";
        buffer.set_stringn(inner.x, inner.y, text, width, theme.dim());
        return;
    }
    let mut y = inner.y;
    let mut skip = pane.skip;
    for (at, piece) in echo.pieces.iter().enumerate().skip(pane.selected) {
        if y >= inner.bottom() {
            break;
        }
        let style = theme.direction(piece.read);
        if skip == 0 {
            let missing = piece.len.saturating_sub(piece.data.len() as u64);
            let kept = match missing {
                0 => String::new(),
                missing => format!(", {missing} of them not captured"),
            };
            let head = format!(
                "{} {} {} {} {} fd {} {}: {} {}{kept}",
                if piece.read {
                    "\u{25c0} read   "
                } else {
                    "\u{25b6} written"
                },
                cells::time(piece.ts),
                piece.num,
                cells::fit(&piece.comm, 16),
                piece.pid,
                piece.fd,
                cells::fit(&piece.name, 48),
                piece.len,
                plural(piece.len, "byte"),
            );
            let head_style = if at == pane.selected {
                theme.selected()
            } else {
                theme.dim()
            };
            buffer.set_stringn(inner.x, y, head, width, head_style);
            y += 1;
        }
        let rows = usize::from(inner.bottom() - y);
        let lines = bytes::lines(
            &piece.data,
            pane.form,
            width - 1,
            skip.saturating_sub(1),
            rows,
        );
        for line in lines {
            buffer.set_stringn(inner.x + 1, y, line, width - 1, style);
            y += 1;
        }
        skip = 0;
    }
    if echo.cut && y < inner.bottom() {
        let text = "truncated: narrow the range or the filter to see more";
        buffer.set_stringn(inner.x, y, text, width, theme.bad());
    }
}

/// Draws the playback of a terminal.
fn draw_play(model: &Model, play: &Play, pieces: usize, area: Rect, buffer: &mut Buffer) {
    let screen = play.screen.screen();
    let (rows, columns) = screen.size();
    let (rows, columns) = (rows.get(), columns.get());
    let height = area.height.saturating_sub(1);
    for y in 0..rows.min(height) {
        let mut x = 0;
        while x < columns.min(area.width) {
            let cell = screen.cell(y, x);
            let contents = cell.map_or("", |cell| cell.contents());
            let style = cell.map_or(Style::new(), |cell| style_of(cell, model.theme));
            let text = cells::clip(contents, 2);
            let (end, _) = buffer.set_stringn(
                area.x + x,
                area.y + y,
                if text.is_empty() { " " } else { &text },
                usize::from(area.width - x),
                style,
            );
            x = (end - area.x).max(x + 1);
        }
    }
    let state = if play.paused || play.next >= pieces {
        "stopped"
    } else {
        "playing"
    };
    let speed = match play.speed {
        faster @ 0.. => format!("{}x", 1 << faster),
        slower => format!("1/{}x", 1 << -slower),
    };
    let text = format!(
        "{state} {speed}  {}  write {} of {pieces}  p: pause or resume, + -: speed, Esc: close",
        cells::time(play.time),
        play.next,
    );
    let y = area.bottom().saturating_sub(1);
    buffer.set_stringn(
        area.x,
        y,
        text,
        usize::from(area.width),
        model.theme.selected(),
    );
}

/// Converts the style of a terminal cell to the sixteen standard colours.
fn style_of(cell: &vt100::Cell, theme: Theme) -> Style {
    let mut style = Style::new();
    if theme == Theme::Plain {
        return style;
    }
    if let vt100::Color::Idx(index) = cell.fgcolor()
        && let Some(color) = COLORS.get(usize::from(index))
    {
        style = style.fg(*color);
    }
    if cell.bold() {
        style = style.add_modifier(Modifier::BOLD);
    }
    if cell.inverse() {
        style = style.add_modifier(Modifier::REVERSED);
    }
    style
}

/// The sixteen standard colours by number.
const COLORS: [Color; 16] = [
    Color::Black,
    Color::Red,
    Color::Green,
    Color::Yellow,
    Color::Blue,
    Color::Magenta,
    Color::Cyan,
    Color::Gray,
    Color::DarkGray,
    Color::LightRed,
    Color::LightGreen,
    Color::LightYellow,
    Color::LightBlue,
    Color::LightMagenta,
    Color::LightCyan,
    Color::White,
];

/// Returns the title of a view of the system state.
pub(crate) fn moment_title(what: SystemView) -> &'static str {
    match what {
        SystemView::Processes => "processes (ps)",
        SystemView::Tree => "process tree",
        SystemView::Threads => "threads and their calls (ps --threads)",
        SystemView::Files => "open files and other fds (lsof)",
        SystemView::Sockets => "sockets (netstat)",
        SystemView::Users => "users",
    }
}

/// Draws the system state at a point in time.
pub(super) fn state(model: &Model, pane: &StatePane, layout: &Layout, buffer: &mut Buffer) {
    let title = format!(
        "{} at {}",
        moment_title(pane.what),
        cells::date_time(pane.time)
    );
    let inner = frame(&title, layout.body, model, buffer);
    match &pane.pane {
        Some(rows) => table::draw(rows, model.range(), model.theme, inner, buffer),
        None => {
            buffer.set_stringn(inner.x, inner.y, "\u{2026}", 1, model.theme.dim());
        }
    }
}

/// Draws a menu in the middle.
pub(super) fn list(model: &Model, list: &List, layout: &Layout, buffer: &mut Buffer) {
    let body = layout.body;
    let longest = list
        .items
        .iter()
        .map(|item| item.label.chars().count())
        .max()
        .unwrap_or(0);
    let width = (longest.max(list.title.len() + 4) as u16)
        .saturating_add(4)
        .min(body.width);
    let height = (list.items.len() as u16)
        .saturating_add(2)
        .clamp(3, body.height.max(3));
    let area = Rect::new(
        body.x + (body.width - width) / 2,
        body.y + body.height.saturating_sub(height) / 2,
        width,
        height,
    )
    .intersection(body);
    let inner = frame(list.title, area, model, buffer);
    if list.items.is_empty() {
        Line::styled("nothing", model.theme.dim()).render(inner, buffer);
        return;
    }
    let width = usize::from(inner.width).saturating_sub(1);
    let label = |item: &ListItem| format!(" {}", cells::clip(&item.label, width));
    let items =
        widgets::List::new(list.items.iter().map(label)).highlight_style(model.theme.selected());
    let mut state = ListState::default().with_selected(Some(list.selected));
    StatefulWidget::render(items, inner, buffer, &mut state);
}

/// Draws a text over the view.
pub(super) fn text(model: &Model, pane: &TextPane, layout: &Layout, buffer: &mut Buffer) {
    let inner = frame(&pane.title, layout.body, model, buffer);
    let rows = usize::from(inner.height);
    let lines = pane.lines.iter().skip(pane.top).take(rows);
    let heading = |line| match pane.value {
        Some(_) => None,
        None => str::strip_prefix(line, "# "),
    };
    let styled = lines.map(|line| match heading(line) {
        Some(heading) => Line::styled(heading, model.theme.title()),
        None => Line::raw(line),
    });
    Paragraph::new(styled.collect::<Vec<_>>()).render(inner, buffer);
}

/// Draws the input line in the last line of the screen, with suggestions above. Returns the
/// position of the caret.
pub(super) fn prompt(
    model: &Model,
    prompt: &Prompt,
    layout: &Layout,
    buffer: &mut Buffer,
) -> (u16, u16) {
    let theme = model.theme;
    let row = layout.status;
    buffer.set_stringn(
        row.x,
        row.y,
        " ".repeat(usize::from(row.width)),
        usize::from(row.width),
        Style::new(),
    );
    let label = match prompt.purpose {
        Purpose::Filter => "filter: ",
        Purpose::Search => "search: ",
        Purpose::Within => "rows containing:  ",
        Purpose::Note => "note: ",
        Purpose::Save => "save to (.scap, .txt, .json): ",
        Purpose::SaveText(_) => "save the text to (.txt): ",
    };
    let (start, _) = buffer.set_stringn(row.x, row.y, label, usize::from(row.width), theme.title());
    let room = usize::from(row.right().saturating_sub(start))
        .saturating_sub(1)
        .max(1);
    // A long line is scrolled to the caret.
    let column = prompt.column();
    let hidden = column.saturating_sub(room);
    let mut skipped = 0;
    let mut visible = prompt.text.as_str();
    while skipped < hidden {
        let Some(c) = visible.chars().next() else {
            break;
        };
        skipped += unicode_width::UnicodeWidthChar::width(c).unwrap_or(0);
        visible = &visible[c.len_utf8()..];
    }
    let text = cells::clip(visible, room);
    buffer.set_stringn(start, row.y, text, room, Style::new());
    let caret = start + (column - skipped).min(room) as u16;
    if let Some((span, message)) = &prompt.error {
        let above = row.y.saturating_sub(2);
        clear_row(buffer, row, above);
        clear_row(buffer, row, above + 1);
        let at = unicode_width::UnicodeWidthStr::width(
            &prompt.text[..span.start.min(prompt.text.len())],
        );
        let at = (at.saturating_sub(skipped)).min(room) as u16;
        let len = span
            .len()
            .clamp(1, room.saturating_sub(usize::from(at)).max(1));
        buffer.set_stringn(start + at, above + 1, "v".repeat(len), room, theme.bad());
        let message = cells::clip(message, usize::from(row.width));
        buffer.set_stringn(row.x, above, message, usize::from(row.width), theme.bad());
    } else if !prompt.suggestions.is_empty() {
        let above = row.y.saturating_sub(1);
        clear_row(buffer, row, above);
        let mut x = row.x;
        // Keeps the selected suggestion visible.
        let first = prompt.chosen.saturating_sub(2);
        for (at, suggestion) in prompt.suggestions.iter().enumerate().skip(first) {
            if x >= row.right() {
                break;
            }
            let style = if at == prompt.chosen {
                theme.selected()
            } else {
                theme.dim()
            };
            let left = usize::from(row.right() - x);
            let shown = cells::clip(suggestion, left.min(48));
            let (end, _) = buffer.set_stringn(x, above, shown, left, style);
            x = end + 2;
        }
    }
    (caret.min(row.right().saturating_sub(1)), row.y)
}

fn clear_row(buffer: &mut Buffer, like: Rect, y: u16) {
    let width = usize::from(like.width);
    buffer.set_stringn(like.x, y, " ".repeat(width), width, Style::new());
}
