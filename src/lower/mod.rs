//! Lowering: turns a spec into a plan of primitive ops, each of which is one mathematical operation.
//!
//! Each layer has a rule for its forward ops and one for its backward ops, in `layers.rs`.

mod layers;
mod spec;
mod updates;

pub use spec::{InputStorage, Reduction, TrainingSpec};

use crate::error::{Error, Result};
use crate::kernels::{
    accumulate, activation, argmax, check_finite, count_correct, gather, gather_bytes, loss, mean_loss, mix_rows,
    weigh_rows,
};
use crate::loss::{Loss, TargetKind, Task};
use crate::mix::Mix;
use crate::network::{Activation, LayerTensor, Network};
use crate::optim::{Sgd, TensorSettings};
use crate::plan::{Allocation, AllocationId, Contents, Op, Plan, Section, View, ViewId};
use crate::shape::{Dtype, Shape, padded};

/// Largest number of elements of one allocation of rows. Kernels count in u32, and tiles and workgroups reach beyond
/// the last row and column; this limit leaves three quarters of the range of u32 for that. `Network::check` allows
/// twice as many parameters, since kernels over all parameters reach beyond the last one by less than a workgroup.
const MOST_ELEMENTS: usize = 1 << 30;

/// Lowers a spec to a plan of primitive ops.
///
/// # Errors
/// Returns the errors of [`TrainingSpec::check`], and an error if rows or elements of an allocation exceed what kernels
/// can count.
pub fn lower(spec: &TrainingSpec) -> Result<Plan> {
    let mut lowering = Lowering::new(spec)?;
    lowering.window()?;
    lowering.gradients()?;
    lowering.update()?;
    lowering.report()?;
    lowering.evaluate()?;
    lowering.score()?;
    lowering.finish()
}

/// Lowers a network to a plan with only the section `evaluate`, for batches of up to `rows` rows.
///
/// # Errors
/// Returns the errors of [`Network::check`], and an error if `rows` is 0, or if rows or elements of an allocation
/// exceed what kernels can count.
pub fn lower_forward(network: &Network, rows: usize) -> Result<Plan> {
    let spec = TrainingSpec::new(network.clone(), Loss::mean_squared_error(), Sgd::default(), rows);
    let mut lowering = Lowering::new(&spec)?;
    lowering.evaluate()?;
    lowering.finish()
}

/// Lowers a network and its loss to a plan with only the sections `evaluate` and `score`, for batches of up to `rows`
/// rows.
///
/// # Errors
/// Returns the errors of [`Network::check`] and [`Loss::check`], and an error if `rows` is 0, or if rows or elements of
/// an allocation exceed what kernels can count.
pub fn lower_evaluation(network: &Network, loss: Loss, rows: usize) -> Result<Plan> {
    let spec = TrainingSpec::new(network.clone(), loss, Sgd::default(), rows);
    let mut lowering = Lowering::new(&spec)?;
    lowering.evaluate()?;
    lowering.score()?;
    lowering.finish()
}

/// Prefix of the names of averaged tensors.
pub(crate) const AVERAGE: &str = "average.";

/// Returns the error for more rows or elements than kernels can count.
fn too_many(op: String, what: &'static str, needed: usize, remedy: &str) -> Error {
    Error::Limit { op, what, needed: needed as u64, allowed: MOST_ELEMENTS as u64, remedy: remedy.into() }
}

/// Plan under construction.
struct Lowering<'a> {
    spec: &'a TrainingSpec,
    plan: Plan,
    /// Settings of each trained tensor, with the number of its layer.
    settings: Vec<(usize, LayerTensor, TensorSettings)>,
}

/// Forward pass: the section of its ops, the prefix of its views' names, its number of rows, and `training`, which
/// selects noise and the statistics of the batch.
struct Pass {
    section: Section,
    prefix: &'static str,
    /// Prefix of the names of the trained tensors that the pass reads: [`AVERAGE`] for their average, else empty.
    tensors: &'static str,
    rows: usize,
    training: bool,
}

