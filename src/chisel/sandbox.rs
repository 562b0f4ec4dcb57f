//! The sandbox: scripts can compute, within limits, and print.
//!
//! Bytecode, `ffi` and C libraries are unavailable, since they would bypass the sandbox.
//! Instructions are counted once a call has lasted for a while ([`super::watch`]).

use std::cell::{Cell, RefCell};
use std::ffi::c_int;
use std::fs::File;
use std::path::{Component, Path, PathBuf};
use std::rc::Rc;
use std::sync::OnceLock;

use mlua::{Function, Lua, LuaOptions, MultiValue, StdLib, Value, ffi};

use super::error::ApiError;
use super::output::Output;
use super::raw;
use super::script_state::ScriptState;
use crate::files;

/// The permissions and limits of scripts.
#[derive(Clone, Debug)]
pub struct Policy {
    /// The directory in which they may write and read files; `None` = no files.
    pub output: Option<PathBuf>,
    /// The script is loaded only for its metadata: files that it opens while it loads are not there, but
    /// can be written and read.
    pub describes: bool,
    /// No restrictions: files, programs, C libraries.
    pub unrestricted: bool,
    /// Memory limit of one script, in bytes.
    pub memory: usize,
    /// Limit of Lua instructions for one call into the script.
    pub instructions: u64,
}

impl Default for Policy {
    fn default() -> Self {
        Self {
            output: None,
            describes: false,
            unrestricted: false,
            memory: 512 << 20,
            instructions: 2_000_000_000,
        }
    }
}

/// Instructions between two checks of the limit.
pub(super) const STEP: c_int = 1_000_000;

thread_local! {
    /// Remaining instructions of the current call. A thread runs one script at a time.
    static LEFT: Cell<u64> = const { Cell::new(0) };
}

/// Sets the limit of instructions for the next call into a script.
#[inline]
pub(super) fn allow(instructions: u64) {
    LEFT.set(instructions.max(1));
}

/// Returns true if the last call reached the limit of instructions.
pub(super) fn is_exhausted() -> bool {
    LEFT.get() == 0
}

/// Raises the error that the limit of instructions is reached. From then on every instruction
/// fails, so that a `pcall` of the script cannot continue.
///
/// Lua calls it with a valid state, and expects it to raise an error or return.
pub(super) unsafe extern "C-unwind" fn count(state: *mut ffi::lua_State, _: *mut ffi::lua_Debug) {
    let left = LEFT.get().saturating_sub(STEP.unsigned_abs().into());
    LEFT.set(left);
    // SAFETY: the state is the one that runs.
    unsafe { set_compiler(state, false) };
    if left == 0 {
        // SAFETY: the state is the one that runs; the error leaves this function, which owns nothing.
        unsafe {
            ffi::lua_sethook(state, Some(count), ffi::LUA_MASKCOUNT, 1);
            ffi::lua_pushstring(state, c"too many instructions".as_ptr());
            ffi::lua_error(state);
        }
    }
}

/// Turns the just-in-time compiler off and discards compiled code, or turns it on if that is
/// allowed. With the count hook set, compiled code exits at every loop iteration, which is five
/// times slower than the interpreter.
///
/// # Safety
///
/// The state is alive.
pub(super) unsafe fn set_compiler(state: *mut ffi::lua_State, on: bool) {
    // From `luajit.h`.
    const ENGINE: c_int = 0;
    const OFF: c_int = 0;
    const ON: c_int = 0x100;
    const FLUSH: c_int = 0x200;
    unsafe extern "C-unwind" {
        fn luaJIT_setmode(state: *mut ffi::lua_State, index: c_int, mode: c_int) -> c_int;
    }
    let modes = match on {
        true if compiler_checks_hooks() => &[ENGINE | ON][..],
        true => &[],
        false => &[ENGINE | OFF, ENGINE | FLUSH],
    };
    for mode in modes {
        // SAFETY: any Lua code can do the same by `jit.on`, `jit.off` and `jit.flush`, in a hook, too.
        unsafe { luaJIT_setmode(state, 0, *mode) };
    }
}

/// Returns true if compiled code checks hooks, so that endless loops in it can be interrupted: that
/// depends on the build of LuaJIT (`LUAJIT_ENABLE_CHECKHOOK`, see `.cargo/config.toml`). Tested
/// once.
fn compiler_checks_hooks() -> bool {
    static CHECKS: OnceLock<bool> = OnceLock::new();
    *CHECKS.get_or_init(|| try_hook().unwrap_or(false))
}

