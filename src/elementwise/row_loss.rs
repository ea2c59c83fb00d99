//! Losses of whole rows: functions of maxima and sums over all outputs of a row.

use super::numbers::{Dual, Rounded, RowNumber};
use super::{LossFunction, MOST_PARAMETERS, Meaning, statements_with};

/// Function that returns the loss of a row, and writes its derivative with respect to each output. Arguments: row,
/// derivatives.
pub type RowFormula<N> = fn(&Row<'_, N>, &mut [N]) -> N;

/// Loss of a whole row.
#[derive(Debug)]
pub struct RowLoss {
    /// Floating-point operations per output, including scaling.
    pub flops: u64,
    /// Names of the numbers of a column: output, target, auxiliary number, index among the outputs of its target,
    /// number of columns.
    pub(super) columns: [&'static str; 5],
    /// Name and body, in WGSL, of each maximum over columns, at most two.
    pub(super) maxima: &'static [(&'static str, &'static str)],
    /// Name and body, in WGSL, of each sum over columns, at most four.
    pub(super) sums: &'static [(&'static str, &'static str)],
    /// Loss and derivative in WGSL.
    pub(super) bodies: [&'static str; 2],
    /// Loss and derivatives in f32.
    pub single: RowFormula<f32>,
    /// Loss and derivatives in f64.
    pub double: RowFormula<f64>,
    /// Loss and derivatives, with rounding errors.
    pub rounded: RowFormula<Rounded>,
    /// Loss and derivatives for dual numbers (automatic differentiation).
    pub dual: RowFormula<Dual>,
}

/// Targets of a row.
#[derive(Clone, Copy, Debug)]
pub enum Targets<'a, N> {
    /// Numbers, each for one output or for several.
    Numbers(&'a [N]),
    /// Index of the row's class.
    Class(usize),
}

/// Row of outputs with its targets.
#[derive(Debug)]
pub struct Row<'a, N> {
    /// Meaning of the outputs.
    pub meaning: Meaning,
    /// Values of the parameters.
    pub parameters: [N; MOST_PARAMETERS],
    /// Outputs.
    pub outputs: &'a [N],
    /// Targets.
    pub targets: Targets<'a, N>,
}

impl<N: RowNumber> Row<'_, N> {
    /// Returns four numbers of a column: its output, its target, an auxiliary number, and its index among the outputs
    /// of its target.
    ///
    /// If the target is a class, the target is 1 in the column of that class, else 0, and the auxiliary number is the
    /// output of that class. The auxiliary number of a quantile is its level. That of a mean is the output of the
    /// variance, and that of a variance the output of the mean.
    pub(super) fn column(&self, c: usize) -> [N; 4] {
        let z = self.outputs[c];
        let numbers = match self.targets {
            Targets::Class(class) => return [z, N::whole(usize::from(c == class)), self.outputs[class], N::whole(0)],
            Targets::Numbers(numbers) => numbers,
        };
        let each = self.outputs.len() / numbers.len().max(1);
        let place = c % each;
        let other = match self.meaning {
            Meaning::Normal => self.outputs[c ^ 1],
            Meaning::Quantiles => self.parameters[place],
            Meaning::Number { .. }
            | Meaning::LogRate
            | Meaning::Logit
            | Meaning::Score
            | Meaning::ClassLogits
            | Meaning::ClassScore
            | Meaning::Direction => N::whole(0),
        };
        [z, numbers[c / each], other, N::whole(place)]
    }
}

impl LossFunction {
    /// Returns the WGSL of a loss of whole rows: the struct `Column`, the functions `maxima_of`, `sums_of`, `loss_of`
    /// and `derivative_of`, and constants such as `MAXIMA` and `SUMS`. `per_target` is the number of outputs per
    /// target. For other losses, the result is that of the first loss of whole rows.
    pub fn row_wgsl(&self, per_target: usize) -> String {
        let mut all = std::iter::once(self).chain(Self::ALL).filter_map(|function| Some((function, function.row()?)));
        all.next().map_or(String::new(), |(function, row)| function.wgsl_of_row(row, per_target))
    }

    fn wgsl_of_row(&self, row: &RowLoss, per_target: usize) -> String {
        let [z, t, o, k, n] = row.columns;
        let parts = ["x", "y", "z", "w"];
        let column = [(z, "column.z"), (t, "column.t"), (o, "column.o"), (k, "column.k"), (n, "column.n")];
        let maxima = row.maxima.iter().zip(["maxima.x", "maxima.y"]).map(|((name, _), value)| (*name, value));
        let sums =
            row.sums.iter().zip(["sums.x", "sums.y", "sums.z", "sums.w"]).map(|((name, _), value)| (*name, value));
        let names =
            self.parameters.iter().filter(|parameter| parameter.more.is_empty()).map(|parameter| parameter.name);
        let parameters: Vec<_> = names.zip(["parameters.x", "parameters.y"]).collect();
        let function = |name: &str, body: &str, known: &[(&'static str, &'static str)]| {
            let known = parameters.iter().chain(known).copied();
            let arguments = "parameters: vec2<f32>, maxima: vec2<f32>, sums: vec4<f32>, column: Column";
            format!("fn {name}({arguments}) -> f32 {{\n{}}}\n", statements_with(known, body, "    "))
        };
        let (maxima, sums): (Vec<_>, Vec<_>) = (maxima.collect(), sums.collect());
        let with_maxima = [&column[..], &maxima].concat();
        let all = [&with_maxima[..], &sums].concat();
        let number = |what: &str, place: usize| format!("{what}_{}", parts[place]);
        let of_maxima = row.maxima.iter().enumerate().map(|(i, (_, body))| function(&number("max", i), body, &column));
        let of_sums = row.sums.iter().enumerate().map(|(i, (_, body))| function(&number("sum", i), body, &with_maxima));
        let calls = |what: &str, count: usize, all: usize| {
            let call = |i: usize| format!("{}(parameters, maxima, sums, column)", number(what, i));
            let each = (0..all).map(|i| if i < count { call(i) } else { "0.0".into() });
            each.collect::<Vec<_>>().join(", ")
        };
        let (max, sum) = (row.maxima.len(), row.sums.len());
        format!(
            "struct Column {{ z: f32, t: f32, o: f32, k: f32, n: f32 }}\n{}{}{}{}\
             const MAXIMA = {max}u;\nconst SUMS = {sum}u;\nconst PER_TARGET = {per_target}u;\n\
             const PAIRS = {};\nconst LEVELS = {};\n\
             fn maxima_of(parameters: vec2<f32>, column: Column) -> vec2<f32> {{\n    \
             let maxima = vec2(0.0);\n    let sums = vec4(0.0);\n    return vec2({});\n}}\n\
             fn sums_of(parameters: vec2<f32>, maxima: vec2<f32>, column: Column) -> vec4<f32> {{\n    \
             let sums = vec4(0.0);\n    return vec4({});\n}}\n",
            of_maxima.collect::<String>(),
            of_sums.collect::<String>(),
            function("loss_of", row.bodies[0], &all),
            function("derivative_of", row.bodies[1], &all),
            self.output == Meaning::Normal,
            self.output == Meaning::Quantiles,
            calls("max", max, 2),
            calls("sum", sum, 4),
        )
    }
}