impl<'a> Lowering<'a> {
    /// Starts a plan with the network's tensors. Checks the spec and the numbers of rows first, since sizes are
    /// computed from them.
    fn new(spec: &'a TrainingSpec) -> Result<Self> {
        spec.check()?;
        for (what, rows, remedy) in [
            ("a batch", spec.micro_batch, "use a smaller batch"),
            ("a submission", spec.parts(), "put fewer steps into a submission"),
            ("an evaluation", spec.evaluate_rows, "evaluate fewer rows at once"),
        ] {
            if rows > MOST_ELEMENTS {
                return Err(too_many(format!("allocations of {what}"), "rows", rows, remedy));
            }
        }
        let mut plan = Plan::new();
        tensors(&mut plan, &spec.network, "parameters", "");
        let running = running(&spec.network);
        if !running.is_empty() {
            allocate(&mut plan, running, "running", "");
        }
        Ok(Self { spec, plan, settings: TensorSettings::of(&spec.network, &spec.groups)? })
    }

    /// Returns the plan, after checking that kernels can count the elements of each allocation. The sizes of persistent
    /// memory follow from the number of parameters, which was checked with the network.
    fn finish(self) -> Result<Plan> {
        for Allocation { name, elements, contents, .. } in self.plan.allocations() {
            let remedy = match contents {
                Contents::Persistent(_) | Contents::Constant(_) => continue,
                Contents::Host => "use a smaller batch, or a data set with fewer rows",
                Contents::Computed => "use a smaller batch or narrower layers",
            };
            if *elements > MOST_ELEMENTS {
                return Err(too_many(format!("allocation {name}"), "elements", *elements, remedy));
            }
        }
        Ok(self.plan.with_trusted(true))
    }

    /// Returns the element type and the number of columns of the targets.
    fn target(&self) -> (Dtype, usize) {
        let dtype = match self.spec.loss.target_kind() {
            TargetKind::Numbers => Dtype::F32,
            TargetKind::Class => Dtype::U32,
        };
        (dtype, self.spec.loss.target_columns(self.spec.network.outputs()))
    }

    fn computed(&mut self, name: impl Into<String>, rows: usize, columns: usize) -> ViewId {
        self.plan.tensor(name, Dtype::F32, Shape::new(rows, columns), Contents::Computed)
    }

    /// Adds the window's views, and the ops that fill it from the resident data set.
    fn window(&mut self) -> Result<()> {
        let TrainingSpec { micro_batch: batch, data_rows, .. } = *self.spec;
        let parts = self.spec.parts();
        let contents = if data_rows.is_some() { Contents::Computed } else { Contents::Host };
        let (target, columns) = self.target();
        // One row for each batch of an epoch, and at least one for each batch of a submission.
        let index = data_rows.map(|rows| Shape::new(rows.div_ceil(batch).max(parts), batch));
        let index = index.map(|shape| self.plan.tensor("index", Dtype::U32, shape, Contents::Host));
        let inputs = self.spec.network.inputs();
        let weight = (self.spec.reduction == Reduction::WeightedMean).then_some(("weight", Dtype::F32, 1));
        for (name, dtype, columns) in
            [("input", Dtype::F32, inputs), ("target", target, columns)].into_iter().chain(weight)
        {
            let (_, window) = self.plan.windowed(name, dtype, Shape::new(batch, columns), parts, contents.clone());
            let Some((rows, index)) = data_rows.zip(index) else { continue };
            let op = match (name, self.tables()) {
                ("input", Some(tables)) => self.gather_bytes(rows, tables, index, window),
                _ => {
                    let data = format!("data.{name}");
                    let data = self.plan.tensor(data, dtype, Shape::new(rows, columns), Contents::Host);
                    gather::op(&self.plan, data, index, window)
                }
            };
            self.plan.push(Section::Window, op)?;
        }
        Ok(())
    }

