//! Rules of layers: their forward ops and their backward ops.
//!
//! Node 0 of a network is its input, and node n + 1 is the output of layer n. The forward rule of a layer returns the view of its
//! output. The backward rule has the gradient of the output, and passes gradients to the nodes that the layer reads.

use super::{Lowering, Pass};
use crate::error::Result;
use crate::kernels::dropout::Mask;
use crate::kernels::{activation, activation_grad, bias_add, column_sum, dropout, matmul};
use crate::network::{Layer, LayerTensor};
use crate::plan::{Op, Plan, Section, ViewId};

/// Backward pass.
struct Backward<'a> {
    /// Views of the nodes.
    nodes: &'a [ViewId],
    /// Gradients of the nodes.
    gradients: Vec<Option<ViewId>>,
    /// First layer with trained tensors. The nodes up to its input need no gradient.
    first: usize,
    /// Prefix of the names of the tensors' gradients.
    prefix: &'a str,
}

impl Lowering<'_> {
    /// Adds the forward ops; returns the views of the nodes.
    pub(super) fn forward(&mut self, pass: &Pass) -> Result<Vec<ViewId>> {
        let mut nodes = vec![self.plan.named(&format!("{}input", pass.prefix))?];
        for (number, layer) in self.spec.network.layers().iter().enumerate() {
            nodes.push(self.forward_rule(pass, number, layer, nodes[number])?);
        }
        Ok(nodes)
    }

    fn forward_rule(&mut self, pass: &Pass, number: usize, layer: &Layer, input: ViewId) -> Result<ViewId> {
        let columns = self.plan.shape(input).columns;
        match *layer {
            Layer::Dropout { .. } if !pass.training => Ok(input),
            Layer::Dropout { rate } => self.emit(pass, number, "output", columns, |plan, output| {
                dropout::op(plan, Mask::new(number, rate), input, output)
            }),
            Layer::Activation(function) => {
                self.emit(pass, number, "output", columns, |plan, output| activation::op(plan, function, input, output))
            }
            Layer::Dense(dense) => {
                let weight = self.plan.named(&format!("layer{number}.weight"))?;
                let bias = self.plan.find(&format!("layer{number}.bias"));
                let part = if bias.is_some() { "product" } else { "output" };
                let product = self
                    .emit(pass, number, part, dense.outputs, |plan, output| matmul::nt(plan, input, weight, output))?;
                let Some(bias) = bias else { return Ok(product) };
                self.emit(pass, number, "output", dense.outputs, |plan, output| {
                    bias_add::op(plan, product, bias, output)
                })
            }
        }
    }

    /// Adds a forward op and the view `layerN.{part}` that it writes.
    fn emit(
        &mut self,
        pass: &Pass,
        number: usize,
        part: &str,
        columns: usize,
        op: impl FnOnce(&Plan, ViewId) -> Op,
    ) -> Result<ViewId> {
        let output = self.computed(format!("{}layer{number}.{part}", pass.prefix), pass.rows, columns);
        self.plan.push(pass.section, op(&self.plan, output).of_layer(number))?;
        Ok(output)
    }

    /// Adds the backward ops, from the gradient of the last node down to the first layer with trained tensors. Gradients of
    /// tensors are called `{prefix}layerN.weight` and so on.
    pub(super) fn backward(&mut self, nodes: &[ViewId], gradient: ViewId, prefix: &str) -> Result<()> {
        let network = &self.spec.network;
        let trained = |(number, tensor): (usize, LayerTensor)| tensor.is_trained().then_some(number);
        let first = network.tensors().find_map(trained).unwrap_or(0);
        let mut backward = Backward { nodes, gradients: vec![None; nodes.len()], first, prefix };
        backward.gradients[nodes.len() - 1] = Some(gradient);
        for (number, layer) in network.layers().iter().enumerate().skip(first).rev() {
            self.backward_rule(&mut backward, number, layer)?;
        }
        Ok(())
    }

    fn backward_rule(&mut self, backward: &mut Backward<'_>, number: usize, layer: &Layer) -> Result<()> {
        let (input, output) = (backward.nodes[number], backward.nodes[number + 1]);
        let Some(above) = backward.gradients[number + 1] else { return Ok(()) };
        match *layer {
            Layer::Dropout { rate } => self.pass_on(backward, number, number, |plan, gradient| {
                dropout::op(plan, Mask::new(number, rate), above, gradient)
            }),
            Layer::Activation(function) => {
                let argument = if function.keeps_input() { input } else { output };
                self.pass_on(backward, number, number, |plan, gradient| {
                    activation_grad::op(plan, function, above, argument, gradient)
                })
            }
            Layer::Dense(_) => {
                let own = |part: &str| self.plan.find(&format!("{}layer{number}.{part}", backward.prefix));
                let weight = own("weight").map(|weight| matmul::tn(&self.plan, above, input, weight));
                let bias = own("bias").map(|bias| column_sum::op(&self.plan, above, bias));
                for op in weight.into_iter().chain(bias) {
                    self.plan.push(Section::Gradients, op.of_layer(number))?;
                }
                let weight = self.plan.named(&format!("layer{number}.weight"))?;
                self.pass_on(backward, number, number, |plan, gradient| matmul::nn(plan, above, weight, gradient))
            }
        }
    }

    /// Adds an op of layer `number` that computes the gradient of `node`, if that node needs one.
    fn pass_on(
        &mut self,
        backward: &mut Backward<'_>,
        number: usize,
        node: usize,
        op: impl FnOnce(&Plan, ViewId) -> Op,
    ) -> Result<()> {
        if node <= backward.first {
            return Ok(());
        }
        let shape = self.plan.shape(backward.nodes[node]);
        let gradient = self.computed(format!("grad.layer{}.output", node - 1), shape.rows, shape.columns);
        self.plan.push(Section::Gradients, op(&self.plan, gradient).of_layer(number))?;
        backward.gradients[node] = Some(gradient);
        Ok(())
    }
}
