// The current step: one of the records of the submission, selected by a dynamic offset. Needs record.wgsl.

@group(0) @binding(1) var<uniform> step: Step;