    /// Returns the number of lookup tables that turn bytes into inputs; `None` if the inputs are not stored as bytes.
    fn tables(&self) -> Option<usize> {
        match self.spec.data_inputs {
            InputStorage::Numbers => None,
            InputStorage::Bytes => Some(1),
            InputStorage::BytesByColumn => Some(self.spec.network.inputs()),
        }
    }

    fn gather_bytes(&mut self, rows: usize, tables: usize, index: ViewId, window: ViewId) -> Op {
        let width = self.spec.network.inputs();
        let words = Shape::new(rows, width.div_ceil(4));
        let data = self.plan.tensor("data.input", Dtype::U32, words, Contents::Host);
        let table = self.plan.tensor("data.table", Dtype::F32, Shape::new(tables, 256), Contents::Host);
        gather_bytes::op(&self.plan, [data, index, table, window], width)
    }

    fn gradients(&mut self) -> Result<()> {
        let network = &self.spec.network;
        // The optimizer always reads `gradients`: the gradients of the only batch, or the sum over several batches.
        let adds = self.spec.accumulate > 1;
        let [name, prefix] = if adds { ["batch.gradients", "batch.grad."] } else { ["gradients", "grad."] };
        let gradients = tensors(&mut self.plan, network, name, prefix);
        let running = running(network);
        if !running.is_empty() {
            // Contributions of the step's micro-batches.
            allocate(&mut self.plan, running, "pending", "pending.");
        }
        let pass =
            Pass { section: Section::Gradients, prefix: "", tensors: "", rows: self.spec.micro_batch, training: true };
        let outputs = self.forward(&pass)?;
        let flag = self.plan.tensor("flag", Dtype::U32, Shape::vector(1), Contents::Persistent(u32::MAX));
        let output = outputs[network.layers().len()];
        let grad = match self.spec.reduction {
            Reduction::Mean | Reduction::WeightedMean => self.loss(&pass, output, flag)?,
            Reduction::Host => {
                let View { allocation, offset, shape, .. } = *self.plan.get(output);
                self.plan.view("output", allocation, offset, shape);
                self.plan.tensor("grad.output", Dtype::F32, shape, Contents::Host)
            }
        };
        self.backward(&outputs, grad, prefix)?;
        self.plan.push(Section::Gradients, check_finite::op(&self.plan, gradients, flag))?;
        if adds {
            let sum = tensors(&mut self.plan, network, "gradients", "grad.");
            let shape = self.plan.shape(sum);
            let compensation = self.plan.tensor("gradients.compensation", Dtype::F32, shape, Contents::Persistent(0));
            let op = accumulate::op(&self.plan, gradients, sum, compensation, flag);
            self.plan.push(Section::Gradients, op)?;
        }
        Ok(())
    }

    /// Adds the ops of the loss of a batch, and returns its gradient by the network's output. The loss of mixed rows is
    /// the mixture of the losses of both targets. That of the other row's target is computed in the place of this
    /// target, from reversed outputs, and so with its weight.
    fn loss(&mut self, pass: &Pass, output: ViewId, flag: ViewId) -> Result<ViewId> {
        let (last, columns) = (self.spec.network.layers().len() - 1, self.spec.network.outputs());
        let (row_loss, _) =
            self.plan.windowed("row_loss", Dtype::F32, Shape::new(pass.rows, 1), self.spec.parts(), Contents::Computed);
        let grad = self.computed(format!("grad.layer{last}.output"), pass.rows, columns);
        if self.spec.mix.is_none() {
            self.loss_of(pass, "", output, [row_loss, grad], flag)?;
            return Ok(grad);
        }
        let reversed = self.computed("reversed.output", pass.rows, columns);
        self.mix_among(pass, mix_rows::Kind::Reverse, output, reversed)?;
        let [mut losses, mut grads] = [Vec::new(), Vec::new()];
        for (of, output) in [("own.", output), ("reversed.", reversed)] {
            losses.push(self.computed(format!("{of}row_loss"), pass.rows, 1));
            grads.push(self.computed(format!("{of}grad"), pass.rows, columns));
            self.loss_of(pass, of, output, [losses[losses.len() - 1], grads[grads.len() - 1]], flag)?;
        }
        self.mix(pass, mix_rows::Kind::Blend, [losses[0], losses[1], row_loss])?;
        self.mix(pass, mix_rows::Kind::Blend, [grads[0], grads[1], grad])?;
        Ok(grad)
    }

