// Forward pass that also writes the argument of the activation, from which some derivatives are computed.

@group(0) @binding(6) var<storage, read_write> kept: array<Element>;

// True while `put_four` writes the argument, not the output.
var<private> keeps_argument = false;

fn put(i: u32, values: Element) {
    if keeps_argument {
        kept[i] = values;
    } else {
        output[i] = values;
    }
}

// Writes four elements of a row of the argument, starting at element `start + column`.
fn keep_four(params: Params, start: u32, column: u32, x: vec4<f32>) {
    keeps_argument = true;
    put_four(params, start, column, x);
    keeps_argument = false;
}
