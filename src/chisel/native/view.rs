//! A view as a chisel: its table is printed like `csysdig` does.

use std::rc::Rc;

use crate::chisel::call_context::HostState;
use crate::chisel::instance::Chisel;
use crate::chisel::options::Options;
use crate::chisel::run::Run;
use crate::chisel::view::{ViewError, ViewInfo, ViewKind, ViewOptions, ViewTable};
use crate::filter::Filter;

/// Nanoseconds between two tables of live events.
pub(super) const EVERY: u64 = 2_000_000_000;

/// A view with its table.
pub(in crate::chisel) struct View {
    pub(in crate::chisel) table: ViewTable,
    /// The drill-down target of its rows, for JSON.
    pub(in crate::chisel) target: Option<ViewInfo>,
    /// The time of the last table, in nanoseconds since the epoch; 0 = none yet.
    since: u64,
}

impl View {
    /// Makes the empty table of a view.
    pub(in crate::chisel) fn new(info: ViewInfo, run: &Run) -> Result<Self, ViewError> {
        let options = ViewOptions {
            containers: run.shows_containers,
            depth: 0,
        };
        let target = if run.json && info.kind == ViewKind::Table {
            let quiet = Options::quiet(run.registry.clone(), run.policy.clone());
            let views = views(&Rc::new(Run::new(quiet)));
            info.target(&views, options).cloned()
        } else {
            None
        };
        let outer = run.filter.borrow().0.clone();
        let outer = outer.and_then(|text| {
            let filter = Filter::parse(&text).ok()?;
            Some((text, filter))
        });
        Ok(Self {
            table: ViewTable::new(info, options, outer)?,
            target,
            since: 0,
        })
    }

    /// Prints the table; returns the number of omitted events.
    pub(super) fn print(
        &mut self,
        out: &mut Vec<u8>,
        world: &HostState<'_>,
        (first, last): (u64, u64),
        json: bool,
    ) -> u64 {
        let first = first.max(self.since);
        self.since = last;
        let rows = self.table.end(world.state, world.session, first, last);
        // Writing into a Vec cannot fail.
        let _written = match json {
            true => rows.write_json(out, self.target.as_ref()),
            false => rows.write_raw(out),
        };
        rows.left_out()
    }
}

/// Loads all available views, ordered by name.
pub(in crate::chisel) fn views(run: &Rc<Run>) -> Vec<ViewInfo> {
    let scripts = run.registry.all().into_iter();
    let may_be_view = |text: &[u8]| memchr::memmem::find(text, b"view_info").is_some();
    let scripts = scripts.filter(|script| !script.is_nearby && may_be_view(&script.text));
    let views = scripts.filter_map(|script| {
        let chisel = Chisel::load(run, script).ok()?;
        chisel.info.is_view.then(|| chisel.view().ok())?
    });
    let mut views: Vec<ViewInfo> = views.collect();
    views.sort_by(|a, b| a.name.cmp(&b.name));
    views
}