    /// Adds the ops of the losses of rows and of their gradients, for one target per row. `of` is the prefix of the
    /// names of views between them.
    fn loss_of(
        &mut self,
        pass: &Pass,
        of: &str,
        output: ViewId,
        [row_loss, grad]: [ViewId; 2],
        flag: ViewId,
    ) -> Result<()> {
        let (target, columns) = (self.plan.named("target")?, self.spec.network.outputs());
        if self.spec.reduction != Reduction::WeightedMean {
            let op = loss::op(self.spec.loss, &self.plan, output, target, row_loss, grad, flag);
            return self.plan.push(pass.section, op);
        }
        let own_loss = self.computed(format!("{of}row_loss.unweighted"), pass.rows, 1);
        let own_grad = self.computed(format!("{of}grad.unweighted"), pass.rows, columns);
        let op = loss::op(self.spec.loss, &self.plan, output, target, own_loss, own_grad, flag);
        self.plan.push(pass.section, op)?;
        let weight = self.plan.named("weight")?;
        let op = weigh_rows::op(&self.plan, weight, [own_loss, own_grad], [row_loss, grad], flag);
        self.plan.push(pass.section, op)
    }

    /// Adds an op that mixes the rows of two views.
    fn mix(&mut self, pass: &Pass, kind: mix_rows::Kind, views: [ViewId; 3]) -> Result<()> {
        self.plan.push(pass.section, mix_rows::op(&self.plan, kind, views))
    }

    /// Adds an op that mixes the rows of one view among themselves. An op has no view twice, so there is a second one
    /// of the same memory.
    fn mix_among(&mut self, pass: &Pass, kind: mix_rows::Kind, own: ViewId, output: ViewId) -> Result<()> {
        let view = self.plan.get(own);
        let other = View { name: format!("{}.other", view.name), ..view.clone() };
        let other = self.plan.add_view(other);
        self.mix(pass, kind, [own, other, output])
    }

    /// Returns the view that the first layer reads: the input, or in training the mixed input.
    fn first_input(&mut self, pass: &Pass) -> Result<ViewId> {
        let input = self.plan.named(&format!("{}input", pass.prefix))?;
        let kind = match self.spec.mix.filter(|_| pass.training) {
            None => return Ok(input),
            Some(Mix::Mixup { .. }) => mix_rows::Kind::Blend,
            Some(Mix::Cutmix { .. }) => mix_rows::Kind::Cut,
        };
        let mixed = self.computed("mixed.input", pass.rows, self.spec.network.inputs());
        self.mix_among(pass, kind, input, mixed)?;
        Ok(mixed)
    }

    /// Returns `true` if a tensor of a layer is trained and not frozen.
    fn trains(&self, number: usize, name: &str) -> bool {
        let from = self.settings.partition_point(|(layer, ..)| *layer < number);
        let mut own = self.settings[from..].iter().take_while(|(layer, ..)| *layer == number);
        own.any(|(_, tensor, settings)| tensor.name == name && !settings.frozen)
    }

    fn report(&mut self) -> Result<()> {
        if self.spec.reduction == Reduction::Host {
            return Ok(());
        }
        let loss = self.computed("loss", self.spec.parts(), 1);
        let op = mean_loss::op(&self.plan, self.plan.named("row_loss.window")?, loss);
        self.plan.push(Section::Report, op)
    }

