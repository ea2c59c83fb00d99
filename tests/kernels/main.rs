//! Tests of every kernel: its reference implementation against the formula in f64, its fast CPU kernel against the
//! reference, and its tolerances. `sabotage` then tests these tests with faulty kernels.
//!
//! One file per kernel, with the same stem. `cases()` has irregular shapes; `oracle` follows the formula in the
//! kernel's documentation; further tests check its other claims. `tests/cases` is the cases alone, as a library:
//! `tests/gpu` runs the shaders on them.

#[path = "../common/case.rs"]
pub mod case;
#[path = "../common/compare.rs"]
pub mod compare;
#[path = "../common/memory.rs"]
pub mod memory;
#[path = "../common/prove.rs"]
pub mod prove;

mod accumulate;
mod activation;
mod activation_grad;
mod add;
mod argmax;
mod average;
mod batch_norm;
mod batch_norm_eval;
mod batch_norm_grad;
mod bias_add;
mod check_finite;
mod column_sum;
mod count_correct;
mod dense_forward;
mod dense_forward_sum;
mod dense_grad_input;
mod dense_grad_input_sum;
mod dense_grad_weight;
mod dense_grad_weight_sum;
mod dropout;
mod element_loss;
mod gated;
mod gated_grad;
mod gather;
mod gather_bytes;
mod matmul;
mod matmul_split;
mod max_norm;
mod mean_loss;
mod mix_rows;
mod mlp_step_fused;
mod mlp_step_sum;
mod norm;
mod row_norm;
mod row_norm_grad;
mod row_norm_grad_weight;
mod running_update;
mod sabotage;
mod slope;
mod slope_grad;
mod softmax_cross_entropy;
mod square_sum;
mod tensor_norm;
mod trust_ratio;
mod update;
mod vector_sum;
mod weigh_rows;
mod whole_row_loss;

use std::collections::BTreeSet;
use std::path::Path;

/// Stem of a kernel's file, and its cases.
pub type Stem = (&'static str, fn() -> Vec<case::Case>);

/// Cases of every kernel file.
pub const STEMS: [Stem; 47] = [
    ("accumulate", accumulate::cases),
    ("activation", activation::cases),
    ("activation_grad", activation_grad::cases),
    ("add", add::cases),
    ("argmax", argmax::cases),
    ("average", average::cases),
    ("batch_norm", batch_norm::cases),
    ("batch_norm_eval", batch_norm_eval::cases),
    ("batch_norm_grad", batch_norm_grad::cases),
    ("bias_add", bias_add::cases),
    ("check_finite", check_finite::cases),
    ("column_sum", column_sum::cases),
    ("count_correct", count_correct::cases),
    ("dense_forward", dense_forward::cases),
    ("dense_forward_sum", dense_forward_sum::cases),
    ("dense_grad_input", dense_grad_input::cases),
    ("dense_grad_input_sum", dense_grad_input_sum::cases),
    ("dense_grad_weight", dense_grad_weight::cases),
    ("dense_grad_weight_sum", dense_grad_weight_sum::cases),
    ("dropout", dropout::cases),
    ("element_loss", element_loss::cases),
    ("gather", gather::cases),
    ("gather_bytes", gather_bytes::cases),
    ("gated", gated::cases),
    ("gated_grad", gated_grad::cases),
    ("matmul", matmul::cases),
    ("matmul_split", matmul_split::cases),
    ("max_norm", max_norm::cases),
    ("mean_loss", mean_loss::cases),
    ("mix_rows", mix_rows::cases),
    ("mlp_step_fused", mlp_step_fused::cases),
    ("mlp_step_sum", mlp_step_sum::cases),
    ("norm", norm::cases),
    ("row_norm", row_norm::cases),
    ("row_norm_grad", row_norm_grad::cases),
    ("row_norm_grad_weight", row_norm_grad_weight::cases),
    ("running_update", running_update::cases),
    ("slope", slope::cases),
    ("slope_grad", slope_grad::cases),
    ("softmax_cross_entropy", softmax_cross_entropy::cases),
    ("square_sum", square_sum::cases),
    ("tensor_norm", tensor_norm::cases),
    ("trust_ratio", trust_ratio::cases),
    ("weigh_rows", weigh_rows::cases),
    ("whole_row_loss", whole_row_loss::cases),
    ("update", update::cases),
    ("vector_sum", vector_sum::cases),
];

/// Returns the stems of the Rust files in a folder of the package, without `except`.
fn files(folder: &str, except: &[&str]) -> BTreeSet<String> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join(folder);
    let names = folder.read_dir().expect("a folder of the package").map(|entry| entry.expect("a file").path());
    let stem = |path: std::path::PathBuf| path.file_stem().expect("a name").to_string_lossy().into_owned();
    names
        .filter(|path| path.extension().is_some_and(|e| e == "rs"))
        .map(stem)
        .filter(|name| !except.contains(&name.as_str()))
        .collect()
}

/// `loss.rs` has no kernel: it chooses one.
#[test]
fn every_kernel_file_has_a_file_of_tests() {
    let stems: BTreeSet<String> = STEMS.iter().map(|(name, _)| name.to_string()).collect();
    assert_eq!(files("src/kernels", &["mod", "loss"]), stems);
    assert_eq!(files("tests/kernels", &["main"]), stems);
}

#[test]
fn every_kernel_has_cases() {
    let tested: BTreeSet<&str> = STEMS.iter().flat_map(|(_, cases)| cases()).map(|c| c.op().kernel.name).collect();
    assert_eq!(wgrad::kernels::ALL.iter().map(|kernel| kernel.name).collect::<BTreeSet<_>>(), tested);
}
