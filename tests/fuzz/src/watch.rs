//! Time, memory, and which edges of the code were taken.

use std::alloc::{GlobalAlloc, Layout, System};
use std::io::Write;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

/// An input that takes longer hangs. The slowest of the corpus takes milliseconds, so a busy machine is not meant.
const LONGEST: Duration = Duration::from_secs(20);

/// More memory than this nothing of a few kilobytes should take.
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
            // Not formatted: that would allocate.
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

/// Most bytes that were taken at a time.
pub fn most_bytes() -> usize {
    PEAK.load(Ordering::Relaxed)
}

/// Begins to watch for inputs that hang.
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

/// Counters that the compiler has put on edges, as addresses of begin and end; none without its flags.
static COUNTERS: Mutex<Vec<[usize; 2]>> = Mutex::new(Vec::new());

/// Called before `main` by each part of the program that has counters.
#[unsafe(no_mangle)]
extern "C" fn __sanitizer_cov_8bit_counters_init(begin: *mut u8, end: *mut u8) {
    let range = [begin as usize, end as usize];
    let mut counters = COUNTERS.lock().expect("no thread panics with it");
    if range[0] < range[1] && !counters.contains(&range) {
        counters.push(range);
    }
}

/// What every counter has shown so far: a bit for each power of two.
#[derive(Default)]
pub struct Edges(Vec<u8>);

impl Edges {
    /// Takes the counters over and sets them to 0; returns whether one shows what it has not shown before, where there
    /// are any.
    pub fn look(&mut self) -> Option<bool> {
        let counters = COUNTERS.lock().expect("no thread panics with it");
        let (mut at, mut new) = (0, false);
        for [begin, end] in counters.iter() {
            self.0.resize(self.0.len().max(at + end - begin), 0);
            for counter in *begin..*end {
                // SAFETY: the range is one of bytes that the compiler has made for this and that live as long as the
                // program. Instrumented code on other threads counts without order, as it does among itself; a lost
                // count does no harm.
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

    /// Edges that were taken.
    pub fn seen(&self) -> usize {
        self.0.iter().filter(|bits| **bits > 0).count()
    }
}
