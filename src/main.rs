//! The command `wgrad`.

fn main() {}
