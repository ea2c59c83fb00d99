//! A copy of device memory on its way to the host.

use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

use futures_intrusive::channel::shared::oneshot_channel;

use crate::error::Result;
use crate::exec::Pending;
use crate::exec::gpu::buffers;
use crate::exec::gpu::device::GpuDevice;

/// `None` where the device forgot about it.
type Answer = Option<std::result::Result<(), wgpu::BufferAsyncError>>;

/// Readings of more bytes have staging memory of their own, which is given back at once.
const LARGEST_KEPT: u64 = 1 << 20;

/// Staging memory that readings have done with.
#[derive(Clone, Default)]
pub(super) struct Pool(Arc<Mutex<Vec<wgpu::Buffer>>>);

impl Pool {
    /// Memory for `bytes` bytes, and whether it had to be made.
    pub(super) fn take(&self, device: &GpuDevice, bytes: u64) -> Result<(wgpu::Buffer, bool)> {
        let mut free = self.free();
        // Sizes are powers of two, so that few different ones are kept.
        let size = if bytes > LARGEST_KEPT { bytes } else { bytes.next_power_of_two().max(256) };
        if let Some(at) = free.iter().position(|buffer| buffer.size() == size) {
            return Ok((free.swap_remove(at), false));
        }
        Ok((buffers::staging(device, size as usize)?, true))
    }

    fn give_back(&self, staging: wgpu::Buffer) {
        // It may be mapped, or about to be; without this it could not be written again.
        staging.unmap();
        if staging.size() <= LARGEST_KEPT {
            self.free().push(staging);
        }
    }

    /// The list is whole whatever a thread did that panicked.
    fn free(&self) -> MutexGuard<'_, Vec<wgpu::Buffer>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Staging memory that a submitted copy is written to.
pub(super) struct Reading {
    device: GpuDevice,
    pool: Pool,
    /// There until the reading is dropped.
    staging: Option<wgpu::Buffer>,
    bytes: u64,
    submission: wgpu::SubmissionIndex,
    answer: Pin<Box<dyn Future<Output = Answer> + Send>>,
}

impl Reading {
    /// Asks to be told when the copy of `bytes` bytes to `staging`, made by `submission`, can be read.
    pub(super) fn new(
        device: GpuDevice,
        pool: Pool,
        staging: wgpu::Buffer,
        bytes: u64,
        submission: wgpu::SubmissionIndex,
    ) -> Self {
        let (sender, receiver) = oneshot_channel();
        staging.map_async(wgpu::MapMode::Read, ..bytes, move |answer| {
            // The ticket may have been dropped; then nobody wants to know.
            let _ = sender.send(answer);
        });
        let answer = Box::pin(async move { receiver.receive().await });
        Self { device, pool, staging: Some(staging), bytes, submission, answer }
    }

    fn words(&self, answer: Answer) -> Result<Vec<u32>> {
        self.device.check()?;
        let failed = |problem: String| self.device.error(format!("reading: {problem}"));
        match answer {
            Some(Ok(())) => (),
            Some(Err(error)) => return Err(failed(error.to_string())),
            None => return Err(failed("the device does not answer".into())),
        }
        let staging = self.staging.as_ref().ok_or_else(|| failed("it was read before".into()))?;
        let mapped = staging.get_mapped_range(..self.bytes).map_err(|error| failed(error.to_string()))?;
        Ok(bytemuck::pod_collect_to_vec(&mapped))
    }
}

impl Drop for Reading {
    fn drop(&mut self) {
        if let Some(staging) = self.staging.take() {
            self.pool.give_back(staging);
        }
    }
}

impl Pending for Reading {
    fn poll(&mut self) -> Result<Option<Vec<u32>>> {
        self.device.poll(None)?;
        match self.answer.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(answer) => self.words(answer).map(Some),
            Poll::Pending => Ok(None),
        }
    }

    fn wait(mut self: Box<Self>) -> Result<Vec<u32>> {
        self.device.poll(Some(self.submission.clone()))?;
        // The answer is there, or on its way in another thread that polls.
        let answer = pollster::block_on(self.answer.as_mut());
        self.words(answer)
    }
}
