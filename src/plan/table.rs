//! Display of a plan as a table. Tests compare it with golden files.

use std::fmt;

use crate::plan::{Contents, Op, Plan, Section};
use crate::text::grouped;

impl Plan {
    /// Returns the serial level of each op of a section, from 1: one more than the highest level of the ops that it
    /// must wait for. Ops of one level may run at the same time on a device that tracks dependencies by whole buffers.
    pub fn levels(&self, section: Section) -> Vec<usize> {
        // For each allocation, the highest level so far of an op that reads it, and of one that writes it.
        let mut highest = vec![[0; 2]; self.allocations.len()];
        let level = |op: &Op| {
            let uses = || {
                op.kernel.bindings.iter().zip(&op.views).map(|(b, v)| (b.access.writes(), self.get(*v).allocation.0))
            };
            // An op waits for earlier ops that write an allocation that it uses, and for earlier ops that read an
            // allocation that it writes. Allocations with atomic words are no exception.
            let waits =
                uses().map(|(writes, at)| if writes { highest[at][0].max(highest[at][1]) } else { highest[at][1] });
            let level = 1 + waits.max().unwrap_or(0);
            uses().for_each(|(writes, at)| {
                let known = &mut highest[at][usize::from(writes)];
                *known = level.max(*known);
            });
            level
        };
        self.ops(section).iter().map(level).collect()
    }

    fn write_section(&self, f: &mut fmt::Formatter<'_>, section: Section) -> fmt::Result {
        let ops = self.ops(section);
        if ops.is_empty() {
            return Ok(());
        }
        let levels = self.levels(section);
        let flops: u64 = ops.iter().map(|op| self.flops(op)).sum();
        let highest = levels.iter().max().unwrap_or(&0);
        writeln!(f, "{}: {} ops in {highest} serial levels, {} FLOP", section.name(), ops.len(), grouped(flops))?;
        writeln!(f, "  {:>3}  {:<24} {:>5} {:>15} {:>13}  views", "op", "kernel", "level", "FLOP", "bytes")?;
        for (index, (op, level)) in ops.iter().zip(levels).enumerate() {
            let (flop, bytes) = (grouped(self.flops(op)), grouped(self.traffic(op)));
            writeln!(
                f,
                "  {index:>3}  {:<24} {level:>5} {flop:>15} {bytes:>13}  {}{}",
                op.kernel.name,
                self.operands(op),
                op.tile.map(|tile| format!("; {tile}")).unwrap_or_default(),
            )?;
        }
        writeln!(f)
    }

    /// Formats the views of an op: `input 64×64, layer0.weight 128×64 → layer0.output 64×128`.
    fn operands(&self, op: &Op) -> String {
        let list = |written: bool| {
            let views = op.kernel.bindings.iter().zip(&op.views).filter(|(b, _)| b.access.writes() == written);
            views.map(|(_, v)| format!("{} {}", self.get(*v).name, self.shape(*v))).collect::<Vec<_>>().join(", ")
        };
        format!("{} → {}", list(false), list(true))
    }
}

impl fmt::Display for Plan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for section in Section::ALL {
            self.write_section(f, section)?;
        }
        let kind = |wanted: fn(&Contents) -> bool| -> u64 {
            self.allocations.iter().filter(|a| wanted(&a.contents)).map(|a| 4 * a.elements as u64).sum()
        };
        let (host, kept, computed) = (
            kind(|c| *c == Contents::Host),
            kind(|c| matches!(c, Contents::Persistent(_) | Contents::Constant(_))),
            kind(|c| *c == Contents::Computed),
        );
        writeln!(
            f,
            "memory: {} bytes in {} allocations: {} kept from step to step, {} computed, {} from the host",
            grouped(self.bytes() as u64),
            self.allocations.len(),
            grouped(kept),
            grouped(computed),
            grouped(host)
        )
    }
}
