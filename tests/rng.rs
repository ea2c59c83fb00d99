//! Philox4x32-10 against its published numbers, and distributions against their moments.

use rand::seq::SliceRandom;
use rand::{Rng, RngExt};
use wgrad::rng::{Philox, Stream, key, philox, philox_lanes};

/// `kat_vectors` of the Random123 library (Salmon et al.): counter, key, result of `philox4x32 10`.
#[test]
fn known_answers() {
    let pi = [0x243f_6a88, 0x85a3_08d3, 0x1319_8a2e, 0x0370_7344];
    for (counter, key, result) in [
        ([0; 4], [0; 2], [0x6627_e8d5, 0xe169_c58d, 0xbc57_ac4c, 0x9b00_dbd8]),
        ([u32::MAX; 4], [u32::MAX; 2], [0x408f_276d, 0x41c8_3b0e, 0xa20b_c7c6, 0x6d54_51fd]),
        (pi, [0xa409_3822, 0x299f_31d0], [0xd16c_fe09, 0x94fd_cceb, 0x5001_e420, 0x2412_6ea1]),
    ] {
        assert_eq!(philox(counter, key), result);
    }
}

#[test]
fn several_counters_at_once_give_the_same_words() {
    let counters: [[u32; 5]; 4] =
        std::array::from_fn(|word| std::array::from_fn(|at| 0x9E37_79B9_u32.wrapping_mul((5 * word + at) as u32)));
    let key = [0xa409_3822, 0x299f_31d0];
    let words = philox_lanes(counters, key);
    for at in 0..5 {
        assert_eq!(words.map(|word| word[at]), philox(counters.map(|word| word[at]), key));
    }
}

#[test]
fn a_sequence_is_philox_at_an_increasing_counter() {
    let mut numbers = Philox::new(0x0123_4567_89AB_CDEF, Stream::Shuffle, 42);
    assert_eq!(key(0x0123_4567_89AB_CDEF), [0x89AB_CDEF, 0x0123_4567]);
    for block in 0..3 {
        let words: [u32; 4] = std::array::from_fn(|_| numbers.next_u32());
        assert_eq!(words, philox([block, 0, 42, 2], [0x89AB_CDEF, 0x0123_4567]));
    }
    let mut bytes = [0; 7];
    numbers.fill_bytes(&mut bytes);
    let words = philox([3, 0, 42, 2], [0x89AB_CDEF, 0x0123_4567]);
    assert_eq!(bytes[..4], words[0].to_le_bytes());
    assert_eq!(bytes[4..], words[1].to_le_bytes()[..3]);
}

#[test]
fn streams_seeds_and_indices_differ() {
    let first = |seed, stream, index| Philox::new(seed, stream, index).next_u64();
    let draws = [
        first(1, Stream::Init, 0),
        first(2, Stream::Init, 0),
        first(1 << 32, Stream::Init, 0),
        first(1, Stream::Shuffle, 0),
        first(1, Stream::Split, 0),
        first(1, Stream::Data, 0),
        first(1, Stream::Dropout, 0),
        first(1, Stream::Init, 1),
    ];
    let different: std::collections::BTreeSet<u64> = draws.into_iter().collect();
    assert_eq!(different.len(), draws.len());
}

const DRAWS: usize = 40_000;

/// Asserts that the mean of `values` is within five standard errors of the expected one.
fn assert_mean(what: &str, values: &[f64], mean: f64, deviation: f64) {
    let found = values.iter().sum::<f64>() / values.len() as f64;
    let error = 5.0 * deviation / (values.len() as f64).sqrt();
    assert!((found - mean).abs() <= error, "{what}: {found}, expected {mean} ± {error}");
}

#[test]
fn uniform_numbers_fill_the_unit_interval_evenly() {
    let mut numbers = Philox::new(3, Stream::Data, 0);
    let values: Vec<f64> = (0..DRAWS).map(|_| numbers.uniform()).collect();
    assert!(values.iter().all(|x| (0.0..1.0).contains(x)));
    assert_mean("mean", &values, 0.5, (1.0f64 / 12.0).sqrt());
    let moment = |power: i32| values.iter().map(|x| x.powi(power)).collect::<Vec<_>>();
    // The deviation of xⁿ is √(1/(2n+1) − 1/(n+1)²).
    for power in [2, 3] {
        let n = f64::from(power);
        let mean = 1.0 / (n + 1.0);
        assert_mean("moment", &moment(power), mean, (1.0 / (2.0 * n + 1.0) - mean * mean).sqrt());
    }
    let neighbors: Vec<f64> = values.windows(2).map(|pair| (pair[0] - 0.5) * (pair[1] - 0.5)).collect();
    assert_mean("correlation of neighbors", &neighbors, 0.0, 1.0 / 12.0);
}

