//! A copy of device memory on its way to the host.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, Waker};

use futures_intrusive::channel::shared::oneshot_channel;

use crate::error::Result;
use crate::exec::Pending;
use crate::exec::gpu::device::GpuDevice;

/// `None` where the device forgot about it.
type Answer = Option<std::result::Result<(), wgpu::BufferAsyncError>>;

/// Staging memory that a submitted copy is written to.
pub(super) struct Reading {
    device: GpuDevice,
    staging: wgpu::Buffer,
    submission: wgpu::SubmissionIndex,
    answer: Pin<Box<dyn Future<Output = Answer> + Send>>,
}

impl Reading {
    /// Asks to be told when the copy to `staging`, made by `submission`, can be read.
    pub(super) fn new(device: GpuDevice, staging: wgpu::Buffer, submission: wgpu::SubmissionIndex) -> Self {
        let (sender, receiver) = oneshot_channel();
        staging.map_async(wgpu::MapMode::Read, .., move |answer| {
            // The ticket may have been dropped; then nobody wants to know.
            let _ = sender.send(answer);
        });
        Self { device, staging, submission, answer: Box::pin(async move { receiver.receive().await }) }
    }

    fn words(&self, answer: Answer) -> Result<Vec<u32>> {
        self.device.check()?;
        match answer {
            Some(Ok(())) => (),
            Some(Err(error)) => return Err(self.device.error(format!("reading: {error}"))),
            None => return Err(self.device.error("reading: the device does not answer".into())),
        }
        let mapped =
            self.staging.get_mapped_range(..).map_err(|error| self.device.error(format!("reading: {error}")))?;
        Ok(bytemuck::pod_collect_to_vec(&mapped))
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
