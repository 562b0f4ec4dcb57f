//! The registry of scripts: where they are and how a name is resolved.
//!
//! A name with a slash, or an existing file name ending in `.lua`, is a file. Any other name is
//! looked up in the directories of `SCAP_CHISEL_DIR` and `SYSDIG_CHISEL_DIR`, among the built-in
//! scripts, in `~/.chisels`, in the directory of sysdig's package, and last in `./chisels`: a capture can be in a directory
//! controlled by an attacker, whose scripts must not take the names of others. They are run only if they are named.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::env;
use std::ffi::OsStr;
use std::fs;
use std::io::Read as _;
use std::path::{Path, PathBuf};

use super::builtin;
use super::error::ChiselError;
use crate::event::suggest::similar;

/// The directory of scripts in sysdig's packages.
const SYSDIG_DIR: &str = "/usr/share/sysdig/chisels";
/// Size limit of a script, in bytes.
const MAX_LEN: u64 = 4 << 20;
/// Limit of the scripts per directory.
const MAX_SCRIPTS: usize = 10_000;

/// The text of a script and its origin.
#[derive(Clone, Debug)]
pub struct Script {
    /// Its name, without extension.
    pub name: String,
    /// Its file; `None` = built in.
    pub path: Option<PathBuf>,
    /// Its text.
    pub text: Cow<'static, [u8]>,
    /// True if it was found in `./chisels`: the current directory can be a stranger's, so it is only run if it is named.
    pub is_nearby: bool,
}

/// A location of scripts.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Place {
    Directory(PathBuf),
    BuiltIn,
    /// `./chisels`.
    Nearby,
}

/// The directory of scripts in the current directory.
const NEARBY: &str = "chisels";

/// The locations of scripts, in search order.
#[derive(Clone, Debug)]
pub struct ScriptRegistry {
    places: Vec<Place>,
}

impl ScriptRegistry {
    /// Determines the locations from the environment.
    pub fn from_environment() -> Self {
        let named = |variable: &str| env::var_os(variable).unwrap_or_default();
        let ours = named("SCAP_CHISEL_DIR");
        let sysdigs = named("SYSDIG_CHISEL_DIR");
        let mut dirs: Vec<PathBuf> = env::split_paths(&ours).collect();
        // As in sysdig: separated by semicolons, the last one first.
        let sysdigs = sysdigs.to_string_lossy();
        dirs.extend(sysdigs.split(';').rev().map(PathBuf::from));
        dirs.retain(|dir| !dir.as_os_str().is_empty());
        let mut places: Vec<Place> = dirs.into_iter().map(Place::Directory).collect();
        places.push(Place::BuiltIn);
        if let Some(home) = env::var_os("HOME").filter(|home| !home.is_empty()) {
            places.push(Place::Directory(Path::new(&home).join(".chisels")));
        }
        places.push(Place::Directory(SYSDIG_DIR.into()));
        places.push(Place::Nearby);
        Self { places }
    }

    /// Uses these directories, followed by the built-in scripts.
    pub fn of(dirs: impl IntoIterator<Item = PathBuf>) -> Self {
        let mut places: Vec<Place> = dirs.into_iter().map(Place::Directory).collect();
        places.push(Place::BuiltIn);
        Self { places }
    }

    /// Finds a script by name or path. The name of a view can omit its `v_`.
    ///
    /// # Errors
    ///
    /// [`ChiselError::NotFound`], or the error of reading the file.
    pub fn find(&self, name: &str) -> Result<Script, ChiselError> {
        let path = Path::new(name);
        if name.contains('/') || (has_extension(path) && path.is_file()) {
            return match read(path) {
                Err(ChiselError::Read { source, .. })
                    if source.kind() == std::io::ErrorKind::NotFound && !has_extension(path) =>
                {
                    read(&path.with_extension("lua"))
                }
                other => other,
            };
        }
        let name = name.strip_suffix(".lua").unwrap_or(name);
        for name in [name, &format!("v_{name}")] {
            for place in &self.places {
                if let Some(script) = place.script(name) {
                    return script;
                }
            }
        }
        let names = self.names();
        let similar = similar(name, names.keys().map(String::as_str));
        Err(ChiselError::NotFound {
            name: name.to_owned(),
            similar: similar.into_iter().map(str::to_owned).collect(),
        })
    }

