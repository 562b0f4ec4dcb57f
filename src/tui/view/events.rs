//! Draws the event list.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

use crate::inspect::page::Line;
use crate::tui::cells;
use crate::tui::model::Model;

/// Draws the list.
pub(super) fn draw(model: &Model, area: Rect, buffer: &mut Buffer) {
    if area.is_empty() {
        return;
    }
    let list = &model.events;
    let theme = model.theme;
    let has_containers = list
        .page
        .lines
        .iter()
        .any(|line| !line.container.is_empty());
    let largest = list.page.lines.iter().map(|line| line.num).max();
    let digits = largest.map_or(0, |num| num.to_string().len());
    let columns = columns(area.width, has_containers, digits.max(9));
    let mut x = area.x;
    for (title, width) in &columns {
        let left = usize::from(area.right().saturating_sub(x));
        buffer.set_stringn(x, area.y, title, left.min(*width), theme.title());
        x = x.saturating_add(*width as u16 + 1).min(area.right());
    }
    let rows = u64::from(area.height - 1);
    if list.is_there && list.page.lines.is_empty() && model.pending.page.is_none() {
        let text = "no events";
        buffer.set_stringn(
            area.x,
            area.y + 1,
            text,
            usize::from(area.width),
            theme.dim(),
        );
        return;
    }
    for row in 0..rows {
        let at = list.top.saturating_add(row);
        let y = area.y + 1 + row as u16;
        let Some(line) = list.line(at).filter(|_| list.is_there) else {
            if at < model.listed() || !list.is_there {
                buffer.set_stringn(area.x, y, "\u{b7}", 1, theme.dim());
            }
            continue;
        };
        draw_line(
            line,
            &columns,
            theme.tone(line.tone),
            Rect::new(area.x, y, area.width, 1),
            buffer,
        );
        if at == list.selected {
            buffer.set_style(Rect::new(area.x, y, area.width, 1), theme.selected());
        }
        if model
            .notes
            .list
            .iter()
            .any(|note| note.event == Some(line.num))
        {
            buffer.set_string(area.x, y, "\u{25c6}", theme.notable());
        }
    }
}

/// Returns title and width of the columns; the last one gets the remaining width.
fn columns(width: u16, has_containers: bool, digits: usize) -> Vec<(&'static str, usize)> {
    let mut columns = vec![("NUM", digits), ("TIME", 15)];
    if width >= 110 {
        columns.push(("CPU", 3));
    }
    if has_containers && width >= 100 {
        columns.push(("CONTAINER", 14));
    }
    columns.push(("PROCESS", if width >= 100 { 22 } else { 16 }));
    columns.push(("LATENCY", 8));
    columns.push(("CALL", if width >= 100 { 16 } else { 11 }));
    let used: usize = columns.iter().map(|c| c.1 + 1).sum();
    columns.push(("ARGUMENTS", usize::from(width).saturating_sub(used)));
    columns
}

fn draw_line(
    line: &Line,
    columns: &[(&str, usize)],
    style: ratatui::style::Style,
    area: Rect,
    buffer: &mut Buffer,
) {
    let mut x = area.x;
    for (title, width) in columns {
        let text = match *title {
            "NUM" => format!("{:>width$}", line.num),
            "TIME" => cells::time(line.ts),
            "CPU" => format!("{:>width$}", line.cpu),
            "CONTAINER" => cells::clip(&line.container, *width),
            "PROCESS" => {
                let id = format!(" {}", line.tid);
                let name = width.saturating_sub(id.len());
                format!("{}{id}", cells::clip(&line.comm, name))
            }
            "LATENCY" => {
                let latency = line.latency.map_or(String::new(), cells::duration);
                format!("{latency:>width$}")
            }
            "CALL" => {
                let direction = if line.enter { ">" } else { "" };
                cells::clip(&format!("{direction}{}", line.name), *width)
            }
            _ => cells::clip(&line.args, *width),
        };
        let left = usize::from(area.right().saturating_sub(x));
        buffer.set_stringn(x, area.y, text, left.min(*width), style);
        x = x.saturating_add(*width as u16 + 1).min(area.right());
    }
}
