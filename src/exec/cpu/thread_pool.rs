//! Threads that queue the tasks of one stage after another.
//!
//! A stage of a small network takes ten microseconds, and a thread that sleeps needs more than that to wake up. So threads wait
//! for the next stage awake for a short while, and sleep only then; nobody waits for one who sleeps, since whoever is
//! awake takes the tasks of others, too. Which thread_index computes a task changes no bit, but where its operands are: each thread_index
//! begins with tasks of its own, the same ones each time, and takes others from the end of somebody's when these are done.

use std::any::Any;
use std::cell::UnsafeCell;
use std::ops::Range;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, AtomicUsize, Ordering};
use std::sync::mpsc::{Sender, channel};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use crate::numeric::reserve_for_matmuls;

/// How long a thread_index waits awake.
const AWAKE: Duration = Duration::from_micros(50);

/// Looks at what it waits for before a thread_index asks what time it is, and lets other threads have the processor.
const LOOKS: usize = 200;

/// The calling thread and its workers.
pub(super) struct ThreadPool {
    shared: Arc<Shared>,
    workers: Vec<JoinHandle<()>>,
    /// The process that the workers run in: a child that it forks has none of them.
    process: u32,
}

/// What computes the task of a number.
type Work<'a> = &'a (dyn Fn(usize) + Sync);

/// What all threads see.
struct Shared {
    /// Pieces that nobody has begun, one queue for each thread_index; the calling thread's first.
    queues: Box<[WorkQueue]>,
    /// Written while all queues are empty and no task is under way, read by who has taken a task.
    work: UnsafeCell<Option<Work<'static>>>,
    /// Pieces that are not done yet.
    left: AtomicUsize,
    /// Goes up with each stage, and when the pool ends.
    stage: AtomicU32,
    ended: AtomicBool,
    /// Members that sleep, or are about to.
    sleepers: AtomicUsize,
    /// InputStorage while one falls asleep; what the first task panicked with.
    bed: Mutex<Option<Box<dyn Any + Send>>>,
    wake: Condvar,
}

// SAFETY: `work` is the one field that is not safe to queue. It is written by `ThreadPool::run` alone, whose exclusive borrow makes it
// the only one, while no task is left, and read by who has taken a task, which happens after that was written.
unsafe impl Sync for Shared {}
// SAFETY: what `work` borrows may be used on any thread.
unsafe impl Send for Shared {}

/// The next task, and behind the last: in the upper and lower half of a word, on a line of the cache of its own.
#[repr(align(128))]
#[derive(Default)]
struct WorkQueue(AtomicU64);

impl WorkQueue {
    fn fill(&self, tasks: Range<usize>) {
        self.0.store((tasks.start as u64) << 32 | tasks.end as u64, Ordering::Release);
    }

    /// Takes a task: the first for its owner, the last for others.
    fn take(&self, own: bool) -> Option<usize> {
        let mut word = self.0.load(Ordering::Relaxed);
        loop {
            let (next, end) = (word >> 32, word & u64::from(u32::MAX));
            if next >= end {
                return None;
            }
            let (task, rest) = if own { (next, (next + 1) << 32 | end) } else { (end - 1, next << 32 | (end - 1)) };
            match self.0.compare_exchange_weak(word, rest, Ordering::Acquire, Ordering::Relaxed) {
                Ok(_) => return Some(task as usize),
                Err(seen) => word = seen,
            }
        }
    }
}

impl ThreadPool {
    /// A pool of so many threads with the calling thread: at least one.
    ///
    /// # Errors
    /// Threads that the system does not give.
    pub fn new(threads: usize) -> std::io::Result<Self> {
        let shared = Arc::new(Shared {
            queues: (0..threads).map(|_| WorkQueue::default()).collect(),
            work: UnsafeCell::new(None),
            left: AtomicUsize::new(0),
            stage: AtomicU32::new(0),
            ended: AtomicBool::new(false),
            sleepers: AtomicUsize::new(0),
            bed: Mutex::new(None),
            wake: Condvar::new(),
        });
        let mut pool = Self { shared, workers: Vec::new(), process: std::process::id() };
        let (ready, all_ready) = channel::<()>();
        for thread_index in 1..threads {
            let (shared, ready) = (pool.shared.clone(), ready.clone());
            let worker = thread::Builder::new()
                .name(format!("wgrad {thread_index}"))
                .spawn(move || shared.help(thread_index, ready))?;
            pool.workers.push(worker);
        }
        // A worker that began late would make its room for products during a step. Each drops its end once it has done so.
        drop(ready);
        all_ready.iter().for_each(drop);
        Ok(pool)
    }

    /// The calling thread and its workers; in another process than that which made the pool, the calling thread alone.
    pub fn threads(&self) -> usize {
        // Who has no workers need not ask the system.
        if self.size() == 1 || self.is_here() { self.size() } else { 1 }
    }

    /// Members that the pool was made with.
    pub fn size(&self) -> usize {
        self.shared.queues.len()
    }

    /// Whether the workers are threads of this process.
    fn is_here(&self) -> bool {
        self.process == std::process::id()
    }

