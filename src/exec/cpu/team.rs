//! Threads that share the pieces of one stage after another.
//!
//! A stage of a small network takes ten microseconds, and a thread that sleeps needs more than that to wake up. So members wait
//! for the next stage awake for a short while, and sleep only then; nobody waits for one who sleeps, since whoever is
//! awake takes the pieces of others, too. Which member computes a piece changes no bit, but where its operands are: each member
//! begins with pieces of its own, the same ones each time, and takes others from the end of somebody's when these are done.

use std::any::Any;
use std::cell::UnsafeCell;
use std::ops::Range;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, AtomicUsize, Ordering};
use std::sync::mpsc::{Sender, channel};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use crate::numeric::reserve_for_products;

/// How long a member waits awake.
const AWAKE: Duration = Duration::from_micros(50);

/// Looks at what it waits for before a member asks what time it is, and lets other threads have the processor.
const LOOKS: usize = 200;

/// The calling thread and its helpers.
pub(super) struct Team {
    shared: Arc<Shared>,
    helpers: Vec<JoinHandle<()>>,
    /// The process that the helpers run in: a child that it forks has none of them.
    process: u32,
}

/// What computes the piece of a number.
type Work<'a> = &'a (dyn Fn(usize) + Sync);

/// What all members see.
struct Shared {
    /// Pieces that nobody has begun, one share for each member; the calling thread's first.
    shares: Box<[Share]>,
    /// Written while all shares are empty and no piece is under way, read by who has taken a piece.
    work: UnsafeCell<Option<Work<'static>>>,
    /// Pieces that are not done yet.
    left: AtomicUsize,
    /// Goes up with each stage, and when the team ends.
    stage: AtomicU32,
    ended: AtomicBool,
    /// Members that sleep, or are about to.
    sleepers: AtomicUsize,
    /// Held while one falls asleep; what the first piece panicked with.
    bed: Mutex<Option<Box<dyn Any + Send>>>,
    wake: Condvar,
}

// SAFETY: `work` is the one field that is not safe to share. It is written by `Team::run` alone, whose exclusive borrow makes it
// the only one, while no piece is left, and read by who has taken a piece, which happens after that was written.
unsafe impl Sync for Shared {}
// SAFETY: what `work` borrows may be used on any thread.
unsafe impl Send for Shared {}

/// The next piece, and behind the last: in the upper and lower half of a word, on a line of the cache of its own.
#[repr(align(128))]
#[derive(Default)]
struct Share(AtomicU64);

impl Share {
    fn fill(&self, pieces: Range<usize>) {
        self.0.store((pieces.start as u64) << 32 | pieces.end as u64, Ordering::Release);
    }

    /// Takes a piece: the first for its owner, the last for others.
    fn take(&self, own: bool) -> Option<usize> {
        let mut word = self.0.load(Ordering::Relaxed);
        loop {
            let (next, end) = (word >> 32, word & u64::from(u32::MAX));
            if next >= end {
                return None;
            }
            let (piece, rest) = if own { (next, (next + 1) << 32 | end) } else { (end - 1, next << 32 | (end - 1)) };
            match self.0.compare_exchange_weak(word, rest, Ordering::Acquire, Ordering::Relaxed) {
                Ok(_) => return Some(piece as usize),
                Err(seen) => word = seen,
            }
        }
    }
}

impl Team {
    /// A team of so many members with the calling thread: at least one.
    ///
    /// # Errors
    /// Threads that the system does not give.
    pub fn new(members: usize) -> std::io::Result<Self> {
        let shared = Arc::new(Shared {
            shares: (0..members).map(|_| Share::default()).collect(),
            work: UnsafeCell::new(None),
            left: AtomicUsize::new(0),
            stage: AtomicU32::new(0),
            ended: AtomicBool::new(false),
            sleepers: AtomicUsize::new(0),
            bed: Mutex::new(None),
            wake: Condvar::new(),
        });
        let mut team = Self { shared, helpers: Vec::new(), process: std::process::id() };
        let (ready, all_ready) = channel::<()>();
        for member in 1..members {
            let (shared, ready) = (team.shared.clone(), ready.clone());
            let helper =
                thread::Builder::new().name(format!("wgrad {member}")).spawn(move || shared.help(member, ready))?;
            team.helpers.push(helper);
        }
        // A helper that began late would make its room for products during a step. Each drops its end once it has done so.
        drop(ready);
        all_ready.iter().for_each(drop);
        Ok(team)
    }

