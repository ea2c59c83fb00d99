//! Faulty matrix multiplications, one table per kind of tile.

use super::Sabotage;
use wgrad::plan::{OperandSharing, Tile};

/// Faults without workgroup memory, with scalar access.
pub(super) const PLAIN: &[Sabotage] = &[
    ("dense_forward", "the last input is left out", "return params.inputs;", "return params.inputs - 1u;"),
    ("dense_forward", "the weight is transposed", "const B_ALONG_TERMS = true;", "const B_ALONG_TERMS = false;"),
    ("dense_forward", "dead rows are written", "if row + r < rows(params) {", "if row + r < rows(params) + 1u {"),
    (
        "dense_forward",
        "dead rows are read as the next ones",
        "line < select(terms(params), rows(params), A_ALONG_TERMS)",
        "line <= 1u",
    ),
    ("dense_forward", "the fourth column is left out", "column + 3u, columns(params)", "column + 3u, 0u"),
    (
        "dense_forward",
        "lines are taken for one longer",
        "let start = line * width;",
        "let start = line * (width + 1u);",
    ),
    ("dense_forward", "only the last block of terms counts", "sums += b", "sums = b"),
    ("dense_forward", "the bias is forgotten", " + four_of_second(params, 0u, column)", ""),
    (
        "dense_forward",
        "the mask is that of the next row",
        "params.layer, row, column",
        "params.layer, row + 1u, column",
    ),
    ("dense_forward", "the mask is that of the row in the batch", "step.first_row + row", "row"),
    ("dense_forward", "the mask's factor is forgotten", "params.scale * activate", "activate"),
    ("dense_forward", "random words have nine rounds", "round < 10u", "round < 9u"),
    ("dense_forward", "the product of halves loses a carry", " + (cross_product >> 16u)", ""),
    ("dense_forward", "the parameters are forgotten", "vec2(params.alpha, params.beta)", "vec2(0.0, 0.0)"),
    (
        "dense_forward_kept",
        "the output is kept",
        "column, x);",
        "column, activate_four(FUNCTION, vec2(params.alpha, params.beta), x));",
    ),
    ("dense_forward_kept", "the argument stays the output", "keeps_argument = false;\n}", "}"),
    ("dense_forward_sum_kept", "the bias is not in what is kept", "keep(i, x);", "keep(i, sum);"),
    ("dense_forward_sum_kept", "the next element is kept", "kept[i] = x;", "kept[i + 1u] = x;"),
    ("matmul_nt", "b is taken as transposed already", "if B_ALONG_TERMS", "if !B_ALONG_TERMS"),
    ("matmul_nt", "the last terms are left out", "term < end; term += 4u", "term + 4u <= end; term += 4u"),
    ("matmul_nn", "b is taken as transposed", "if B_ALONG_TERMS", "if !B_ALONG_TERMS"),
    (
        "matmul_nn",
        "rows of a block are turned over",
        "store(params, place.z, row + r, column, totals[r])",
        "store(params, place.z, row + r, column, totals[3u - r])",
    ),
    ("matmul_tn", "the terms are those of the whole batch", "select(step.rows, params.k", "select(params.k, params.k"),
    ("matmul_tn", "it is added to what was there", "out[i] = sums", "out[i] += sums"),
    ("dense_grad_input", "dead rows are written", "if row + r < rows(params) {", "if row + r < rows(params) + 1u {"),
    ("dense_grad_input", "the mask is that of the next step", "step.index, (layer", "step.index + 1u, (layer"),
    (
        "dense_grad_input",
        "the derivative is forgotten",
        " * derivative_four(FUNCTION, vec2(params.alpha, params.beta), y)",
        "",
    ),
    ("dense_grad_input", "the dropout's factor is not taken out", "column) * params.keep", "column)"),
    ("dense_grad_weight", "the bias gradient is dropped", "grad_bias[row] = bias;", ""),
    ("dense_grad_weight", "the bias gradient is that of the last terms", "row_sums += a[0]", "row_sums = a[0]"),
    ("dense_grad_weight", "the bias gradient leaves a row in four out", " + a[3]", ""),
    ("dense_grad_weight", "the flag is not set", "if !all_finite(sums)", "if false"),
    ("dense_grad_weight", "the flag is always set", "if !all_finite(sums)", "if true"),
    ("dense_grad_weight", "the flag records the batch index", "step.index", "step.batch_index"),
    (
        "matmul_split_nt",
        "a term is counted in two parts",
        "vec2(part, part + 1u) * params.chunk",
        "(vec2(part, part + 1u) * params.chunk + vec2(0u, 1u))",
    ),
    ("matmul_split_nt", "a part is counted twice", "vec2(part, part + 1u)", "vec2(part, part + 2u)"),
    ("matmul_split_nn", "all parts are written to the first", "part * part_size(params) + row", "row"),
    ("matmul_split_nn", "parts lie in the wrong order", "group.y / high", "(group.y / high + 1u) % 2u"),
    ("matmul_split_tn", "sums of rows lie among the products", "params.m * params.n, row", "params.n, row"),
    ("matmul_split_tn", "sums of rows are dropped", "row_sums += a[0]", "row_sums = 0.0 * a[0]"),
    ("dense_forward_sum", "the last part is left out", "part < params.parts", "part + 1u < params.parts"),
    ("dense_forward_sum", "the bias is counted in each part", "added(sum, partial[", "added(sum, bias[0] + partial["),
    ("dense_forward_sum", "dead rows are written", "i >= step.rows * params.outputs", "i >= arrayLength(&output)"),
    (
        "dense_grad_input_sum",
        "the first part is counted twice",
        "var sum = no_blocks();",
        "var sum = added(no_blocks(), partial[i]);",
    ),
    (
        "dense_grad_input_sum",
        "the derivative is forgotten",
        " * derivative(FUNCTION, vec2(params.alpha, params.beta), lower[i] * params.keep)",
        "",
    ),
    ("dense_grad_weight_sum", "the last part is left out", "part < params.parts", "part + 1u < params.parts"),
    ("dense_grad_weight_sum", "the bias gradient is dropped", "grad_bias[i - weights] = sum;", ""),
    ("dense_grad_weight_sum", "the flag is not set", "if !is_finite(sum)", "if false"),
];

