//! Matrix multiplication of one block: the CPU executor's, compared with plain loops.
//!
//!     cargo bench --no-default-features --bench matmul
//!
//! Shapes are those of one block in typical workloads, each with the transposition that it has there: forward a·bᵀ,
//! input gradient a·b, weight gradient aᵀ·b.

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use wgrad::numeric::{Matrix, MatrixMut, matmul};

/// Name, rows of the output, columns of the output, terms of each sum.
const SHAPES: [(&str, usize, usize, usize); 6] = [
    ("moons forward", 64, 16, 2),
    ("moons hidden", 64, 16, 16),
    ("digits forward", 64, 128, 64),
    ("digits last", 64, 10, 64),
    ("mnist forward", 128, 512, 784),
    ("wide forward", 128, 1024, 1024),
];

#[derive(Clone, Copy, PartialEq)]
enum Transpose {
    Nt,
    Nn,
    Tn,
}

fn values(count: usize) -> Vec<f32> {
    (0..count).map(|i| (i % 17) as f32 / 8.0 - 1.0).collect()
}

fn matmuls(criterion: &mut Criterion) {
    for (transpose, name) in [(Transpose::Nt, "a·bᵀ"), (Transpose::Nn, "a·b"), (Transpose::Tn, "aᵀ·b")] {
        let mut group = criterion.benchmark_group(name);
        group.sample_size(20).warm_up_time(std::time::Duration::from_millis(200));
        group.measurement_time(std::time::Duration::from_millis(600));
        for (shape, m, n, k) in SHAPES {
            let (a, b, mut out) = (values(m * k), values(k * n), vec![0.0; m * n]);
            group.throughput(Throughput::Elements(2 * (m * n * k) as u64));
            group.bench_function(BenchmarkId::new("product", shape), |bench| {
                bench.iter(|| {
                    let left = if transpose == Transpose::Tn {
                        Matrix::new(&a, k, m).transposed()
                    } else {
                        Matrix::new(&a, m, k)
                    };
                    let right = if transpose == Transpose::Nt {
                        Matrix::new(&b, n, k).transposed()
                    } else {
                        Matrix::new(&b, k, n)
                    };
                    matmul(left, right, None, MatrixMut::new(&mut out, m, n));
                });
            });
            if m * n * k <= 1 << 20 {
                group.bench_function(BenchmarkId::new("plain loops", shape), |bench| {
                    bench.iter(|| plain_product(transpose, [m, n, k], &a, &b, &mut out));
                });
            }
        }
    }
}

fn strides(transpose: Transpose, [m, n, k]: [usize; 3]) -> [[isize; 2]; 2] {
    let (m, n, k) = (m as isize, n as isize, k as isize);
    [if transpose == Transpose::Tn { [1, m] } else { [k, 1] }, if transpose == Transpose::Nt { [1, k] } else { [n, 1] }]
}

/// Multiplies row by row, so that the inner loop runs along memory if the transposition allows it.
fn plain_product(transpose: Transpose, sizes: [usize; 3], a: &[f32], b: &[f32], out: &mut [f32]) {
    let [[a_row, a_column], [b_row, b_column]] = strides(transpose, sizes);
    let [m, n, k] = sizes;
    out.fill(0.0);
    for i in 0..m {
        for l in 0..k {
            let factor = a[i * a_row as usize + l * a_column as usize];
            for j in 0..n {
                out[i * n + j] += factor * b[l * b_row as usize + j * b_column as usize];
            }
        }
    }
}

criterion_group!(benches, matmuls);
criterion_main!(benches);
