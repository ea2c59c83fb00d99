//! The macro that declares losses of whole rows; see [`row_loss!`].

/// Declares a loss of a whole row as a [`RowLoss`](super::RowLoss).
///
/// First come names for five numbers of a column: its output z, its target t, an auxiliary number o, its index k among
/// the outputs of its target, and the number n of columns. [`Row`](super::Row) computes them. Then follow the number of
/// floating-point operations per column, up to two maxima over columns, and up to four sums over columns, which may use
/// the maxima. Last come the row's loss, from maxima, sums and n, and its derivative with respect to the output of a
/// column.
macro_rules! row_loss {
    (
        ($($p:ident),*) ($($column:ident),*) flops $flops:literal;
        $(max $max:ident { $($max_body:tt)* })*
        $(sum $sum:ident { $($sum_body:tt)* })*
        l { $($l:tt)* }
        d { $($d:tt)* }
    ) => {
        $crate::elementwise::RowLoss {
            flops: $flops,
            columns: [$(stringify!($column)),*],
            maxima: &[$((stringify!($max), stringify!($($max_body)*))),*],
            sums: &[$((stringify!($sum), stringify!($($sum_body)*))),*],
            bodies: [stringify!($($l)*), stringify!($($d)*)],
            single: $crate::elementwise::declare_row_losses::row_loss!(@of single, ($($p),*), ($($column),*),
                [$($max { $($max_body)* })*], [$($sum { $($sum_body)* })*], { $($l)* }, { $($d)* }),
            double: $crate::elementwise::declare_row_losses::row_loss!(@of double, ($($p),*), ($($column),*),
                [$($max { $($max_body)* })*], [$($sum { $($sum_body)* })*], { $($l)* }, { $($d)* }),
            rounded: $crate::elementwise::declare_row_losses::row_loss!(@of rounded, ($($p),*), ($($column),*),
                [$($max { $($max_body)* })*], [$($sum { $($sum_body)* })*], { $($l)* }, { $($d)* }),
            dual: $crate::elementwise::declare_row_losses::row_loss!(@of dual, ($($p),*), ($($column),*),
                [$($max { $($max_body)* })*], [$($sum { $($sum_body)* })*], { $($l)* }, { $($d)* }),
        }
    };
    (
        @of $numbers:ident, ($($p:ident),*), ($z:ident, $t:ident, $o:ident, $k:ident, $n:ident),
        [$($max:ident $max_body:block)*], [$($sum:ident $sum_body:block)*], $l:block, $d:block
    ) => {{
        #[allow(unused, clippy::all, clippy::pedantic, reason = "not every body uses all")]
        fn call(
            row: &$crate::elementwise::Row<'_, $crate::elementwise::numbers::$numbers::Number>,
            gradient: &mut [$crate::elementwise::numbers::$numbers::Number],
        ) -> $crate::elementwise::numbers::$numbers::Number {
            use $crate::elementwise::numbers::RowNumber;
            use $crate::elementwise::numbers::$numbers::*;
            let [first, second, ..] = row.parameters;
            $crate::elementwise::declare::parameters!(first, second, $($p),*);
            let columns = 0..row.outputs.len();
            let $n: Number = RowNumber::whole(row.outputs.len());
            $(let $max: Number = RowNumber::largest(columns.clone().map(|c| {
                let [$z, $t, $o, $k] = row.column(c);
                $max_body.into()
            }));)*
            $(let $sum: Number = RowNumber::sum(columns.clone().map(|c| {
                let [$z, $t, $o, $k] = row.column(c);
                $sum_body.into()
            }));)*
            for c in columns {
                let [$z, $t, $o, $k] = row.column(c);
                gradient[c] = $d.into();
            }
            $l.into()
        }
        call
    }};
}
pub(crate) use row_loss;
