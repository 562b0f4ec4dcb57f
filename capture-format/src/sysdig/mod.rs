//! The .scap files of sysdig and Falco.
//!
//! A file is a sequence of blocks, raw or in one gzip stream: a section header, the lists of the state when the
//! capture began (machine, interfaces, users, threads, fds), events. Concatenated files are a file with several
//! sections. There are no checksums, no markers that could be searched for after damage, and no index: files are read
//! sequentially.
//!
//! ```no_run
//! use scap_capture_format::sysdig::{Converter, Item, SysdigReader};
//!
//! # fn main() -> scap_capture_format::Result<()> {
//! let mut reader = SysdigReader::new(std::fs::File::open("trace.scap")?)?;
//! let mut converter = Converter::new();
//! while let Some(item) = reader.next_item()? {
//!     match item {
//!         Item::Metadata(snapshot, _) => println!("{} threads", snapshot.threads.len()),
//!         Item::Event(event) => {
//!             let converted = converter.convert(&event);
//!             let newest = converted.merged.as_ref().unwrap_or(&event);
//!             println!("{} {}", event.num.0, newest.ty);
//!         }
//!     }
//! }
//! # Ok(())
//! # }
//! ```
//!
//! Based on the layout that sysdig and Falco read and write; there is no upstream specification.
//! `docs/scap-files.md` documents for users what is read, written and lost.

mod block;
mod container;
mod convert;
mod cursor;
mod downgrade;
mod facts;
mod gzip;
mod lists;
mod order;
mod reader;
mod source;
mod writer;

pub use convert::{Converted, Converter, Enter};
pub use downgrade::{Downgrade, Lost, Pair, Target};
pub use order::InOrder;
pub use reader::{Item, SysdigReader};
pub use writer::{SysdigWriter, Tail, WriterOptions};
