//! Results of training: progress within an epoch, epochs, and the history of all epochs.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::model::Evaluation;

/// Progress of training, reported after each group of steps that is sent to the device (a submission).
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Progress {
    /// Number of the epoch, from 1.
    pub epoch: usize,
    /// Total number of epochs.
    pub epochs: usize,
    /// Number of steps of this epoch whose losses have arrived.
    pub step: usize,
    /// Number of steps per epoch.
    pub steps: usize,
    /// Mean training loss over the epoch's rows so far.
    pub loss: f64,
}

/// Results of an epoch.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Epoch {
    /// Number of the epoch, from 1.
    pub epoch: usize,
    /// Number of steps since training began.
    pub steps: u64,
    /// Mean training loss over the epoch's rows. The loss of a row is computed before the update of its step.
    pub loss: f64,
    /// Learning rate of the epoch's last step, with the schedule's factor.
    pub learning_rate: f64,
    /// Evaluation on the validation set, if there is one: the loss, the main metrics of the task, and that of
    /// [`Fit::metric`](crate::Fit::metric).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub validation: Option<Evaluation>,
    /// Further numbers that [callbacks](crate::trainer::Callback) have added, such as the norms of gradients.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub scalars: BTreeMap<String, f64>,
}

/// All epochs of a [`Trainer::fit`](crate::Trainer::fit).
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
#[non_exhaustive]
pub struct History {
    /// Results of each epoch, in order.
    pub epochs: Vec<Epoch>,
    /// Number of the epoch, from 1, whose parameters were restored; `None` without
    /// [`Fit::restore_best`](crate::Fit::restore_best).
    pub best: Option<usize>,
    /// True if a callback stopped training before all epochs were done. Early stopping by patience leaves it false.
    pub stopped: bool,
}

impl History {
    /// Returns the number of epochs.
    ///
    /// # Examples
    /// ```
    /// # use wgrad::{Device, Fit, Loss, Network, Trainer, data};
    /// # let builder = Trainer::builder(Network::input(2).dense(1)).loss(Loss::binary_cross_entropy());
    /// # let mut trainer = builder.build(&Device::cpu())?;
    /// # let train = data::xor();
    /// let history = trainer.fit(&train, Fit::epochs(3))?;
    /// assert_eq!(history.len(), 3);
    /// # Ok::<(), wgrad::Error>(())
    /// ```
    pub fn len(&self) -> usize {
        self.epochs.len()
    }

    /// Returns true if there was no epoch.
    ///
    /// # Examples
    /// ```
    /// # use wgrad::{Device, Fit, Loss, Network, Trainer, data};
    /// # let builder = Trainer::builder(Network::input(2).dense(1)).loss(Loss::binary_cross_entropy());
    /// # let mut trainer = builder.build(&Device::cpu())?;
    /// # let train = data::xor();
    /// assert!(!trainer.fit(&train, Fit::epochs(1))?.is_empty());
    /// # Ok::<(), wgrad::Error>(())
    /// ```
    pub fn is_empty(&self) -> bool {
        self.epochs.is_empty()
    }
}
