// Philox4x32-10: random numbers as a pure function of a key and a counter. Equal to `philox` in src/rng.rs bit for bit.
// Source: Salmon, Moraes, Dror, Shaw, Parallel random numbers: as easy as 1, 2, 3 (SC'11).

const PHILOX_MULTIPLIER = vec2(0xD2511F53u, 0xCD9E8D57u);
const PHILOX_WEYL = vec2(0x9E3779B9u, 0xBB67AE85u);

// Returns the high word of a·b, computed from 16-bit halves, since WGSL has no 64-bit multiplication. No sum here
// overflows, since (2¹⁶ − 1)² + 2¹⁶ − 1 < 2³².
fn multiply_high(a: u32, b: u32) -> u32 {
    let low = (a & 0xffffu) * (b & 0xffffu);
    let middle = (a >> 16u) * (b & 0xffffu) + (low >> 16u);
    let cross_product = (a & 0xffffu) * (b >> 16u) + (middle & 0xffffu);
    return (a >> 16u) * (b >> 16u) + (middle >> 16u) + (cross_product >> 16u);
}

// Returns four random words for counter `first_counter` and key `first_key`, after ten rounds.
fn philox(first_counter: vec4<u32>, first_key: vec2<u32>) -> vec4<u32> {
    var counter = first_counter;
    var key = first_key;
    for (var round = 0u; round < 10u; round++) {
        let a_high = multiply_high(PHILOX_MULTIPLIER.x, counter.x);
        let b_high = multiply_high(PHILOX_MULTIPLIER.y, counter.z);
        counter = vec4(
            b_high ^ counter.y ^ key.x,
            PHILOX_MULTIPLIER.y * counter.z,
            a_high ^ counter.w ^ key.y,
            PHILOX_MULTIPLIER.x * counter.x,
        );
        key += PHILOX_WEYL;
    }
    return counter;
}
