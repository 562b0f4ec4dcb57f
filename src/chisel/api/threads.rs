//! The threads, with their fds, as a Lua table.

use std::rc::Rc;

use mlua::{Function, Lua, MultiValue, Table};

use crate::chisel::call_context::HostState;
use crate::chisel::error::ApiError;
use crate::chisel::script_state::ScriptState;
use crate::event::Tid;
use crate::fields::items;
use crate::filter::Filter;
use crate::state::{FdInfo, FdKind, L4, Role, Thread};

/// The members of a table.
#[derive(Clone, Copy, Debug)]
pub(super) struct Parts {
    /// All members beyond the ids.
    facts: bool,
    /// The fds.
    fds: bool,
}

/// The functions that return a table of threads.
pub(super) const VARIANTS: &[(&str, Parts)] = &[
    (
        "get_thread_table",
        Parts {
            facts: true,
            fds: true,
        },
    ),
    (
        "get_thread_table_nofds",
        Parts {
            facts: true,
            fds: false,
        },
    ),
    (
        "get_thread_table_barebone",
        Parts {
            facts: false,
            fds: true,
        },
    ),
    (
        "get_thread_table_barebone_nofds",
        Parts {
            facts: false,
            fds: false,
        },
    ),
];

/// Returns the threads of which an fd matches the filter, with the matching fds; all threads
/// without a filter.
pub(super) fn table(
    lua: &Lua,
    script: &Rc<ScriptState>,
    filter: Option<&str>,
    parts: Parts,
) -> mlua::Result<Table> {
    let filter = compile(filter)?;
    let found = script
        .call_context
        .world(|world| threads(lua, script, world, filter, parts));
    found.unwrap_or_else(|| Err(not_open().into()))
}

/// Returns an iterator over the processes of which an fd matches the filter, in the order of their ids: a row of their main thread
/// at a time. A table of all of them can need more memory than a script may use.
pub(super) fn processes(
    lua: &Lua,
    script: &Rc<ScriptState>,
    filter: Option<&str>,
) -> mlua::Result<Function> {
    let parts = Parts {
        facts: true,
        fds: true,
    };
    let mut filter = compile(filter)?;
    let living = |world: HostState<'_>| {
        let threads = world.state.threads().filter(|t| !t.dead && t.is_main());
        let mut tids: Vec<Tid> = threads.map(|thread| thread.tid).collect();
        tids.sort_unstable();
        tids
    };
    let tids = script.call_context.world(living).ok_or_else(not_open)?;
    let mut tids = tids.into_iter();
    let script = Rc::clone(script);
    lua.create_function_mut(move |lua, _: MultiValue| {
        for tid in tids.by_ref() {
            let row = script.call_context.world(|world| {
                let thread = world.state.thread(tid)?;
                let script = &script;
                let maker = Maker { lua, script, world };
                maker.row(thread, &mut filter, parts).transpose()
            });
            if let Some(row) = row.flatten() {
                return row.map(Some);
            }
        }
        Ok(None)
    })
}

const fn not_open() -> ApiError {
    ApiError::Misuse("the capture is not open yet")
}

/// Compiles the filter of a script; `None` without one.
fn compile(text: Option<&str>) -> Result<Option<Filter>, ApiError> {
    let Some(text) = text.map(str::trim).filter(|text| !text.is_empty()) else {
        return Ok(None);
    };
    let failed = |error| ApiError::Filter {
        text: text.to_owned(),
        error: Box::new(error),
    };
    let filter = Filter::parse(text).map_err(failed)?;
    if !filter.is_thread_scoped() {
        let misuse = "a filter for threads cannot use fields of an event";
        return Err(ApiError::Misuse(misuse));
    }
    Ok(Some(filter))
}

fn threads(
    lua: &Lua,
    script: &ScriptState,
    world: HostState<'_>,
    mut filter: Option<Filter>,
    parts: Parts,
) -> mlua::Result<Table> {
    let table = lua.create_table()?;
    let maker = Maker { lua, script, world };
    for thread in world.state.threads().filter(|thread| !thread.dead) {
        if let Some(row) = maker.row(thread, &mut filter, parts)? {
            table.raw_set(thread.tid.0 as f64, row)?;
        }
    }
    Ok(table)
}

struct Maker<'a> {
    lua: &'a Lua,
    script: &'a ScriptState,
    world: HostState<'a>,
}