    fn evaluate(&mut self) -> Result<()> {
        let (rows, columns) = (self.spec.evaluate_rows, self.spec.network.inputs());
        self.plan.tensor("evaluate.input", Dtype::F32, Shape::new(rows, columns), Contents::Host);
        let tensors = if self.spec.is_averaged() { AVERAGE } else { "" };
        let pass = Pass { section: Section::Evaluate, prefix: "evaluate.", tensors, rows, training: false };
        let outputs = self.forward(&pass)?;
        // Alias of the last view, with a name that does not depend on the layers.
        let last = self.plan.get(outputs[outputs.len() - 1]).clone();
        self.plan.view("evaluate.output", last.allocation, last.offset, last.shape);
        Ok(())
    }

    fn score(&mut self) -> Result<()> {
        let rows = self.spec.evaluate_rows;
        let (target_type, target_columns) = self.target();
        let output = self.plan.named("evaluate.output")?;
        let columns = self.plan.shape(output).columns;
        let target = self.plan.tensor("evaluate.target", target_type, Shape::new(rows, target_columns), Contents::Host);
        let flag = self.plan.tensor("evaluate.flag", Dtype::U32, Shape::vector(1), Contents::Persistent(u32::MAX));
        let (row_loss, all) =
            self.plan.windowed("evaluate.row_loss", Dtype::F32, Shape::new(rows, 1), 1, Contents::Computed);
        let grad = self.computed("evaluate.grad.output", rows, columns);
        let loss = self.computed("evaluate.loss", 1, 1);
        let op = loss::op(self.spec.loss, &self.plan, output, target, row_loss, grad, flag);
        self.plan.push(Section::Score, op)?;
        self.plan.push(Section::Score, mean_loss::op(&self.plan, all, loss))?;
        let predict: fn(&Plan, ViewId, ViewId) -> Op = match self.spec.loss.task(columns) {
            // Soft targets are probabilities, for which no prediction is simply correct or wrong.
            Task::MultiClass if target_type == Dtype::F32 => return Ok(()),
            Task::Regression => return Ok(()),
            Task::MultiClass => argmax::op,
            Task::Binary | Task::MultiLabel => |plan, z, class| activation::op(plan, Activation::step(), z, class),
        };
        let predicted =
            self.plan.tensor("evaluate.predicted", target_type, Shape::new(rows, target_columns), Contents::Computed);
        let correct = self.plan.tensor("evaluate.correct", Dtype::U32, Shape::vector(1), Contents::Computed);
        self.plan.push(Section::Score, predict(&self.plan, output, predicted))?;
        self.plan.push(Section::Score, count_correct::op(&self.plan, predicted, target, correct))
    }
}

/// Adds the allocation `name` with one zeroed tensor per trained tensor of the layers, and a view such as
/// `{prefix}layerN.weight` of each. The offsets are the same in all such allocations. Returns a view `name` of the
/// whole allocation.
fn tensors(plan: &mut Plan, network: &Network, name: &str, prefix: &str) -> ViewId {
    allocate(plan, network.tensors().filter(|(_, tensor)| tensor.is_trained()).collect(), name, prefix)
}

/// Returns the running statistics of the layers, each with the number of its layer.
fn running(network: &Network) -> Vec<(usize, LayerTensor)> {
    network.tensors().filter(|(_, tensor)| !tensor.is_trained()).collect()
}

/// Does what [`tensors`] does, for the given tensors. Each comes with the number of its layer.
fn allocate(plan: &mut Plan, tensors: Vec<(usize, LayerTensor)>, name: &str, prefix: &str) -> ViewId {
    let elements = tensors.iter().map(|(_, tensor)| padded(tensor.elements())).sum();
    let allocation: AllocationId = plan.allocate(name, Dtype::F32, elements, Contents::Persistent(0));
    let all = plan.view(name, allocation, 0, Shape::vector(elements));
    let mut offset = 0;
    for (number, tensor) in tensors {
        let shape = match tensor.shape[..] {
            [rows, columns] => Shape::new(rows, columns),
            _ => Shape::vector(tensor.elements()),
        };
        plan.view(format!("{prefix}layer{number}.{}", tensor.name), allocation, offset, shape);
        offset += padded(shape.elements());
    }
    all
}