/// Compiles a loop, sets a hook, and runs the loop again: returns true if the hook was called.
fn try_hook() -> mlua::Result<bool> {
    const LOOP: &str =
        "local function spin(n) local x = 0 for i = 1, n do x = x + i end return x end
                        for _ = 1, 100 do spin(1000) end return spin";
    let lua = Lua::new();
    let spin: Function = lua.load(LOOP).eval()?;
    let called = Rc::new(Cell::new(false));
    let note = Rc::clone(&called);
    let triggers = mlua::HookTriggers::new().every_nth_instruction(10_000);
    lua.set_hook(triggers, move |_, _| {
        note.set(true);
        Ok(mlua::VmState::Continue)
    })?;
    spin.call::<()>(100_000)?;
    Ok(called.get())
}

/// Creates a Lua state for a script.
pub(super) fn lua(shared: &Rc<ScriptState>) -> mlua::Result<Lua> {
    let policy = &shared.run.policy;
    // No C library is loaded before the script runs; a strict sandbox removes `debug` and `ffi`.
    let libraries = if policy.unrestricted {
        StdLib::ALL
    } else {
        StdLib::ALL_SAFE | StdLib::DEBUG
    };
    // SAFETY: what is unsafe of these libraries (`debug`, `ffi`, loading of C) is taken away below, before
    // any script runs, unless the user lifted the restrictions.
    let lua = unsafe { Lua::unsafe_new_with(libraries, LuaOptions::new()) };
    if !compiler_checks_hooks() {
        lua.load("jit.off() jit.flush()").exec()?;
    }
    lua.set_memory_limit(policy.memory)?;
    let host = lua.create_table()?;
    host.set("put", raw::bind(&lua, Rc::as_ptr(shared), raw::put)?)?;
    host.set("put_error", error_writer(&lua, shared)?)?;
    let run = shared.run.clone();
    let flush = lua.create_function(move |_, ()| {
        run.print(Output::flush);
        Ok(())
    })?;
    host.set("flush", flush)?;
    let deny = lua.create_function(|_, what: String| -> mlua::Result<()> {
        let message = format!(
            "{what} is not allowed in a chisel (`--chisel-unsafe` allows it, for scripts you trust)"
        );
        Err(ApiError::Denied(message).into())
    })?;
    host.set("deny", deny)?;
    let own = shared.clone();
    let exit = lua.create_function(move |_, code: Option<f64>| -> mlua::Result<()> {
        own.exited.set(Some(code.unwrap_or(0.0) as i32));
        Err(ApiError::Misuse("the script called os.exit").into())
    })?;
    host.set("exit", exit)?;
    let own = shared.clone();
    let held = RefCell::new(None);
    let path = lua.create_function(move |lua, (name, mode): (mlua::LuaString, String)| {
        if own.run.policy.unrestricted {
            return Ok((Value::String(name), Value::Nil));
        }
        let reads = mode.starts_with('r') && !mode.contains('+');
        match file(own.run.policy.output.as_deref(), &name.to_string_lossy()) {
            Ok(mut path) => {
                // The lock of the file before ends here.
                held.take();
                if !reads && let Some(file) = prepare(&path, &mode)? {
                    // This very file, whatever is at its name when Lua opens it.
                    path = files::path_of(&file);
                    held.replace(Some(file));
                }
                Ok((
                    Value::String(lua.create_string(path.as_os_str().as_encoded_bytes())?),
                    Value::Nil,
                ))
            }
            // A script that tries to read a file gets an error result.
            Err(why) if reads => Ok((
                Value::Nil,
                Value::String(lua.create_string(why.to_string())?),
            )),
            Err(why) => Err(why.into()),
        }
    })?;
    host.set("path", path)?;
    let own = shared.clone();
    let make_dir = lua.create_function(move |_, name: String| {
        let path = file(own.run.policy.output.as_deref(), &name)?;
        Ok(i32::from(files::create_dir(&path).is_err()))
    })?;
    host.set("make_dir", make_dir)?;
    let own = shared.clone();
    let module = lua.create_function(move |lua, name: String| module(lua, &own, &name))?;
    host.set("module", module)?;
    host.set("describes", policy.describes)?;
    let prelude = lua
        .load(include_str!("sandbox.lua"))
        .set_name("=sandbox")
        .into_function()?;
    prelude.call::<()>((host, !policy.unrestricted))?;
    if policy.unrestricted {
        search_directories(&lua, shared)?;
    }
    // SAFETY: the closure takes nothing from the stack and leaves nothing on it.
    unsafe { lua.exec_raw::<()>((), |state| shared.state.set(state)) }?;
    Ok(lua)
}