    /// The calling thread and its helpers; in another process than that which made the team, the calling thread alone.
    pub fn members(&self) -> usize {
        // Who has no helpers need not ask the system.
        if self.size() == 1 || self.is_here() { self.size() } else { 1 }
    }

    /// Members that the team was made with.
    pub fn size(&self) -> usize {
        self.shared.shares.len()
    }

    /// Whether the helpers are threads of this process.
    fn is_here(&self) -> bool {
        self.process == std::process::id()
    }

    /// Computes all pieces, `shares[m]` of them preferably by member m, and returns when all are done.
    ///
    /// # Panics
    /// If computing a piece does; with what it panicked with. If there are more shares than members.
    pub fn run(&mut self, shares: &[Range<usize>], work: Work<'_>) {
        let shared = &*self.shared;
        assert!(shares.len() <= shared.shares.len(), "more shares than members");
        debug_assert!(self.is_here(), "helpers of another process take no pieces");
        // SAFETY: all pieces of the last stage were done when it returned, and none is left to take. A borrow that is made to
        // last for ever is used by who has taken a piece; all of these are done before this returns.
        unsafe { *shared.work.get() = Some(std::mem::transmute::<Work<'_>, Work<'static>>(work)) };
        shared.left.store(shares.iter().map(Range::len).sum(), Ordering::Relaxed);
        for (share, pieces) in shared.shares.iter().zip(shares) {
            share.fill(pieces.clone());
        }
        shared.stage.fetch_add(1, Ordering::SeqCst);
        shared.wake_sleepers();
        shared.take_part(0);
        shared.wait_until(|| shared.left.load(Ordering::SeqCst) == 0);
        let panicked = shared.bed().take();
        if let Some(panic) = panicked {
            resume_unwind(panic);
        }
    }
}

#[cfg(test)]
impl Team {
    /// Makes it look as it does in a forked child.
    pub fn be_elsewhere(&mut self) {
        self.process = self.process.wrapping_add(1);
    }
}

impl Drop for Team {
    fn drop(&mut self) {
        if !self.is_here() {
            // There is nobody to wait for, and a lock may have been held by a thread that is not there.
            self.helpers.drain(..).for_each(std::mem::forget);
            return;
        }
        self.shared.ended.store(true, Ordering::Relaxed);
        self.shared.stage.fetch_add(1, Ordering::SeqCst);
        self.shared.wake_sleepers();
        for helper in self.helpers.drain(..) {
            // It catches what pieces panic with.
            let _ = helper.join();
        }
    }
}

impl Shared {
    /// What a helper does until the team ends.
    fn help(&self, member: usize, ready: Sender<()>) {
        reserve_for_products();
        drop(ready);
        let mut stage = 0;
        loop {
            self.wait_until(|| self.stage.load(Ordering::SeqCst) != stage);
            stage = self.stage.load(Ordering::SeqCst);
            if self.ended.load(Ordering::Relaxed) {
                return;
            }
            self.take_part(member);
        }
    }

    /// Computes pieces until all are taken: one's own, then those of the members behind.
    fn take_part(&self, member: usize) {
        let members = self.shares.len();
        for other in 0..members {
            let share = &self.shares[(member + other) % members];
            while let Some(piece) = share.take(other == 0) {
                // SAFETY: `Team::run` has written it before this piece, and changes it when all pieces are done.
                let work = unsafe { *self.work.get() };
                if let Err(panic) = catch_unwind(AssertUnwindSafe(|| work.map(|work| work(piece)))) {
                    let mut first = self.bed();
                    if first.is_none() {
                        *first = Some(panic);
                    } else {
                        // What was thrown may panic when it is dropped, and this piece must be counted.
                        std::mem::forget(panic);
                    }
                }
                if self.left.fetch_sub(1, Ordering::SeqCst) == 1 {
                    self.wake_sleepers();
                }
            }
        }
    }

