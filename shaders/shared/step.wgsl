// The current step: one batch_index of the submission's records, chosen by a dynamic offset. Needs record.wgsl.

@group(0) @binding(1) var<uniform> step: Step;
