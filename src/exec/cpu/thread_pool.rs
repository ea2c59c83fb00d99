//! Thread pool with work stealing. It runs the tasks of one stage after another.
//!
//! A stage of a small network takes ten microseconds, less than waking a thread. So threads spin for a short while
//! before they sleep. No thread waits for a sleeping thread, since threads that are awake steal its tasks. The results
//! do not depend on which thread runs a task. But the operands of a task may be in the cache of the thread that ran
//! this task last. So each thread starts with its own queue, which has the same tasks each time. It then steals from
//! the end of the other queues.

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

/// Time that a thread spins before it sleeps.
const SPIN_TIME: Duration = Duration::from_micros(50);

/// Number of spins before a thread reads the clock and yields the processor.
const SPINS: usize = 200;

/// Pool of the calling thread and its worker threads.
pub(super) struct ThreadPool {
    shared: Arc<Shared>,
    workers: Vec<JoinHandle<()>>,
    /// Id of the process in which the workers run. A forked child process has no workers.
    process: u32,
}

/// Function that computes the task with the given index.
type Work<'a> = &'a (dyn Fn(usize) + Sync);

/// State that all threads of the pool share.
struct Shared {
    /// Tasks that have not begun, one queue per thread. The first queue is the calling thread's.
    queues: Box<[WorkQueue]>,
    /// Function of the current stage. It is written while all queues are empty and no task is running, and read by
    /// threads that have taken a task.
    work: UnsafeCell<Option<Work<'static>>>,
    /// Number of unfinished tasks.
    left: AtomicUsize,
    /// Incremented for each stage, and when the pool ends.
    stage: AtomicU32,
    ended: AtomicBool,
    /// Number of threads that sleep, or are about to.
    sleepers: AtomicUsize,
    /// Payload of the first panic of a task. A thread holds this lock while it falls asleep.
    first_panic: Mutex<Option<Box<dyn Any + Send>>>,
    wake: Condvar,
}

// SAFETY: `work` is the one field that is not safe to share. Only `ThreadPool::run` writes it, under an exclusive
// borrow and while no task is left. Only threads that have taken a task read it, which happens after the write.
unsafe impl Sync for Shared {}
// SAFETY: the borrows in `work` may be used on any thread.
unsafe impl Send for Shared {}

/// Work queue: a range of task indices, with the start in the upper half of a word and the end in the lower half. Each
/// queue has its own cache line.
#[repr(align(128))]
#[derive(Default)]
struct WorkQueue(AtomicU64);

impl WorkQueue {
    fn fill(&self, tasks: Range<usize>) {
        self.0.store((tasks.start as u64) << 32 | tasks.end as u64, Ordering::Release);
    }

    /// Takes a task: the first if the caller owns the queue (`own`), otherwise the last. `None` if the queue is empty.
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
    /// Creates a pool of at least one thread, including the calling thread.
    ///
    /// # Errors
    /// Returns an error if threads cannot be started.
    pub fn new(threads: usize) -> std::io::Result<Self> {
        let shared = Arc::new(Shared {
            queues: (0..threads).map(|_| WorkQueue::default()).collect(),
            work: UnsafeCell::new(None),
            left: AtomicUsize::new(0),
            stage: AtomicU32::new(0),
            ended: AtomicBool::new(false),
            sleepers: AtomicUsize::new(0),
            first_panic: Mutex::new(None),
            wake: Condvar::new(),
        });
        let mut pool = Self { shared, workers: Vec::new(), process: std::process::id() };
        let (ready, all_ready) = channel::<()>();
        for thread_index in 1..threads {
            let (shared, ready) = (pool.shared.clone(), ready.clone());
            let worker = thread::Builder::new()
                .name(format!("wgrad {thread_index}"))
                .spawn(move || shared.work_until_end(thread_index, ready))?;
            pool.workers.push(worker);
        }
        // A worker that starts late would reserve its memory for matrix multiplications during a step. Each worker
        // drops its sender when it is ready, so `all_ready` ends once all are.
        drop(ready);
        all_ready.iter().for_each(drop);
        Ok(pool)
    }

    /// Returns the number of threads, including the calling thread; 1 in a forked child process, which has no workers.
    pub fn threads(&self) -> usize {
        // A pool without workers need not ask the operating system.
        if self.size() == 1 || self.in_own_process() { self.size() } else { 1 }
    }

    /// Returns the number of threads that the pool was created with.
    pub fn size(&self) -> usize {
        self.shared.queues.len()
    }

    /// Returns `true` if the workers are threads of this process.
    fn in_own_process(&self) -> bool {
        self.process == std::process::id()
    }

    /// Computes the tasks of all queues with `work`, and returns when all are done. Thread m begins with the tasks of
    /// `queues[m]`.
    ///
    /// # Panics
    /// Panics if there are more queues than threads. If a task panics, this function resumes that panic.
    pub fn run(&mut self, queues: &[Range<usize>], work: Work<'_>) {
        let shared = &*self.shared;
        assert!(queues.len() <= shared.queues.len(), "more queues than threads");
        debug_assert!(self.in_own_process(), "workers of another process take no tasks");
        // SAFETY: all tasks of the last stage were done when its `run` returned, and none is left to take. The borrow
        // that is extended to `'static` is used only by threads that have taken a task; all of these tasks are done
        // before this function returns.
        unsafe { *shared.work.get() = Some(std::mem::transmute::<Work<'_>, Work<'static>>(work)) };
        shared.left.store(queues.iter().map(Range::len).sum(), Ordering::Relaxed);
        for (queue, tasks) in shared.queues.iter().zip(queues) {
            queue.fill(tasks.clone());
        }
        shared.stage.fetch_add(1, Ordering::SeqCst);
        shared.wake_sleepers();
        shared.run_tasks(0);
        shared.wait_until(|| shared.left.load(Ordering::SeqCst) == 0);
        let panicked = shared.lock().take();
        if let Some(panic) = panicked {
            resume_unwind(panic);
        }
    }
}