/// Faults without workgroup memory, with vec4 access.
pub(super) const VECTOR: &[Sabotage] = &[
    (
        "matmul_nt",
        "a is read four numbers too far",
        "* terms(params) + first) / 4u)",
        "* terms(params) + first) / 4u + 1u)",
    ),
    (
        "matmul_nn",
        "rows are taken for shorter ones",
        "(min(line, rows(params) - 1u) * terms(params)",
        "(min(line, rows(params) - 1u) * (terms(params) - 4u)",
    ),
    ("matmul_tn", "dead rows are summed", "if line >= terms(params)", "if false"),
    (
        "dense_forward",
        "four columns are written too far left",
        "put((start + column) / 4u",
        "put((start + column) / 4u - min(1u, column)",
    ),
    ("matmul_split_tn", "sums of rows are written to the first four", "put((start + row) / 4u", "put(start / 4u"),
];

/// Faults with subgroups, with scalar access.
pub(super) const SUBGROUPS: &[Sabotage] = &[
    ("matmul_nt", "an invocation hears itself", "subgroupBroadcast(share, 2u)", "share"),
    ("matmul_nt", "two rows are swapped", "subgroupBroadcast(share, 5u)", "subgroupBroadcast(share, 6u)"),
    ("matmul_nt", "the lower rows are the upper ones", "row + 8u, term, lane", "row, term, lane"),
    ("matmul_nt", "the last terms are left out", "term < end; term += 4u", "term + 4u <= end; term += 4u"),
    ("matmul_nn", "the second subgroup computes what the first does", "16u * subgroup", "0u * subgroup"),
    ("matmul_nn", "only the last block of terms counts", "sums_3 += b", "sums_3 = b"),
    ("matmul_tn", "the other four rows are the first four", "row + 4u * (lane / 4u)", "row"),
    ("matmul_tn", "rows and terms are turned over", "return heard;", "return transpose(heard);"),
    ("matmul_tn", "rows of a block are turned over", "totals_1[0], totals_1[1]", "totals_1[1], totals_1[0]"),
    (
        "dense_forward",
        "dead rows are written",
        "row + r < rows(params) && column",
        "row + r < rows(params) + 1u && column",
    ),
    (
        "dense_grad_input",
        "whoever has nothing to store leaves",
        "var sums_0",
        "if column >= columns(params) { return; } var sums_0",
    ),
    ("dense_grad_weight", "sums of rows are those of the rows above", "sum_of_terms(a_1)", "sum_of_terms(a_0)"),
    ("dense_grad_weight", "the bias gradient is that of the last terms", "row_sums += mat", "row_sums = mat"),
    ("matmul_split_tn", "sums of rows are written to the first four", "row + 4u * i, sums", "row, sums"),
];

