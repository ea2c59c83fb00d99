//! Builder of the trainer for a data set.

use wgrad::trainer::Builder;
use wgrad::{Result, Standardization, Trainer};

use super::split::Sets;
use crate::command::groups::GroupOptions;
use crate::command::recipe::Recipe;

/// Returns the builder of a trainer, with the scaling of inputs and targets fitted on the training set.
pub fn builder(recipe: &Recipe, groups: &GroupOptions, accumulate: usize, seed: u64, sets: &Sets) -> Result<Builder> {
    let train = &sets.train.rows;
    // Tables often have outliers, so their scaling is robust. Pixels have the same meaning, so they share one mean and
    // one scale.
    let fit = match &sets.preparation {
        Some(_) => Standardization::robust,
        None if train.bytes().is_some() => Standardization::fit_all,
        None => Standardization::fit,
    };
    let mut builder = Trainer::builder(recipe.network.clone())
        .loss(recipe.loss)
        .optimizer(recipe.optimizer)
        .batch(recipe.batch)
        .accumulate(accumulate)
        .seed(seed)
        .preprocessing(fit(train)?);
    for group in groups.groups() {
        builder = builder.group(group);
    }
    builder = recipe.clipping.builder(builder);
    if recipe.loss.scales_targets() && train.target_values().is_some() {
        builder = builder.target_scaling(Standardization::fit_targets(train)?);
    }
    Ok(builder)
}