impl Maker<'_> {
    fn text(&self, text: &[u8]) -> mlua::Result<mlua::LuaString> {
        self.script.run.handed(text);
        self.lua.create_string(text)
    }

    /// Makes the row of a thread with its fds; `None` if none of them matches the filter.
    fn row(
        &self,
        thread: &Thread,
        filter: &mut Option<Filter>,
        parts: Parts,
    ) -> mlua::Result<Option<Table>> {
        let fds = self.lua.create_table()?;
        let mut passes = filter.is_none();
        if parts.fds || filter.is_some() {
            for (number, info) in self.world.state.fds(thread.tid) {
                if let Some(filter) = filter {
                    let HostState { state, session, .. } = self.world;
                    if !filter.matches_thread(state, session, thread, Some(number)) {
                        continue;
                    }
                    passes = true;
                }
                if parts.fds {
                    fds.raw_set(number as f64, self.fd(info, parts)?)?;
                }
            }
        }
        if !passes {
            return Ok(None);
        }
        let row = self.thread(thread, parts)?;
        row.raw_set("fdtable", fds)?;
        Ok(Some(row))
    }

    fn thread(&self, thread: &Thread, parts: Parts) -> mlua::Result<Table> {
        let row = self.lua.create_table()?;
        row.raw_set("tid", thread.tid.0 as f64)?;
        row.raw_set("pid", thread.pid.0 as f64)?;
        if !parts.facts {
            return Ok(row);
        }
        // Unknown values are all ones in 32 bits, as in sysdig.
        let number = |n: i64| f64::from(n as u32);
        let state = self.world.state;
        let main = state.thread(Tid(thread.pid.0)).unwrap_or(thread);
        row.raw_set("ptid", thread.ptid.0 as f64)?;
        row.raw_set(
            "comm",
            self.text(thread.comm.as_deref().unwrap_or_default())?,
        )?;
        row.raw_set("exe", self.text(thread.exe.as_deref().unwrap_or_default())?)?;
        row.raw_set("flags", 0)?;
        row.raw_set("fdlimit", number(main.fdlimit))?;
        row.raw_set("uid", f64::from(thread.uid))?;
        row.raw_set("gid", f64::from(thread.gid))?;
        let children = state.threads_of(thread.pid).saturating_sub(1);
        row.raw_set("nchilds", if thread.is_main() { children } else { 0 })?;
        for (name, value) in ["vmsize_kb", "vmrss_kb", "vmswap_kb"]
            .iter()
            .zip(thread.memory_kb)
        {
            row.raw_set(*name, f64::from(value))?;
        }
        for (name, value) in ["pfmajor", "pfminor"].iter().zip(thread.faults) {
            row.raw_set(*name, value as f64)?;
        }
        let began = thread.began(self.world.session.boot_time()).unwrap_or(0);
        row.raw_set("clone_ts", began.to_string())?;
        let user = state.user(thread.container.as_deref(), thread.uid);
        let user = user
            .map(|u| &*u.name)
            .or((thread.uid == 0).then_some(b"root"));
        row.raw_set("username", self.text(user.unwrap_or(b"<NA>"))?)?;
        for (name, list) in [("args", &main.args), ("env", &main.env)] {
            let list = list.as_deref().unwrap_or_default();
            let texts = items(list).map(|item| self.text(item));
            let texts = texts.collect::<mlua::Result<Vec<_>>>()?;
            row.raw_set(name, self.lua.create_sequence_from(texts)?)?;
        }
        Ok(row)
    }

    fn fd(&self, info: &FdInfo, parts: Parts) -> mlua::Result<Table> {
        let row = self.lua.create_table()?;
        // Sysdig drops unprintable characters, which makes it the name of another file.
        row.raw_set("name", self.text(&info.name)?)?;
        if parts.facts {
            row.raw_set("type", info.kind.word().unwrap_or("<NA>"))?;
        }
        if !matches!(info.kind, FdKind::Ipv4 | FdKind::Ipv6) {
            return Ok(row);
        }
        let (client, server) = match info.ends {
            Some((client, server)) => (Some(client), Some(server)),
            None => (None, info.bound),
        };
        let ends = [("sip", "sport", server), ("cip", "cport", client)];
        for (address, port, end) in ends {
            if let Some(end) = end {
                row.raw_set(address, end.ip().to_string())?;
                row.raw_set(port, end.port())?;
            }
        }
        row.raw_set(
            "is_server",
            info.role == Role::Server || info.ends.is_none(),
        )?;
        row.raw_set(
            "l4proto",
            match info.l4 {
                L4::Tcp => "tcp",
                L4::Udp => "udp",
                L4::Icmp => "icmp",
                L4::Raw => "raw",
                L4::Unknown => "<NA>",
            },
        )?;
        Ok(row)
    }
}
