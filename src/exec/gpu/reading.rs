//! Readback: a copy of device memory on its way to the host.

use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, Waker};

use futures_intrusive::channel::shared::oneshot_channel;

use crate::error::{Result, try_with_capacity};
use crate::exec::Pending;
use crate::exec::gpu::buffers;
use crate::exec::gpu::device::GpuDevice;

/// Result of a mapping request; `None` if the device dropped the request.
type Answer = Option<std::result::Result<(), wgpu::BufferAsyncError>>;

/// Staging buffer, and the request to map it.
struct Mapping {
    staging: wgpu::Buffer,
    future: Pin<Box<dyn Future<Output = Answer> + Send>>,
    /// Result of the request, once the future is ready.
    answer: Option<Answer>,
}

impl Mapping {
    fn poll(&mut self) -> Option<&Answer> {
        if self.answer.is_none()
            && let Poll::Ready(answer) = self.future.as_mut().poll(&mut Context::from_waker(Waker::noop()))
        {
            self.answer = Some(answer);
        }
        self.answer.as_ref()
    }
}

/// Largest size in bytes of a staging buffer that is reused. Larger ones are freed after one readback.
const LARGEST_REUSED: u64 = 1 << 20;

/// Staging buffers of finished readbacks, for reuse.
#[derive(Clone, Default)]
pub(super) struct StagingPool(Arc<Mutex<StagingBuffers>>);

#[derive(Default)]
struct StagingBuffers {
    free: Vec<wgpu::Buffer>,
    /// Staging buffers of readbacks that were dropped before their data arrived. Another thread may still be mapping
    /// them.
    awaited: Vec<Mapping>,
}

impl StagingPool {
    /// Returns a buffer for `bytes` bytes, and `true` if it is new.
    pub(super) fn take(&self, device: &GpuDevice, bytes: u64) -> Result<(wgpu::Buffer, bool)> {
        // The lists stay valid even if a thread panicked.
        let mut buffers = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let awaited = std::mem::take(&mut buffers.awaited);
        awaited.into_iter().for_each(|mapping| buffers.put(mapping));
        // Sizes are powers of two, so that few different ones are kept.
        let size = if bytes > LARGEST_REUSED { bytes } else { bytes.next_power_of_two().max(256) };
        if let Some(at) = buffers.free.iter().position(|buffer| buffer.size() == size) {
            return Ok((buffers.free.swap_remove(at), false));
        }
        Ok((buffers::staging(device, size as usize)?, true))
    }
}

impl StagingBuffers {
    /// Keeps a buffer for reuse, now or when its mapping is done.
    fn put(&mut self, mut mapping: Mapping) {
        if mapping.staging.size() > LARGEST_REUSED {
            return;
        }
        match mapping.poll() {
            None => self.awaited.push(mapping),
            Some(Some(Ok(()))) => {
                mapping.staging.unmap();
                self.free.push(mapping.staging);
            }
            // The device was probably lost.
            Some(_) => (),
        }
    }
}

/// Readback in progress: a submitted copy to a staging buffer.
pub(super) struct Reading {
    device: GpuDevice,
    pool: StagingPool,
    /// Present until the readback is dropped.
    mapping: Option<Mapping>,
    bytes: u64,
    submission: wgpu::SubmissionIndex,
}

impl Reading {
    /// Starts to map the first `bytes` bytes of `staging`, which `submission` copies there.
    pub(super) fn new(
        device: GpuDevice,
        pool: StagingPool,
        staging: wgpu::Buffer,
        bytes: u64,
        submission: wgpu::SubmissionIndex,
    ) -> Self {
        let (sender, receiver) = oneshot_channel();
        staging.map_async(wgpu::MapMode::Read, ..bytes, move |answer| {
            // The receiver may have been dropped with its ticket.
            let _ = sender.send(answer);
        });
        let future = Box::pin(async move { receiver.receive().await });
        Self { device, pool, mapping: Some(Mapping { staging, future, answer: None }), bytes, submission }
    }

    /// Returns the words, or `None` if they have not arrived yet.
    fn words(&mut self) -> Result<Option<Vec<u32>>> {
        let (device, bytes) = (&self.device, self.bytes);
        let failed = |problem: String| device.error("reading", problem);
        // The mapping is taken out only when the readback is dropped.
        let Some(mapping) = &mut self.mapping else { return Err(failed("it is over".into())) };
        let Some(answer) = mapping.poll() else { return Ok(None) };
        device.check("reading")?;
        match answer {
            Some(Ok(())) => (),
            Some(Err(error)) => return Err(failed(error.to_string())),
            None => return Err(failed("the device does not respond".into())),
        }
        let mapped = mapping.staging.get_mapped_range(..bytes).map_err(|error| failed(error.to_string()))?;
        let mut words = try_with_capacity("a reading", mapped.len() / 4)?;
        words.resize(mapped.len() / 4, 0u32);
        bytemuck::cast_slice_mut(&mut words).copy_from_slice(&mapped);
        Ok(Some(words))
    }
}

impl Drop for Reading {
    fn drop(&mut self) {
        if let Some(mapping) = self.mapping.take() {
            self.pool.0.lock().unwrap_or_else(PoisonError::into_inner).put(mapping);
        }
    }
}

impl Pending for Reading {
    fn poll(&mut self) -> Result<Option<Vec<u32>>> {
        self.device.poll("reading", None)?;
        self.words()
    }

    fn wait(mut self: Box<Self>) -> Result<Vec<u32>> {
        self.device.poll("reading", Some(self.submission.clone()))?;
        if let Some(mapping) = &mut self.mapping
            && mapping.answer.is_none()
        {
            // The result has arrived, or another thread that polls the device is about to send it.
            mapping.answer = Some(pollster::block_on(mapping.future.as_mut()));
        }
        self.words()?.ok_or_else(|| self.device.error("reading", "the device does not respond"))
    }
}
