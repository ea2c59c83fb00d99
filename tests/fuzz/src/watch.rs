//! Limits of time and memory, and coverage of edges.

use std::alloc::{GlobalAlloc, Layout, System};
use std::io::Write;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

/// Longest time for an input. The slowest of the corpus takes milliseconds, so a busy machine does not exceed it.
const LONGEST: Duration = Duration::from_secs(20);

/// Most memory for an input, which has a few kilobytes.
const MOST_BYTES: usize = 512 << 20;

static BYTES: AtomicUsize = AtomicUsize::new(0);
static PEAK: AtomicUsize = AtomicUsize::new(0);
static BEGUN: AtomicU64 = AtomicU64::new(0);
static ENDED: AtomicU64 = AtomicU64::new(0);

struct Limited;

impl Limited {
    fn take(&self, size: usize) {
        let now = BYTES.fetch_add(size, Ordering::Relaxed).saturating_add(size);
        PEAK.fetch_max(now, Ordering::Relaxed);
        if now > MOST_BYTES {
            // Without formatting, which would allocate.
            std::io::stderr().write_all(b"an input takes more memory than it may\n").ok();
            std::process::abort();
        }
    }
}

// SAFETY: the system's allocator does all the work.
unsafe impl GlobalAlloc for Limited {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        self.take(layout.size());
        // SAFETY: as the caller promises.
        unsafe { System.alloc(layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        self.take(layout.size());
        // SAFETY: as the caller promises.
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        BYTES.fetch_sub(layout.size(), Ordering::Relaxed);
        // SAFETY: as the caller promises.
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static LIMITED: Limited = Limited;

/// Peak memory, in bytes.
pub fn most_bytes() -> usize {
    PEAK.load(Ordering::Relaxed)
}

/// Starts the watchdog for inputs that hang.
pub fn begin() {
    std::thread::spawn(|| {
        loop {
            let before = BEGUN.load(Ordering::SeqCst);
            std::thread::sleep(LONGEST);
            if before > ENDED.load(Ordering::SeqCst) && before == BEGUN.load(Ordering::SeqCst) {
                eprintln!("an input takes longer than {LONGEST:?}");
                std::process::abort();
            }
        }
    });
}

pub fn input_begins() {
    BEGUN.fetch_add(1, Ordering::SeqCst);
}

pub fn input_ends() {
    ENDED.fetch_add(1, Ordering::SeqCst);
}

/// Edge counters of the compiler, as addresses of begin and end; empty without the flags.
static COUNTERS: Mutex<Vec<[usize; 2]>> = Mutex::new(Vec::new());

/// Registers counters; each module with counters calls it before `main`.
#[unsafe(no_mangle)]
extern "C" fn __sanitizer_cov_8bit_counters_init(begin: *mut u8, end: *mut u8) {
    let range = [begin as usize, end as usize];
    let mut counters = COUNTERS.lock().expect("no thread panics with it");
    if range[0] < range[1] && !counters.contains(&range) {
        counters.push(range);
    }
}

/// Coverage so far: for each counter, a bit per power of two of its counts.
#[derive(Default)]
pub struct Edges(Vec<u8>);

impl Edges {
    /// Adds the counters and resets them to 0; returns true if one has a new bit, and `None` if there are no counters.
    pub fn look(&mut self) -> Option<bool> {
        let counters = COUNTERS.lock().expect("no thread panics with it");
        let (mut at, mut new) = (0, false);
        for [begin, end] in counters.iter() {
            self.0.resize(self.0.len().max(at + end - begin), 0);
            for counter in *begin..*end {
                // SAFETY: the compiler made these bytes for counting, and they live as long as the program. Instrumented
                // code on other threads counts without synchronization anyway; a lost count is harmless.
                let count = unsafe { (counter as *mut u8).replace(0) };
                if count > 0 {
                    // 1, 2 or 3, 4 to 7, …, 128 and more.
                    let bit = 1 << count.ilog2();
                    new |= self.0[at] & bit == 0;
                    self.0[at] |= bit;
                }
                at += 1;
            }
        }
        (at > 0).then_some(new)
    }

    /// Number of covered edges.
    pub fn seen(&self) -> usize {
        self.0.iter().filter(|bits| **bits > 0).count()
    }
}