    /// Finds a module that a script requires: next to the script, then in all locations.
    ///
    /// # Errors
    ///
    /// As [`Self::find`].
    pub(super) fn module(&self, name: &str, from: &Script) -> Result<Script, ChiselError> {
        // As in Lua, dots separate directories.
        let is_plain = name.split('.').all(|part| {
            let plain = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-');
            !part.is_empty() && part.bytes().all(plain)
        });
        let name = &*name.replace('.', "/");
        if is_plain
            && let Some(dir) = from.path.as_deref().and_then(Path::parent)
            && let Some(script) = Place::Directory(dir.to_owned()).script(name)
        {
            return script;
        }
        let places = self.places.iter().filter(|_| is_plain);
        for place in places {
            if let Some(script) = place.script(name) {
                return script;
            }
        }
        Err(ChiselError::NotFound {
            name: name.replace('/', "."),
            similar: Vec::new(),
        })
    }

    /// Returns all scripts, by name; of scripts with the same name the one that `find` returns.
    pub fn all(&self) -> Vec<Script> {
        let names = self.names();
        let scripts = names.iter().filter_map(|(name, place)| place.script(name));
        scripts.filter_map(Result::ok).collect()
    }

    fn names(&self) -> BTreeMap<String, &Place> {
        let mut names = BTreeMap::new();
        for place in self.places.iter().rev() {
            let dir = match place {
                Place::BuiltIn => {
                    let own = builtin::SCRIPTS.iter();
                    names.extend(own.map(|(name, _)| ((*name).to_owned(), place)));
                    continue;
                }
                Place::Directory(dir) => dir,
                Place::Nearby => Path::new(NEARBY),
            };
            let Ok(entries) = fs::read_dir(dir) else {
                continue;
            };
            for entry in entries.flatten().take(MAX_SCRIPTS) {
                let path = entry.path();
                let stem = path.file_stem().and_then(OsStr::to_str);
                if let Some(name) = stem.filter(|_| has_extension(&path)) {
                    names.insert(name.to_owned(), place);
                }
            }
        }
        names
    }
}

impl Place {
    /// Returns the script of this name in this location, if there is one.
    fn script(&self, name: &str) -> Option<Result<Script, ChiselError>> {
        match self {
            Self::BuiltIn => builtin::find(name).map(|text| {
                Ok(Script {
                    name: name.to_owned(),
                    path: None,
                    text: Cow::Borrowed(text.as_bytes()),
                    is_nearby: false,
                })
            }),
            Self::Directory(dir) => in_directory(dir, name),
            Self::Nearby => {
                let mut script = in_directory(Path::new(NEARBY), name)?;
                if let Ok(script) = &mut script {
                    script.is_nearby = true;
                }
                Some(script)
            }
        }
    }
}

fn in_directory(dir: &Path, name: &str) -> Option<Result<Script, ChiselError>> {
    let path = dir.join(format!("{name}.lua"));
    path.is_file().then(|| read(&path))
}

fn has_extension(path: &Path) -> bool {
    path.extension().is_some_and(|ext| ext == "lua")
}

fn read(path: &Path) -> Result<Script, ChiselError> {
    let failed = |source| ChiselError::Read {
        path: path.to_owned(),
        source,
    };
    let refused = |reason| ChiselError::NoScript {
        path: path.to_owned(),
        reason,
    };
    let file = fs::File::open(path).map_err(failed)?;
    if file.metadata().is_ok_and(|m| !m.is_file()) {
        return Err(refused("it is not a file"));
    }
    let mut text = Vec::new();
    file.take(MAX_LEN + 1)
        .read_to_end(&mut text)
        .map_err(failed)?;
    if text.len() as u64 > MAX_LEN {
        return Err(refused("it is larger than 4 MiB"));
    }
    if text.starts_with(b"\x1b") {
        return Err(refused("it is bytecode; only source text is run"));
    }
    let name = path.file_stem().unwrap_or_default().to_string_lossy();
    Ok(Script {
        name: name.into_owned(),
        path: Some(path.to_owned()),
        text: Cow::Owned(text),
        is_nearby: false,
    })
}