/// Tiles in workgroup memory with 4×4 and 8×8 outputs per invocation.
pub const STAGED: Tile = Tile::new(32, 32, [4, 4], OperandSharing::Workgroup { terms: 16 });
pub const WIDE: Tile = Tile::new(64, 64, [8, 8], OperandSharing::Workgroup { terms: 16 });

/// Tile in bands, for drivers with subgroups of eight.
pub const BANDED: Tile = Tile { band: 2, ..Tile::SUBGROUPS };

pub(super) const BANDS: &[Sabotage] = &[
    ("matmul_nn", "the last band is as high as the others", "min(BAND, groups.y - first)", "BAND"),
    ("matmul_nt", "bands begin one row apart", "/ (BAND * groups.x) * BAND", "/ (BAND * groups.x)"),
    (
        "matmul_tn",
        "a band goes row by row, as if it were on its side",
        "within / high, first + within % high",
        "within % high, first + within / high",
    ),
];

pub(super) const TILES: &[Sabotage] = &[
    ("matmul_nt", "what is staged is read before it is there", "workgroupBarrier();\n            // Sums", "// Sums"),
    (
        "matmul_nt",
        "what is staged is written over while it is read",
        "            workgroupBarrier();\n        }\n        for",
        "        }\n        for",
    ),
    (
        "matmul_nt",
        "the last terms are left out",
        "term < end; term += TILE_TERMS",
        "term + TILE_TERMS <= end; term += TILE_TERMS",
    ),
    ("matmul_nt", "one of sixteen terms is left out", "t < TILE_TERMS", "t + 1u < TILE_TERMS"),
    ("matmul_nn", "only the last terms count", "+= a.y * b[j]", "= a.y * b[j]"),
    (
        "matmul_nn",
        "only some blocks of b are staged",
        "block < COLUMN_FOURS * TERM_FOURS",
        "block + 1u < COLUMN_FOURS * TERM_FOURS",
    ),
    ("matmul_tn", "two rows are swapped", "+= four[2]", "+= four[3]"),
    (
        "matmul_tn",
        "terms of a are staged in the wrong place",
        "tile_a[(first + 2u) * ROW_STRIDE + four]",
        "tile_a[(first + 1u) * ROW_STRIDE + four]",
    ),
    (
        "dense_forward",
        "dead rows are written",
        "if row + r < rows(params) && column",
        "if row + r < rows(params) + 1u && column",
    ),
    ("dense_grad_weight", "the bias gradient is that of four terms", "row_sums[i] += a[0]", "row_sums[i] = a[0]"),
    ("dense_grad_weight", "the bias gradient is dropped", "if sums_rows && row < rows(params)", "if false"),
];

/// Faults that show only if an invocation has several groups of 4×4.
pub(super) const GROUPS: &[Sabotage] = &[
    (
        "matmul_nn",
        "the second columns are the first",
        "tile_b[t * COLUMN_STRIDE + j * WIDE + local.x]",
        "tile_b[t * COLUMN_STRIDE + local.x]",
    ),
    (
        "matmul_nn",
        "the second rows are the first",
        "tile_a[t * ROW_STRIDE + i * HIGH + local.y]",
        "tile_a[t * ROW_STRIDE + local.y]",
    ),
    ("matmul_tn", "groups are neighbors when they are stored", "4u * (j * WIDE + local.x)", "4u * (2u * local.x + j)"),
];