#[cfg(test)]
impl ThreadPool {
    /// Makes the pool behave as in a forked child process.
    pub fn pretend_forked(&mut self) {
        self.process = self.process.wrapping_add(1);
    }
}

impl Drop for ThreadPool {
    fn drop(&mut self) {
        if !self.in_own_process() {
            // In a forked child process there are no workers to wait for. A thread that does not exist here may have
            // held the lock at the fork.
            self.workers.drain(..).for_each(std::mem::forget);
            return;
        }
        self.shared.ended.store(true, Ordering::Relaxed);
        self.shared.stage.fetch_add(1, Ordering::SeqCst);
        self.shared.wake_sleepers();
        for worker in self.workers.drain(..) {
            // Workers catch the panics of tasks.
            let _ = worker.join();
        }
    }
}

impl Shared {
    /// Runs tasks on a worker thread until the pool ends.
    fn work_until_end(&self, thread_index: usize, ready: Sender<()>) {
        reserve_for_matmuls();
        drop(ready);
        let mut stage = 0;
        loop {
            self.wait_until(|| self.stage.load(Ordering::SeqCst) != stage);
            stage = self.stage.load(Ordering::SeqCst);
            if self.ended.load(Ordering::Relaxed) {
                return;
            }
            self.run_tasks(thread_index);
        }
    }

    /// Computes tasks until all are taken: first the tasks of the thread's own queue, then those of the next queues.
    fn run_tasks(&self, thread_index: usize) {
        let threads = self.queues.len();
        for other in 0..threads {
            let queue = &self.queues[(thread_index + other) % threads];
            while let Some(task) = queue.take(other == 0) {
                // SAFETY: `ThreadPool::run` wrote `work` before it queued this task, and changes it only when all tasks
                // are done.
                let work = unsafe { *self.work.get() };
                if let Err(panic) = catch_unwind(AssertUnwindSafe(|| work.map(|work| work(task)))) {
                    let mut first = self.lock();
                    if first.is_none() {
                        *first = Some(panic);
                    } else {
                        // Dropping the payload may panic, and this task must be counted.
                        std::mem::forget(panic);
                    }
                }
                if self.left.fetch_sub(1, Ordering::SeqCst) == 1 {
                    self.wake_sleepers();
                }
            }
        }
    }

    /// Waits until `done` returns true: spins for a while, then sleeps.
    fn wait_until(&self, done: impl Fn() -> bool) {
        let mut began = None;
        loop {
            for _ in 0..SPINS {
                if done() {
                    return;
                }
                std::hint::spin_loop();
            }
            if began.get_or_insert_with(Instant::now).elapsed() > SPIN_TIME {
                break;
            }
            thread::yield_now();
        }
        let mut guard = self.lock();
        self.sleepers.fetch_add(1, Ordering::SeqCst);
        while !done() {
            guard = self.wake.wait(guard).unwrap_or_else(PoisonError::into_inner);
        }
        self.sleepers.fetch_sub(1, Ordering::SeqCst);
    }

    /// Wakes the sleeping threads. A thread that is about to sleep first counts itself as a sleeper, and then checks
    /// once more for work. So no thread misses this call.
    fn wake_sleepers(&self) {
        if self.sleepers.load(Ordering::SeqCst) > 0 {
            let _guard = self.lock();
            self.wake.notify_all();
        }
    }

    fn lock(&self) -> MutexGuard<'_, Option<Box<dyn Any + Send>>> {
        self.first_panic.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Tests tasks of very different length, more threads than cores, and stages in quick succession and after a sleep.
    #[test]
    fn each_piece_is_computed_once_whoever_is_awake() {
        for threads in [1, 2, 3, 8] {
            let mut pool = ThreadPool::new(threads).expect("the system gives threads");
            let tasks = 37;
            for stage in 0..300 {
                let seen: Vec<AtomicUsize> = (0..tasks).map(|_| AtomicUsize::new(0)).collect();
                // Some runs have fewer queues than threads, or empty queues.
                let queues = [[0..tasks, 0..0, 0..0], [0..20, 20..tasks, 0..0], [0..20, 20..20, 20..tasks]];
                pool.run(&queues[threads.min(3) - 1][..threads.min(3)], &|task| {
                    (0..task * 20).for_each(|_| std::hint::spin_loop());
                    seen[task].fetch_add(1, Ordering::Relaxed);
                });
                assert!(seen.iter().all(|times| times.load(Ordering::Relaxed) == 1), "{threads} threads, {stage}");
                if stage % 100 == 0 {
                    thread::sleep(4 * SPIN_TIME);
                }
            }
        }
    }

    /// Simulates a forked child process, which has a copy of all memory but no workers.
    #[test]
    fn in_another_process_the_calling_thread_is_alone_and_waits_for_nobody() {
        let mut pool = ThreadPool::new(3).expect("the system gives threads");
        pool.pretend_forked();
        assert_eq!((pool.threads(), pool.size()), (1, 3));
        let shared = pool.shared.clone();
        // A lock that a thread of the parent process held at the fork.
        let _held = shared.lock();
        drop(pool);
        assert!(!shared.ended.load(Ordering::SeqCst), "nobody was told anything");
    }

    #[test]
    fn a_panic_reaches_the_caller_once_all_tasks_are_done() {
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
