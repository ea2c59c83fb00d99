// Records of all steps of the submission: their number, then the records, 256 bytes apart. Needs record.wgsl.

struct Record {
    @size(256) step: Step,
}

struct Steps {
    @size(256) count: u32,
    records: array<Record>,
}

@group(0) @binding(1) var<storage, read> steps: Steps;
