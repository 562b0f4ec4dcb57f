//! The help, generated from the key bindings and the descriptions of the views.

use crate::rules::Priority;
use crate::stats::table::View;
use crate::tui::cells;
use crate::tui::keys::{BINDINGS, Context};
use crate::tui::model::{Model, Overlay, TextPane};

/// Makes the help on keys.
pub(super) fn keys() -> Overlay {
    let mut lines = Vec::new();
    for context in Context::ALL {
        lines.push(format!("# {}", context.title()));
        for binding in BINDINGS.iter().filter(|b| b.context == context) {
            let keys: Vec<String> = binding.keys.iter().map(|key| name(key)).collect();
            lines.push(format!("  {:20} {}", keys.join("  "), binding.help));
        }
        lines.push(String::new());
    }
    lines.push("# mouse".to_owned());
    for line in [
        "wheel                over the timeline zooms, elsewhere scrolls",
        "drag                 over the timeline selects a time range, in the spectrogram a rectangle",
        "click                selects; on a title sorts; on a tab shows the view",
        "double click         drills down or opens, like Enter",
    ] {
        lines.push(format!("  {line}"));
    }
    Overlay::Text(TextPane {
        title: "keys".to_owned(),
        lines,
        top: 0,
        value: None,
    })
}

/// Returns the printed name of a key.
fn name(key: &str) -> String {
    let inner = key.strip_prefix('<').and_then(|key| key.strip_suffix('>'));
    match inner {
        Some(inner) => inner.replace("C-", "Ctrl-").replace("S-", "Shift-"),
        None => key.to_owned(),
    }
}

/// Makes the help on the displayed view.
pub(super) fn view(model: &Model) -> Overlay {
    let view = model.view;
    let (title, help) = model
        .scripts
        .describe(view)
        .unwrap_or((view.title(), view.help()));
    let safe = |text: &str| cells::clip(text, 4096);
    let mut lines = vec![safe(help), String::new()];
    if let Some(table) = &model.pane.table {
        lines.push("# columns".to_owned());
        let columns = table.columns.iter().enumerate();
        for (_, column) in columns.filter(|(at, _)| !model.pane.is_hidden(*at)) {
            let field = column
                .field
                .map_or(String::new(), |field| format!(" ({field})"));
            lines.push(safe(&format!(
                "  {:12} {}{field}",
                column.title, column.help
            )));
        }
        if table.rows.iter().any(|row| row.life.is_some()) {
            lines.push(
                "  LIFE         Its lifetime on the time axis of the range: \u{251c} and \u{2524} are ends that were seen."
                    .to_owned(),
            );
        }
        lines.push(String::new());
    }
    if matches!(view, View::Alerts | View::AlertList) {
        lines.push("# letters of the lane".to_owned());
        for priority in Priority::ALL {
            let (_, letter) = model.theme.alert(priority);
            lines.push(format!("  {letter:12} {}", priority.name()));
        }
        lines.push(String::new());
    }
    if view == View::Overview {
        lines.push("# tiles and their filters".to_owned());
        for tile in crate::stats::table::TILES {
            lines.push(format!("  {:24} {}", tile.title, tile.filter));
        }
        lines.push(String::new());
    }
    let filter = model.filter();
    if !filter.is_empty() {
        lines.push("# filter".to_owned());
        lines.push(format!("  {}", cells::clip(&filter, 4096)));
    }
    Overlay::Text(TextPane {
        title: safe(title),
        lines,
        top: 0,
        value: None,
    })
}
