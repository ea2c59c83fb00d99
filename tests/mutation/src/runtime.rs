//! Switches one mutant on while the program runs. The mutation tool adds this file to its copy of the crate; no user
//! build has it.

use std::env;
use std::fs::{File, OpenOptions};
use std::io::Write as _;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU8, AtomicU32, Ordering::Relaxed};

/// Value before the environment was read.
const UNREAD: u32 = u32::MAX;
/// Value for recording: no mutant is on, and reached mutants are recorded.
const RECORD: u32 = u32::MAX - 1;

/// Active mutant, `0` for none.
static ACTIVE: AtomicU32 = AtomicU32::new(UNREAD);
/// Mutants that were reached and recorded.
static REACHED: [AtomicU8; COUNT] = [const { AtomicU8::new(0) }; COUNT];
static LOG: OnceLock<Option<File>> = OnceLock::new();

/// Returns `true` if the mutant is on.
#[inline(always)]
pub(crate) fn on(id: u32) -> bool {
    let active = ACTIVE.load(Relaxed);
    active == id || (active >= RECORD && slow(id))
}

#[cold]
#[inline(never)]
fn slow(id: u32) -> bool {
    // Loops call this often, and an atomic exchange is slow.
    if REACHED[id as usize].load(Relaxed) != 0 {
        return false;
    }
    let mut active = ACTIVE.load(Relaxed);
    if active == UNREAD {
        active = match env::var("WGRAD_MUTANT").as_deref() {
            Ok("record") => RECORD,
            Ok(id) => id.parse().expect("WGRAD_MUTANT is the number of a mutant, or `record`"),
            Err(_) => 0,
        };
        ACTIVE.store(active, Relaxed);
    }
    if active == RECORD && REACHED[id as usize].swap(1, Relaxed) == 0 {
        // One append per mutant and process is written whole, and survives if the process is killed.
        let open = || OpenOptions::new().create(true).append(true).open(env::var_os("WGRAD_REACHED")?).ok();
        if let Some(mut file) = LOG.get_or_init(open).as_ref() {
            // One test limits the size of files to zero; other tests record what it reaches.
            let _ = file.write_all(&id.to_le_bytes());
        }
    }
    active == id
}