#[test]
fn normal_numbers_have_the_moments_of_the_normal_distribution() {
    let mut numbers = Philox::new(4, Stream::Init, 0);
    let values: Vec<f64> = (0..DRAWS).map(|_| numbers.normal()).collect();
    let moment = |power: i32| values.iter().map(|x| x.powi(power)).collect::<Vec<_>>();
    // E x² = 1, E x⁴ = 3, E x⁶ = 15, E x⁸ = 105.
    assert_mean("mean", &values, 0.0, 1.0);
    assert_mean("variance", &moment(2), 1.0, 2f64.sqrt());
    assert_mean("skewness", &moment(3), 0.0, 15f64.sqrt());
    assert_mean("kurtosis", &moment(4), 3.0, 96f64.sqrt());
    let beyond = values.iter().map(|x| f64::from(u8::from(x.abs() > 1.959_964))).collect::<Vec<_>>();
    assert_mean("beyond 1.96", &beyond, 0.05, (0.05f64 * 0.95).sqrt());
}

#[test]
fn whole_numbers_below_a_limit_are_equally_frequent() {
    for limit in [1u32, 2, 3, 7, 10] {
        let mut numbers = Philox::new(5, Stream::Split, limit);
        let values: Vec<u32> = (0..DRAWS).map(|_| numbers.below(limit)).collect();
        assert!(values.iter().all(|x| *x < limit));
        let p = 1.0 / f64::from(limit);
        for wanted in 0..limit {
            let hits: Vec<f64> = values.iter().map(|x| f64::from(u8::from(*x == wanted))).collect();
            assert_mean("frequency", &hits, p, (p * (1.0 - p)).sqrt());
        }
    }
}

/// With a limit of 3·2³⁰, words modulo the limit would make the lowest third twice as frequent, and scaling without rejection
/// would favor every third number.
#[test]
fn large_limits_are_unbiased() {
    let limit = 3 << 30;
    let mut numbers = Philox::new(6, Stream::Split, 0);
    let values: Vec<u32> = (0..DRAWS).map(|_| numbers.below(limit)).collect();
    let share =
        |hit: &dyn Fn(u32) -> bool| -> Vec<f64> { values.iter().map(|x| f64::from(u8::from(hit(*x)))).collect() };
    assert_mean("lowest third", &share(&|x| x < limit / 3), 1.0 / 3.0, (2.0f64 / 9.0).sqrt());
    for rest in 0..3 {
        assert_mean("every third", &share(&|x| x % 3 == rest), 1.0 / 3.0, (2.0f64 / 9.0).sqrt());
    }
}

#[test]
fn a_shuffle_is_a_permutation() {
    for count in [0usize, 1, 2, 3, 64, 1009] {
        let mut items: Vec<usize> = (0..count).collect();
        Philox::new(7, Stream::Shuffle, count as u32).shuffle(&mut items);
        assert!(count < 64 || items.iter().enumerate().any(|(i, item)| i != *item), "nothing moved");
        items.sort_unstable();
        assert_eq!(items, (0..count).collect::<Vec<_>>());
    }
}

#[test]
fn all_permutations_are_equally_frequent() {
    let draws: Vec<[u8; 3]> = (0..6000)
        .map(|epoch| {
            let mut items = [0, 1, 2];
            Philox::new(8, Stream::Shuffle, epoch).shuffle(&mut items);
            items
        })
        .collect();
    for wanted in [[0, 1, 2], [0, 2, 1], [1, 0, 2], [1, 2, 0], [2, 0, 1], [2, 1, 0]] {
        let hits: Vec<f64> = draws.iter().map(|items| f64::from(u8::from(*items == wanted))).collect();
        assert_mean("permutation", &hits, 1.0 / 6.0, (5.0f64 / 36.0).sqrt());
    }
}

/// In 60,000 throws, each face comes up 10,000 ± 3.5·√(60,000·1/6·5/6) = 320 times. Half of the uniform numbers are below a half.
/// A shuffle is a permutation.
#[test]
fn distributions_of_rand_are_drawn_from_philox() {
    let mut random = Philox::new(3, Stream::Data, 0);
    let mut faces = [0; 6];
    (0..60_000).for_each(|_| faces[random.random_range(0..6_usize)] += 1);
    assert!(faces.iter().all(|count| (10_000 - 320..=10_000 + 320).contains(count)), "{faces:?}");
    let low = (0..60_000).filter(|_| random.random::<f32>() < 0.5).count();
    assert!((30_000 - 429..=30_000 + 429).contains(&low), "{low}");
    let mut numbers: Vec<u32> = (0..100).collect();
    numbers.shuffle(&mut random);
    assert!(!numbers.is_sorted());
    numbers.sort_unstable();
    assert_eq!(numbers, (0..100).collect::<Vec<_>>());
}