    /// Waits: awake for a while, then asleep.
    fn wait_until(&self, done: impl Fn() -> bool) {
        let mut began = None;
        loop {
            for _ in 0..LOOKS {
                if done() {
                    return;
                }
                std::hint::spin_loop();
            }
            if began.get_or_insert_with(Instant::now).elapsed() > AWAKE {
                break;
            }
            thread::yield_now();
        }
        let mut bed = self.bed();
        self.sleepers.fetch_add(1, Ordering::SeqCst);
        while !done() {
            bed = self.wake.wait(bed).unwrap_or_else(PoisonError::into_inner);
        }
        self.sleepers.fetch_sub(1, Ordering::SeqCst);
    }

    /// Wakes who sleeps. Who is about to has said so before it looked for the last time whether it must.
    fn wake_sleepers(&self) {
        if self.sleepers.load(Ordering::SeqCst) > 0 {
            let _bed = self.bed();
            self.wake.notify_all();
        }
    }

    fn bed(&self) -> MutexGuard<'_, Option<Box<dyn Any + Send>>> {
        self.bed.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Pieces of very different length, more members than cores, and stages in quick succession and after a sleep.
    #[test]
    fn each_piece_is_computed_once_whoever_is_awake() {
        for members in [1, 2, 3, 8] {
            let mut team = Team::new(members).expect("the system gives threads");
            let pieces = 37;
            for stage in 0..300 {
                let seen: Vec<AtomicUsize> = (0..pieces).map(|_| AtomicUsize::new(0)).collect();
                // Also fewer shares than members, and empty ones.
                let shares = [[0..pieces, 0..0, 0..0], [0..20, 20..pieces, 0..0], [0..20, 20..20, 20..pieces]];
                team.run(&shares[members.min(3) - 1][..members.min(3)], &|piece| {
                    (0..piece * 20).for_each(|_| std::hint::spin_loop());
                    seen[piece].fetch_add(1, Ordering::Relaxed);
                });
                assert!(seen.iter().all(|times| times.load(Ordering::Relaxed) == 1), "{members} members, {stage}");
                if stage % 100 == 0 {
                    thread::sleep(4 * AWAKE);
                }
            }
        }
    }

    /// As in a forked child, which has a copy of all memory and none of the helpers.
    #[test]
    fn in_another_process_the_calling_thread_is_alone_and_waits_for_nobody() {
        let mut team = Team::new(3).expect("the system gives threads");
        team.be_elsewhere();
        assert_eq!((team.members(), team.size()), (1, 3));
        let shared = team.shared.clone();
        // A lock that a thread of the parent held when it forked.
        let _held = shared.bed();
        drop(team);
        assert!(!shared.ended.load(Ordering::SeqCst), "nobody was told anything");
    }

    #[test]
    fn a_panic_reaches_the_caller_once_all_pieces_are_done() {
        for members in [2, 3] {
            let mut team = Team::new(members).expect("the system gives threads");
            let done = AtomicUsize::new(0);
            let run = catch_unwind(AssertUnwindSafe(|| {
                team.run(&[0..5, 5..10], &|piece| {
                    assert!(piece != 3 && piece != 8, "piece {piece}");
                    done.fetch_add(1, Ordering::Relaxed);
                });
            }));
            let message = run.expect_err("two pieces panic");
            assert!(message.downcast_ref::<String>().is_some_and(|text| text.starts_with("piece ")));
            assert_eq!(done.load(Ordering::Relaxed), 8);
            team.run(&[0..1, 1..1], &|_| {
                done.fetch_add(1, Ordering::Relaxed);
            });
            assert_eq!(done.load(Ordering::Relaxed), 9, "the team works on");
        }
    }
}
