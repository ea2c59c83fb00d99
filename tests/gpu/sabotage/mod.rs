//! Tests of the tests: a case of its kernel must catch each of these faulty shaders, and name its op.

mod matmul;
mod table;

use std::collections::BTreeMap;

pub use matmul::{BANDED, STAGED, WIDE};
use wgrad::Error;
use wgrad::elementwise::updates;
use wgrad::kernels;
use wgrad::plan::{Kernel, OperandSharing, Shader, Tile, Tiles};

use crate::common::device;
use crate::kernels::{cases_of, run_with, tiles};

/// Kernel, fault, and the replaced text with its replacement.
type Sabotage = (&'static str, &'static str, &'static str, &'static str);

/// Returns the faults that each update of an optimizer can have: kernel, fault, and the replaced text with its replacement.
fn of_updates() -> impl Iterator<Item = (&'static str, String, String, String)> {
    updates::ALL.iter().flat_map(|update| {
        let downhill = match update.name {
            "adan" => "(p - change)",
            "adamw_schedule_free" => "z - change",
            // Its direction is subtracted by another kernel.
            "lamb" => "m / correction1",
            _ => "p * kept - ",
        };
        let uphill = if update.direction.is_some() { format!("-{downhill}") } else { downhill.replace('-', "+") };
        let mut faults = vec![
            (update.kernel, "weight decay is forgotten".into(), " + params.l2 * p".into(), String::new()),
            (update.kernel, "uphill".into(), downhill.into(), uphill.clone()),
            (update.grouped_kernel, "frozen blocks are updated".into(), "setting(i, 0u) != 0.0".into(), "false".into()),
            (update.grouped_kernel, "uphill".into(), downhill.into(), uphill),
        ];
        faults.extend(update.states.iter().map(|state| {
            let store = format!("{state}[i] = element.{state};");
            (update.kernel, format!("{state} is not kept"), store, String::new())
        }));
        faults
    })
}

/// Returns all faults, with the tile of matrix multiplications.
fn all() -> impl Iterator<Item = (Tile, (&'static str, String, String, String))> {
    let vector = Tile { vector: [true; 3], ..Tile::PLAIN };
    let tables = [
        (Tile::PLAIN, table::TABLE),
        (Tile::PLAIN, matmul::PLAIN),
        (vector, matmul::VECTOR),
        (Tile::SUBGROUPS, matmul::SUBGROUPS),
        (STAGED, matmul::TILES),
        (WIDE, matmul::TILES),
        (WIDE, matmul::GROUPS),
        (BANDED, matmul::BANDS),
    ];
    let owned = |(kernel, what, from, to): &Sabotage| (*kernel, what.to_string(), from.to_string(), to.to_string());
    let listed = tables.into_iter().flat_map(move |(tile, table)| table.iter().map(move |fault| (tile, owned(fault))));
    listed.chain(of_updates().map(|fault| (Tile::PLAIN, fault)))
}

/// Returns the kernel with changed text, in its own file or a shared one. It is leaked, since kernels are static. The
/// op of a matrix multiplication must have this tile.
pub fn tampered(kernel: &'static Kernel, tile: &Tile, from: &str, to: &str) -> &'static Kernel {
    let shader = kernel.shader;
    let core = shader.tiles.map(|tiles| (tiles.core)(tile).concat()).unwrap_or_default();
    let text = shader.shared.concat() + &core + shader.source;
    assert!(text.contains(from), "{}: there is no `{from}` to replace", kernel.name);
    let source = Box::leak(text.replacen(from, to, 1).into_boxed_str());
    let tiles = shader.tiles.map(|tiles| Tiles { core: |_| Vec::new(), ..tiles });
    Box::leak(Box::new(Kernel { shader: Shader { source, shared: &[], tiles, ..shader }, ..*kernel }))
}

#[test]
fn every_sabotaged_shader_is_caught() {
    let Some(device) = device() else { return };
    let mut missed = Vec::new();
    for (tile, (name, what, from, to)) in all() {
        let honest = kernels::ALL.into_iter().find(|kernel| kernel.name == name).expect("a kernel of ours");
        let (kernel, product) = (tampered(honest, &tile, &from, &to), honest.shader.tiles.is_some());
        if tile.sharing == OperandSharing::Subgroup && !device.limits().subgroups {
            println!("not on this device, whose subgroups are others: {what}: {name}");
            continue;
        }
        let tile = product.then_some(tile);
        let mut cases = cases_of(name).into_iter().filter(|case| tiles(&device, case).contains(&tile));
        match cases.find_map(|case| run_with(&device, &case, tile, kernel).err()) {
            Some(Error::Mismatch { op, view, .. }) => {
                assert!(op.ends_with(&format!("op 0 ({name})")), "{what} in {name} was blamed on {op}");
                println!("caught: {what}: {op}, {view}");
            }
            Some(error) => panic!("{name}: {what}: {error}"),
            None => missed.push(format!("{name}: {what}")),
        }
    }
    assert!(missed.is_empty(), "not caught: {missed:#?}");
}

#[test]
fn every_shader_is_sabotaged_at_least_twice() {
    let mut counts: BTreeMap<&str, usize> = kernels::ALL.iter().map(|kernel| (kernel.name, 0)).collect();
    all().for_each(|(_, (kernel, ..))| *counts.get_mut(kernel).expect("a kernel of ours") += 1);
    assert!(counts.values().all(|count| *count >= 2), "{counts:?}");
    let said = format!("{} sabotaged shaders", all().count());
    assert!(include_str!("../../../README.md").contains(&said), "README.md does not say `{said}`");
}
