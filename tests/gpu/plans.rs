//! Plans of one op, with their inputs.

use wgrad::Activation;
use wgrad::elementwise::updates;
use wgrad::exec::gpu::Gpu;
use wgrad::exec::{Executor, Run};
use wgrad::kernels::dropout::Mask;
use wgrad::kernels::{dense_forward, update};
use wgrad::plan::{Contents, Op, Plan, Section, Step, View, ViewId};
use wgrad::rng::{Philox, Stream};
use wgrad::shape::{Dtype, Shape, padded};

/// Kind of numbers that a test computes on.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Values {
    /// Standard normal.
    Real,
    /// −3 to 3: sums are exact, so tolerances are 0 where the activation is exact.
    Whole,
}

impl Values {
    pub fn draw(self, count: usize, stream: u32) -> Vec<f32> {
        let mut random = Philox::new(11, Stream::Data, stream);
        let mut number = || match self {
            Self::Real => random.normal() as f32,
            Self::Whole => random.below(7) as f32 - 3.0,
        };
        (0..count).map(|_| number()).collect()
    }
}

/// Creates a step record with `rows` live rows.
pub fn step(rows: usize) -> Step {
    Step {
        index: 7,
        rows: rows as u32,
        first_row: 1000,
        seed_low: 0x9E37_79B9,
        seed_high: 5,
        learning_rate: 0.01,
        loss_scale: 1.0,
        optimizer1: 0.3,
        optimizer2: 0.2,
        optimizer3: 0.0,
        optimizer4: 0.0,
        ..Step::default()
    }
}

pub fn run(section: Section, batch_index: usize) -> Run {
    Run { section, batch_index }
}

pub fn find(plan: &Plan, name: &str) -> ViewId {
    plan.find(name).expect("the test's plan has this view")
}

pub fn write(gpu: &mut Gpu, name: &str, batch_index: usize, values: &[f32]) {
    let view = find(gpu.plan(), name);
    gpu.write(view, batch_index, bytemuck::cast_slice(values)).expect("the values fit the view");
}

pub fn read(gpu: &mut Gpu, name: &str) -> Vec<u32> {
    let view = find(gpu.plan(), name);
    gpu.read(view, 0).and_then(|ticket| ticket.wait()).expect("the device answers")
}

/// Sizes of a dense layer.
#[derive(Clone, Copy, Debug)]
pub struct Dense {
    pub rows: usize,
    pub inputs: usize,
    pub outputs: usize,
    pub steps: usize,
}

impl Dense {
    pub fn new(rows: usize, inputs: usize, outputs: usize) -> Self {
        Self { rows, inputs, outputs, steps: 1 }
    }

    /// Builds a plan with one dense layer in `evaluate`; with more than one step, input and output are windows.
    pub fn plan(&self, function: Activation, mask: Mask) -> Plan {
        let Self { rows, inputs, outputs, steps } = *self;
        let mut plan = Plan::new();
        let (input_shape, output_shape) = (Shape::new(rows, inputs), Shape::new(rows, outputs));
        let (input, output) = if steps > 1 {
            let (input, _) = plan.windowed("input", Dtype::F32, input_shape, steps, Contents::Host);
            let (output, _) = plan.windowed("output", Dtype::F32, output_shape, steps, Contents::Computed);
            (input, output)
        } else {
            let input = plan.tensor("input", Dtype::F32, input_shape, Contents::Host);
            (input, plan.tensor("output", Dtype::F32, output_shape, Contents::Computed))
        };
        // Weight and bias share an allocation, as in `lower`, so that offsets are not 0.
        let offset = padded(outputs * inputs);
        let parameters = plan.allocate("parameters", Dtype::F32, offset + padded(outputs), Contents::Persistent(0));
        let weight = plan.view("weight", parameters, 0, Shape::new(outputs, inputs));
        let bias = plan.view("bias", parameters, offset, Shape::vector(outputs));
        let op = dense_forward::op(&plan, function, mask, input, weight, bias, output, None);
        plan.push(Section::Evaluate, op).expect("the plan is sound");
        plan
    }

    pub fn fill(&self, gpu: &mut Gpu, values: Values) {
        for batch_index in 0..self.steps {
            write(gpu, "input", batch_index, &values.draw(self.rows * self.inputs, batch_index as u32));
        }
        write(gpu, "weight", 0, &values.draw(self.outputs * self.inputs, 100));
        write(gpu, "bias", 0, &values.draw(self.outputs, 101));
    }
}

/// Parameters of `update_adamw`.
#[derive(Clone, Copy, Debug)]
pub struct AdamParams {
    pub beta1: f32,
    pub one_minus_beta1: f32,
    pub beta2: f32,
    pub one_minus_beta2: f32,
    pub epsilon: f32,
    pub l2: f32,
    pub decay: f32,
    pub max_norm: f32,
}

/// PyTorch's default settings, without weight decay or clipping.
pub const ADAM: AdamParams = AdamParams {
    beta1: 0.9,
    one_minus_beta1: 0.1,
    beta2: 0.999,
    one_minus_beta2: 0.001,
    epsilon: 1e-8,
    l2: 0.0,
    decay: 0.0,
    max_norm: f32::MAX,
};

pub fn adamw_op(plan: &Plan, params: &AdamParams, views: [ViewId; 4], states: [ViewId; 2]) -> Op {
    let AdamParams { beta1, one_minus_beta1, beta2, one_minus_beta2, epsilon, l2, decay, max_norm } = *params;
    let common = update::Common { max_norm, l2, decay };
    let settings = [beta1, one_minus_beta1, beta2, one_minus_beta2, epsilon];
    update::op(plan, &updates::ADAMW, common, &settings, views, &states)
}

/// Builds a plan with one `update_adamw` op on `elements` elements, with 64 elements of other tensors before and after each
/// view.
pub fn adamw_plan(params: &AdamParams, elements: usize) -> Plan {
    let mut plan = Plan::new();
    let mut inner = |name: &str, contents| {
        let allocation = plan.allocate(format!("{name}.all"), Dtype::F32, elements + 128, contents);
        let shape = Shape::vector(elements);
        plan.add_view(View { name: name.into(), allocation, offset: 64, shape, batch_stride: 0 })
    };
    let persistent = || Contents::Persistent(0x3F80_0000);
    let parameter = inner("parameter", persistent());
    let gradient = inner("gradient", Contents::Host);
    let (m, v) = (inner("m", persistent()), inner("v", persistent()));
    let norm = plan.tensor("norm", Dtype::F32, Shape::vector(1), Contents::Host);
    let flag = plan.tensor("flag", Dtype::U32, Shape::vector(1), Contents::Persistent(u32::MAX));
    let op = adamw_op(&plan, params, [parameter, gradient, norm, flag], [m, v]);
    plan.push(Section::Update, op).expect("the plan is sound");
    plan
}

pub fn fill_adamw(gpu: &mut Gpu, elements: usize, norm: f32) {
    write(gpu, "parameter", 0, &Values::Real.draw(elements, 1));
    write(gpu, "gradient", 0, &Values::Real.draw(elements, 2));
    write(gpu, "m", 0, &Values::Real.draw(elements, 3));
    let squares: Vec<f32> = Values::Real.draw(elements, 4).iter().map(|v| v * v).collect();
    write(gpu, "v", 0, &squares);
    write(gpu, "norm", 0, &[norm]);
}
