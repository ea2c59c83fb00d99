//! Kernels. Each kernel has three files with the same stem: `NAME.rs` here, `shaders/NAME.wgsl` and
//! `tests/kernels/NAME.rs`. Variants of a kernel share them.
//!
//! A kernel's file holds its documentation (formula, symbols, bindings, derivative, rounding tolerance), `Params`, the
//! static [`Kernel`], functions that create an [`Op`](crate::plan::Op) of it, and `reference`, the reference
//! implementation. Some also have `fast`, a faster CPU kernel. Kernels use plan types; they know nothing of networks or
//! devices.
//!
//! Rows in use: views have room for the rows of a full batch, but a step may have fewer, such as the last of an epoch.
//! Only the first [`Step::rows`](crate::plan::Step::rows) rows, with all of their elements, are then in use. Kernels
//! neither read nor write the remaining rows.

use crate::plan::Kernel;

pub mod accumulate;
pub mod activation;
pub mod activation_grad;
pub mod add;
pub mod argmax;
pub mod average;
pub mod batch_norm;
pub mod batch_norm_eval;
pub mod batch_norm_grad;
pub mod bias_add;
pub mod check_finite;
pub mod column_sum;
pub mod count_correct;
pub mod dense_forward;
pub mod dense_forward_sum;
pub mod dense_grad_input;
pub mod dense_grad_input_sum;
pub mod dense_grad_weight;
pub mod dense_grad_weight_sum;
pub mod dropout;
pub mod element_loss;
pub mod gated;
pub mod gated_grad;
pub mod gather;
pub mod gather_bytes;
pub mod loss;
pub mod matmul;
pub mod matmul_split;
pub mod max_norm;
pub mod mean_loss;
pub mod mix_rows;
pub mod mlp_step_fused;
pub mod mlp_step_sum;
pub mod norm;
pub mod row_norm;
pub mod row_norm_grad;
pub mod row_norm_grad_weight;
pub mod running_update;
pub mod shared;
pub mod slope;
pub mod slope_grad;
pub mod softmax_cross_entropy;
pub mod square_sum;
pub mod tensor_norm;
pub mod trust_ratio;
pub mod update;
pub mod vector_sum;
pub mod weigh_rows;
pub mod whole_row_loss;

/// All kernels.
pub static ALL: [&Kernel; DIFFERENT.len() + 2 * UPDATES] = {
    let mut all = [DIFFERENT[0]; DIFFERENT.len() + 2 * UPDATES];
    let mut place = 1;
    while place < all.len() {
        let of_updates = place.checked_sub(DIFFERENT.len());
        all[place] = match of_updates {
            None => DIFFERENT[place],
            Some(update) => &update::kernels(update >= UPDATES)[update % UPDATES],
        };
        place += 1;
    }
    all
};

/// Number of updates of optimizers. Each update has a kernel without parameter groups, and a kernel with them.
const UPDATES: usize = update::kernels(false).len();

/// All kernels except those of [`update`], which a macro declares.
static DIFFERENT: [&Kernel; 56] = [
    &accumulate::KERNEL,
    &activation::KERNEL,
    &activation_grad::KERNEL,
    &add::KERNEL,
    &argmax::KERNEL,
    &average::KERNEL,
    &batch_norm::KERNEL,
    &batch_norm_eval::KERNEL,
    &batch_norm_grad::KERNEL,
    &bias_add::KERNEL,
    &check_finite::KERNEL,
    &column_sum::KERNEL,
    &count_correct::KERNEL,
    &dense_forward::KERNEL,
    &dense_forward::KEPT,
    &dense_forward_sum::KERNEL,
    &dense_forward_sum::KEPT,
    &dense_grad_input::KERNEL,
    &dense_grad_input_sum::KERNEL,
    &dense_grad_weight::KERNEL,
    &dense_grad_weight_sum::KERNEL,
    &dropout::KERNEL,
    &dropout::ALPHA,
    &dropout::ADDITIVE,
    &element_loss::KERNEL,
    &gather::KERNEL,
    &gather_bytes::KERNEL,
    &gated::KERNEL,
    &gated_grad::KERNEL,
    &matmul::NN,
    &matmul::NT,
    &matmul::TN,
    &matmul_split::NN,
    &matmul_split::NT,
    &matmul_split::TN,
    &max_norm::KERNEL,
    &mean_loss::KERNEL,
    &mix_rows::KERNEL,
    &mlp_step_fused::KERNEL,
    &mlp_step_fused::TRACED,
    &mlp_step_sum::KERNEL,
    &norm::KERNEL,
    &row_norm::KERNEL,
    &row_norm_grad::KERNEL,
    &row_norm_grad_weight::KERNEL,
    &running_update::KERNEL,
    &slope::KERNEL,
    &slope_grad::KERNEL,
    &softmax_cross_entropy::KERNEL,
    &square_sum::KERNEL,
    &tensor_norm::KERNEL,
    &trust_ratio::KERNEL,
    &vector_sum::KERNEL,
    &weigh_rows::KERNEL,
    &whole_row_loss::NUMBERS,
    &whole_row_loss::CLASSES,
];
