//! The menu of views: built-in ones, and those described by scripts.

use super::list;
use crate::stats::table::View;
use crate::tui::cells;
use crate::tui::message::{Command, Request};
use crate::tui::model::{Choice, ListItem, Model, Overlay};
use crate::tui::view::{TABS, tab};

/// The title of the list of views.
const VIEWS: &str = "views";

/// Opens the menu. Scripts are loaded when it is opened for the first time.
pub(super) fn open(model: &mut Model) -> Vec<Command> {
    let item = |(view, name): &(View, &'static str)| ListItem {
        label: format!("{name:14} {}", view.help()),
        choice: Choice::Show(*view),
    };
    let items = TABS.iter().map(item).collect();
    let selected = tab(model);
    list(model, VIEWS, items, selected.unwrap_or(0));
    match model.scripts.views {
        Some(_) => list_scripts(model),
        None => vec![model.ask(Request::Views)],
    }
}

/// Adds scripted views to the menu of views, if it is open.
pub(super) fn list_scripts(model: &mut Model) -> Vec<Command> {
    let (Some(Overlay::List(list)), Some(views)) = (model.layers.last_mut(), &model.scripts.views)
    else {
        return Vec::new();
    };
    let item = |(view, name, help): (View, &str, &str)| ListItem {
        label: format!("{:24} {}", cells::clip(name, 24), cells::clip(help, 400)),
        choice: Choice::Show(view),
    };
    let items: Vec<ListItem> = views.iter().map(item).collect();
    if list.title != VIEWS || items.is_empty() || list.items.len() > TABS.len() {
        return Vec::new();
    }
    list.items.push(ListItem {
        label: "\u{2500}\u{2500} from scripts \u{2500}\u{2500}".to_owned(),
        choice: Choice::Heading,
    });
    list.items.extend(items);
    let shown = list.items.iter();
    let mut shown = shown.map(|item| item.choice == Choice::Show(model.view));
    list.selected = shown.position(|is_it| is_it).unwrap_or(list.selected);
    Vec::new()
}