/// Creates the function that prints its arguments to standard error.
fn error_writer(lua: &Lua, shared: &Rc<ScriptState>) -> mlua::Result<Function> {
    let shared = shared.clone();
    lua.create_function(move |lua, values: MultiValue| {
        for value in values {
            let Some(text) = lua.coerce_string(value)? else {
                return Err(ApiError::Misuse("only texts and numbers can be written").into());
            };
            shared.run.write_error(&text.as_bytes());
        }
        Ok(())
    })
}

/// Finds and compiles a required module.
fn module(lua: &Lua, shared: &Rc<ScriptState>, name: &str) -> mlua::Result<Function> {
    let found = shared.run.registry.module(name, &shared.script);
    let script = found.map_err(|_| {
        ApiError::Denied(format!(
            "module '{name}' is in none of the chisels' directories"
        ))
    })?;
    shared.compile(lua, &script)
}

/// Makes `require` search the locations of scripts, also for unrestricted scripts.
fn search_directories(lua: &Lua, shared: &Rc<ScriptState>) -> mlua::Result<()> {
    let own = shared.clone();
    let searcher =
        lua.create_function(move |lua, name: String| match module(lua, &own, &name) {
            Ok(loader) => Ok(Value::Function(loader)),
            Err(error) => Ok(Value::String(lua.create_string(format!("\n\t{error}"))?)),
        })?;
    let package: mlua::Table = lua.globals().get("package")?;
    let loaders: mlua::Table = package.get("loaders")?;
    loaders.push(searcher)
}

/// Makes the file that Lua's `io.open` opens for writing, so that it is like every file of the program.
/// `None`: there is none, and the mode makes none.
fn prepare(path: &Path, mode: &str) -> Result<Option<File>, ApiError> {
    let made = match mode.as_bytes().first() {
        Some(b'w') => files::create(path).map(Some),
        Some(b'a') => files::append(path).map(Some),
        _ => files::change(path),
    };
    made.map_err(|error| {
        ApiError::Denied(format!("cannot write the file {}: {error}", path.display()))
    })
}

/// Returns the path of a file that a script may use: inside of the output directory, with links
/// resolved.
fn file(dir: Option<&Path>, name: &str) -> Result<PathBuf, ApiError> {
    let refused = |why: &str| ApiError::Denied(format!("cannot use the file {name}: {why}"));
    let Some(dir) = dir else {
        return Err(refused(
            "a chisel can only use files in the directory of `--chisel-output`",
        ));
    };
    let dir = dir
        .canonicalize()
        .map_err(|error| refused(&format!("{}: {error}", dir.display())))?;
    let relative = Path::new(name);
    let relative = relative.strip_prefix(&dir).unwrap_or(relative);
    let is_below = |part: Component<'_>| matches!(part, Component::Normal(_) | Component::CurDir);
    if name.is_empty() || !relative.components().all(is_below) {
        return Err(refused("it is not in the directory of `--chisel-output`"));
    }
    let path = dir.join(relative);
    let parent = path.parent().unwrap_or(&dir).canonicalize();
    let is_below = parent.is_ok_and(|parent| parent.starts_with(&dir));
    if !is_below || path.is_symlink() {
        return Err(refused(
            "its directory does not exist, or a link points outside of `--chisel-output`",
        ));
    }
    Ok(path)
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn files_are_below_the_directory() {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path().canonicalize().unwrap();
        fs::create_dir(root.join("sub")).unwrap();
        std::os::unix::fs::symlink("/tmp", root.join("out")).unwrap();
        std::os::unix::fs::symlink("/etc/passwd", root.join("link")).unwrap();
        let file = |name: &str| file(Some(dir.path()), name).ok();
        assert_eq!(file("a"), Some(root.join("a")));
        assert_eq!(file("sub/a"), Some(root.join("sub/a")));
        assert_eq!(
            file(root.join("sub/a").to_str().unwrap()),
            Some(root.join("sub/a"))
        );
        for name in [
            "",
            "/etc/passwd",
            "../a",
            "sub/../../a",
            "out/a",
            "link",
            "none/a",
        ] {
            assert_eq!(file(name), None, "{name}");
        }
        assert!(super::file(None, "a").is_err());
    }
}