    /// Computes all tasks, `queues[m]` of them preferably by thread_index m, and returns when all are done.
    ///
    /// # Panics
    /// If computing a task does; with what it panicked with. If there are more queues than threads.
    pub fn run(&mut self, queues: &[Range<usize>], work: Work<'_>) {
        let shared = &*self.shared;
        assert!(queues.len() <= shared.queues.len(), "more queues than threads");
        debug_assert!(self.is_here(), "workers of another process take no tasks");
        // SAFETY: all tasks of the last stage were done when it returned, and none is left to take. A borrow that is made to
        // last for ever is used by who has taken a task; all of these are done before this returns.
        unsafe { *shared.work.get() = Some(std::mem::transmute::<Work<'_>, Work<'static>>(work)) };
        shared.left.store(queues.iter().map(Range::len).sum(), Ordering::Relaxed);
        for (queue, tasks) in shared.queues.iter().zip(queues) {
            queue.fill(tasks.clone());
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
impl ThreadPool {
    /// Makes it look as it does in a forked child.
    pub fn be_elsewhere(&mut self) {
        self.process = self.process.wrapping_add(1);
    }
}

impl Drop for ThreadPool {
    fn drop(&mut self) {
        if !self.is_here() {
            // There is nobody to wait for, and a lock may have been held by a thread that is not there.
            self.workers.drain(..).for_each(std::mem::forget);
            return;
        }
        self.shared.ended.store(true, Ordering::Relaxed);
        self.shared.stage.fetch_add(1, Ordering::SeqCst);
        self.shared.wake_sleepers();
        for worker in self.workers.drain(..) {
            // It catches what tasks panic with.
            let _ = worker.join();
        }
    }
}

impl Shared {
    /// What a worker does until the pool ends.
    fn help(&self, thread_index: usize, ready: Sender<()>) {
        reserve_for_matmuls();
        drop(ready);
        let mut stage = 0;
        loop {
            self.wait_until(|| self.stage.load(Ordering::SeqCst) != stage);
            stage = self.stage.load(Ordering::SeqCst);
            if self.ended.load(Ordering::Relaxed) {
                return;
            }
            self.take_part(thread_index);
        }
    }

    /// Computes tasks until all are taken: one's own, then those of the threads behind.
    fn take_part(&self, thread_index: usize) {
        let threads = self.queues.len();
        for other in 0..threads {
            let queue = &self.queues[(thread_index + other) % threads];
            while let Some(task) = queue.take(other == 0) {
                // SAFETY: `ThreadPool::run` has written it before this task, and changes it when all tasks are done.
                let work = unsafe { *self.work.get() };
                if let Err(panic) = catch_unwind(AssertUnwindSafe(|| work.map(|work| work(task)))) {
                    let mut first = self.bed();
                    if first.is_none() {
                        *first = Some(panic);
                    } else {
                        // What was thrown may panic when it is dropped, and this task must be counted.
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

    /// Pieces of very different length, more threads than cores, and stages in quick succession and after a sleep.
    #[test]
    fn each_piece_is_computed_once_whoever_is_awake() {
        for threads in [1, 2, 3, 8] {
            let mut pool = ThreadPool::new(threads).expect("the system gives threads");
            let tasks = 37;
            for stage in 0..300 {
                let seen: Vec<AtomicUsize> = (0..tasks).map(|_| AtomicUsize::new(0)).collect();
                // Also fewer queues than threads, and empty ones.
                let queues = [[0..tasks, 0..0, 0..0], [0..20, 20..tasks, 0..0], [0..20, 20..20, 20..tasks]];
                pool.run(&queues[threads.min(3) - 1][..threads.min(3)], &|task| {
                    (0..task * 20).for_each(|_| std::hint::spin_loop());
                    seen[task].fetch_add(1, Ordering::Relaxed);
                });
                assert!(seen.iter().all(|times| times.load(Ordering::Relaxed) == 1), "{threads} threads, {stage}");
                if stage % 100 == 0 {
                    thread::sleep(4 * AWAKE);
                }
            }
        }
    }

    /// As in a forked child, which has a copy of all memory and none of the workers.
    #[test]
    fn in_another_process_the_calling_thread_is_alone_and_waits_for_nobody() {
        let mut pool = ThreadPool::new(3).expect("the system gives threads");
        pool.be_elsewhere();
        assert_eq!((pool.threads(), pool.size()), (1, 3));
        let shared = pool.shared.clone();
        // A lock that a thread of the parent held when it forked.
        let _held = shared.bed();
        drop(pool);
        assert!(!shared.ended.load(Ordering::SeqCst), "nobody was told anything");
    }

    #[test]
    fn a_panic_reaches_the_caller_once_all_pieces_are_done() {
        for threads in [2, 3] {
            let mut pool = ThreadPool::new(threads).expect("the system gives threads");
            let done = AtomicUsize::new(0);
            let run = catch_unwind(AssertUnwindSafe(|| {
                pool.run(&[0..5, 5..10], &|task| {
                    assert!(task != 3 && task != 8, "task {task}");
                    done.fetch_add(1, Ordering::Relaxed);
                });
            }));
            let message = run.expect_err("two tasks panic");
            assert!(message.downcast_ref::<String>().is_some_and(|text| text.starts_with("task ")));
            assert_eq!(done.load(Ordering::Relaxed), 8);
            pool.run(&[0..1, 1..1], &|_| {
                done.fetch_add(1, Ordering::Relaxed);
            });
            assert_eq!(done.load(Ordering::Relaxed), 9, "the pool works on");
        }
    }
}
